const LOCALE = navigator.language;
const MICROS = 1_000_000;

const whole = new Intl.NumberFormat(LOCALE);
const short = new Intl.NumberFormat(LOCALE, { notation: 'compact', maximumFractionDigits: 1 });
const percent = new Intl.NumberFormat(LOCALE, { style: 'percent', maximumFractionDigits: 1 });
const dollars = (maximumFractionDigits: number): Intl.NumberFormat =>
  new Intl.NumberFormat(LOCALE, {
    style: 'currency',
    currency: 'USD',
    currencyDisplay: 'narrowSymbol',
    maximumFractionDigits,
  });
const cents = dollars(2);
const fractions = dollars(4);
const tiny = dollars(6);

const SHORT_FROM = 10_000;

export const formatWhole = (value: number | string): string => whole.format(Number(value));
export const formatShort = (value: number | string): string => {
  const number = Number(value);
  return Math.abs(number) < SHORT_FROM ? whole.format(number) : short.format(number);
};
export const formatPercent = (share: number): string => percent.format(share);

/** Millionths of a dollar, with as many digits as carry information. */
export function formatCost(micros: number | string): string {
  const usd = Number(micros) / MICROS;
  if (usd === 0 || Math.abs(usd) >= 1) return cents.format(usd);
  return Math.abs(usd) >= 0.001 ? fractions.format(usd) : tiny.format(usd);
}

export function formatDuration(ms: number): string {
  if (ms < 1000) return `${whole.format(Math.round(ms))} ms`;
  return `${new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 1 }).format(ms / 1000)} s`;
}

/** The time zone of all times, unless a page chooses another one. */
export const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;

const time = new Intl.DateTimeFormat(LOCALE, { dateStyle: 'medium', timeStyle: 'medium' });
const day = new Intl.DateTimeFormat(LOCALE, { dateStyle: 'medium' });
export const formatTime = (iso: string): string => time.format(new Date(iso));
export const formatDay = (iso: string): string => day.format(new Date(iso));

/** Formats days in the ledger's own zone. */
export const shortDayIn = (zone: string): ((iso: string) => string) => {
  const format = new Intl.DateTimeFormat(LOCALE, { month: 'short', day: 'numeric', timeZone: zone });
  return (iso) => format.format(new Date(iso));
};
export const longDayIn = (zone: string): ((iso: string) => string) => {
  const format = new Intl.DateTimeFormat(LOCALE, { dateStyle: 'full', timeZone: zone });
  return (iso) => format.format(new Date(iso));
};

const ago = new Intl.RelativeTimeFormat(LOCALE, { numeric: 'auto', style: 'short' });
const UNITS = [
  ['year', 31_536_000],
  ['month', 2_592_000],
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
] as const;

/** "3 hr ago", "in 2 days". */
export function formatAgo(iso: string, nowMs = Date.now()): string {
  const seconds = (Date.parse(iso) - nowMs) / 1000;
  const unit = UNITS.find(([, size]) => Math.abs(seconds) >= size);
  return unit === undefined
    ? ago.format(Math.round(seconds), 'second')
    : ago.format(Math.round(seconds / unit[1]), unit[0]);
}
