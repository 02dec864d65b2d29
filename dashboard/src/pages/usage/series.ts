import type { UsageRow } from '../../api/types.js';
import type { Series } from '../../kit/chart.js';
import { m } from '../../messages/index.js';
import type { CallsFilter } from '../calls/use-calls.js';
import type { Group, Measure, Period } from './usage-search.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const MOST_SERIES = 5;
const DAYS: Readonly<Record<Exclude<Period, '24h'>, number>> = { '7d': 7, '30d': 30, '90d': 90 };

export const valueOf = (row: UsageRow, measure: Measure): number =>
  Number({ cost: row.costMicros, requests: row.requestCnt, tokens: row.tokenCnt }[measure]);

export interface Range {
  readonly startTime: string;
  readonly bucketMs: number;
  readonly bucket: 'HOUR' | 'DAY';
  /** When each bucket begins. */
  readonly buckets: readonly string[];
}

/** Whole hours, or days of a zone, the running one last. */
export function rangeOf(period: Period, nowMs: number, zone = 'UTC'): Range {
  const bucket = period === '24h' ? 'HOUR' : 'DAY';
  const buckets = period === '24h' ? hoursUntil(nowMs, 24) : daysUntil(nowMs, DAYS[period], zone);
  return { startTime: buckets[0] ?? '', bucketMs: bucket === 'HOUR' ? HOUR_MS : DAY_MS, bucket, buckets };
}

function hoursUntil(nowMs: number, count: number): string[] {
  const last = Math.floor(nowMs / HOUR_MS) * HOUR_MS;
  return Array.from({ length: count }, (_, index) => new Date(last - (count - 1 - index) * HOUR_MS).toISOString());
}

function daysUntil(nowMs: number, count: number, zone: string): string[] {
  const today = Math.floor(wallClockOf(nowMs, zone) / DAY_MS) * DAY_MS;
  return Array.from({ length: count }, (_, index) => midnightIn(zone, today - (count - 1 - index) * DAY_MS));
}

/** The start of a day in a zone. @param day its date, as midnight of UTC */
function midnightIn(zone: string, day: number): string {
  const near = day - (wallClockOf(day, zone) - day);
  // Repeated, for a change of the clock between the two.
  return new Date(day - (wallClockOf(near, zone) - near)).toISOString();
}

/** The wall clock of a zone, as if it were UTC. */
function wallClockOf(atMs: number, zone: string): number {
  const parts = new Intl.DateTimeFormat('en-US', {
    ...{ timeZone: zone, hourCycle: 'h23', year: 'numeric', month: 'numeric', day: 'numeric' },
    ...{ hour: 'numeric', minute: 'numeric', second: 'numeric' },
  }).formatToParts(atMs);
  const valueOf = (type: string): number => Number(parts.find((part) => part.type === type)?.value);
  const [year, month, day] = [valueOf('year'), valueOf('month'), valueOf('day')];
  return Date.UTC(year, month - 1, day, valueOf('hour'), valueOf('minute'), valueOf('second'));
}

export interface Part {
  readonly id: string;
  readonly name: string;
  readonly sum: number;
  /** The filter that finds its calls; absent: no filter can. */
  readonly filter?: CallsFilter;
}

function partOf(row: UsageRow, group: Group): Omit<Part, 'sum'> {
  if (group === 'MODEL') {
    const { model } = row;
    return model === undefined ? { id: '', name: m.usage.reported } : { id: model, name: model, filter: { model } };
  }
  if (group === 'KEY') {
    const { keyId, keyName } = row;
    if (keyId === undefined) return { id: '', name: m.usage.dashboard };
    return { id: keyId, name: keyName ?? keyId, filter: { keyId } };
  }
  if (group === 'PROVIDER') {
    const { provider } = row;
    if (provider === undefined) return { id: '', name: m.usage.reported };
    return { id: provider, name: provider, filter: { provider } };
  }
  if (group === 'GATEWAY') {
    const { gatewayId, gatewayName } = row;
    if (gatewayId === undefined) return { id: '', name: m.usage.noGateway };
    return { id: gatewayId, name: gatewayName ?? gatewayId, filter: { gatewayId } };
  }
  const { humanId, human } = row;
  if (humanId === undefined) return { id: '', name: m.usage.noHuman };
  return human === undefined ? { id: humanId, name: m.usage.erased } : { id: humanId, name: human, filter: { human } };
}

/** The largest parts, each over time; all others together are one more. */
export function seriesOf(
  rows: readonly UsageRow[],
  { group, measure, range }: { group: Group; measure: Measure; range: Range },
): { readonly parts: readonly Part[]; readonly series: readonly Series[] } {
  const sums = new Map<string, Part>();
  for (const row of rows) {
    const part = partOf(row, group);
    const sum = (sums.get(part.id)?.sum ?? 0) + valueOf(row, measure);
    sums.set(part.id, { ...part, sum });
  }
  const parts = [...sums.values()].filter(({ sum }) => sum > 0).sort((a, b) => b.sum - a.sum);
  const shown = parts.slice(0, MOST_SERIES);
  const place = new Map(shown.map(({ id }, index) => [id, index]));
  const at = new Map(range.buckets.map((bucket, index) => [Date.parse(bucket), index]));
  const values = Array.from({ length: parts.length > MOST_SERIES ? MOST_SERIES + 1 : shown.length }, () =>
    range.buckets.map(() => 0),
  );
  for (const row of rows) {
    const bucket = at.get(Date.parse(row.startTime ?? ''));
    const into = values[place.get(partOf(row, group).id) ?? MOST_SERIES];
    if (bucket !== undefined && into !== undefined) into[bucket] = (into[bucket] ?? 0) + valueOf(row, measure);
  }
  const names = [...shown.map(({ name }) => name), m.usage.others];
  return { parts, series: values.map((of, index) => ({ name: names[index] ?? '', values: of })) };
}
