import { invalidField } from '../platform/errors/index.js';

const SECONDS: Readonly<Record<string, number>> = Object.fromEntries(
  (
    [
      [1, ['s', 'sec', 'secs', 'second', 'seconds']],
      [60, ['m', 'min', 'mins', 'minute', 'minutes']],
      [3_600, ['h', 'hr', 'hrs', 'hour', 'hours']],
      [86_400, ['d', 'day', 'days']],
      [604_800, ['w', 'week', 'weeks']],
      [31_557_600, ['y', 'yr', 'yrs', 'year', 'years']],
    ] as const
  ).flatMap(([seconds, units]) => units.map((unit) => [unit, seconds])),
);
const SPAN = /^(\d{1,9}(?:\.\d{1,6})?) ?([a-z]+)$/i;
const MOST_SECONDS = 366 * 86_400;

/**
 * A span of time as people write it: `2h`, `365 days`.
 *
 * @returns seconds
 * @throws Fault invalid_input
 */
export function secondsOfSpan(span: string, field: string): number {
  const [, number, unit = ''] = SPAN.exec(span) ?? [];
  const each = Object.hasOwn(SECONDS, unit.toLowerCase()) ? SECONDS[unit.toLowerCase()] : undefined;
  const seconds = Math.floor(Number(number) * (each ?? NaN));
  if (!(seconds >= 1)) {
    throw invalidField(field, 'must be a number and a unit, as 30s, 15 min, 2h, 7 days, 4w or 1y');
  }
  if (seconds > MOST_SECONDS) throw invalidField(field, 'must be at most 366 days');
  return seconds;
}
