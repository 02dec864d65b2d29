import type { UsageRow } from '../../api/types.js';
import type { Series } from '../../kit/chart.js';
import { m } from '../../messages/index.js';
import type { Group, Measure, Period } from './usage-search.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const MOST_SERIES = 5;

export const valueOf = (row: UsageRow, measure: Measure): number =>
  Number({ cost: row.costMicros, requests: row.requestCnt, tokens: row.tokenCnt }[measure]);

export interface Range {
  readonly startTime: string;
  readonly bucketMs: number;
  readonly bucket: 'HOUR' | 'DAY';
  /** When each bucket begins. */
  readonly buckets: readonly string[];
}

/** Whole hours or days of UTC, the running one last. */
export function rangeOf(period: Period, nowMs: number): Range {
  const [bucketMs, count] = {
    '24h': [HOUR_MS, 24] as const,
    '7d': [DAY_MS, 7] as const,
    '30d': [DAY_MS, 30] as const,
    '90d': [DAY_MS, 90] as const,
  }[period];
  const last = Math.floor(nowMs / bucketMs) * bucketMs;
  const buckets = Array.from({ length: count }, (_, index) =>
    new Date(last - (count - 1 - index) * bucketMs).toISOString(),
  );
  return {
    startTime: buckets[0] ?? '',
    bucketMs,
    bucket: bucketMs === HOUR_MS ? 'HOUR' : 'DAY',
    buckets,
  };
}

export interface Part {
  readonly id: string;
  readonly name: string;
  readonly sum: number;
  /** What to ask for its calls by; absent: they can't be asked for. */
  readonly filter?: { readonly keyId?: string; readonly human?: string; readonly model?: string };
}

type Names = (id: string) => string | undefined;

function partOf(row: UsageRow, group: Group, nameOfKey: Names): Omit<Part, 'sum'> {
  if (group === 'MODEL') {
    const { model } = row;
    return model === undefined ? { id: '', name: m.usage.reported } : { id: model, name: model, filter: { model } };
  }
  if (group === 'KEY') {
    const { keyId } = row;
    if (keyId === undefined) return { id: '', name: m.usage.dashboard };
    return { id: keyId, name: nameOfKey(keyId) ?? keyId, filter: { keyId } };
  }
  const { humanId, human } = row;
  if (humanId === undefined) return { id: '', name: m.usage.noHuman };
  return human === undefined ? { id: humanId, name: m.usage.erased } : { id: humanId, name: human, filter: { human } };
}

/** The largest parts, each over time; what is left over is one more. */
export function seriesOf(
  rows: readonly UsageRow[],
  { group, measure, range, nameOfKey }: { group: Group; measure: Measure; range: Range; nameOfKey: Names },
): { readonly parts: readonly Part[]; readonly series: readonly Series[] } {
  const sums = new Map<string, Part>();
  for (const row of rows) {
    const part = partOf(row, group, nameOfKey);
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
    const into = values[place.get(partOf(row, group, nameOfKey).id) ?? MOST_SERIES];
    if (bucket !== undefined && into !== undefined) into[bucket] = (into[bucket] ?? 0) + valueOf(row, measure);
  }
  const names = [...shown.map(({ name }) => name), m.usage.others];
  return { parts, series: values.map((of, index) => ({ name: names[index] ?? '', values: of })) };
}
