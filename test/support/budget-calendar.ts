/** The beginnings and ends of calendar periods, by Intl: an independent answer to the database's question. */
const DAY_MS = 86_400_000;
const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(zone: string): Intl.DateTimeFormat {
  const made =
    formats.get(zone) ??
    new Intl.DateTimeFormat('en-CA', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
    });
  formats.set(zone, made);
  return made;
}

/** The wall clock of a zone, as if it were UTC. */
function wallClock(atMs: number, zone: string): number {
  const parts = Object.fromEntries(
    formatOf(zone)
      .formatToParts(atMs)
      .map(({ type, value }) => [type, Number(value)]),
  );
  const of = (name: string): number => parts[name]!;
  return Date.UTC(of('year'), of('month') - 1, of('day'), of('hour'), of('minute'), of('second'));
}

/** The moment at which a zone's clock shows a midnight, which is given as if it were UTC. */
function momentOf(midnight: number, zone: string): number {
  let at = midnight;
  for (let i = 0; i < 3; i += 1) at = midnight - (wallClock(at, zone) - at);
  return at;
}

/** The period that contains a moment: its first millisecond, and the next period's. */
export function periodOf(period: string, zone: string, atMs: number): readonly [startMs: number, endMs: number] {
  if (period === 'NONE') return [atMs, Infinity];
  const local = wallClock(atMs, zone) + (atMs % 1000);
  if (period === 'MINUTE' || period === 'HOUR') {
    const unit = period === 'HOUR' ? 3_600_000 : 60_000;
    const start = Math.floor(local / unit) * unit - (local - atMs);
    return [start, start + unit];
  }
  const day = Math.floor(local / DAY_MS) * DAY_MS;
  const date = new Date(day);
  switch (period) {
    case 'DAY':
      return [momentOf(day, zone), momentOf(day + DAY_MS, zone)];
    case 'WEEK': {
      const monday = day - ((date.getUTCDay() + 6) % 7) * DAY_MS;
      return [momentOf(monday, zone), momentOf(monday + 7 * DAY_MS, zone)];
    }
    default: {
      const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()];
      return [momentOf(Date.UTC(year, month, 1), zone), momentOf(Date.UTC(year, month + 1, 1), zone)];
    }
  }
}
