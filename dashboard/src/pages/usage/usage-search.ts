export const PERIODS = ['24h', '7d', '30d', '90d'] as const;
export const GROUPS = ['MODEL', 'KEY', 'HUMAN', 'PROVIDER', 'GATEWAY'] as const;
export const MEASURES = ['cost', 'requests', 'tokens'] as const;
const ZONES = ['utc', 'local'] as const;
export type Period = (typeof PERIODS)[number];
export type Group = (typeof GROUPS)[number];
export type Measure = (typeof MEASURES)[number];

/** The address holds what the page shows, so that a user can share a link to it. */
export interface UsageSearch {
  readonly period?: Period;
  readonly by?: Group;
  readonly measure?: Measure;
  /** The zone of the days: UTC, or the reader's own. */
  readonly zone?: (typeof ZONES)[number];
  readonly keyId?: string;
  readonly human?: string;
  readonly model?: string;
}

const oneOf = <const V extends string>(values: readonly V[], value: unknown): V | undefined =>
  values.find((one) => one === value);
const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;

export function readUsageSearch(search: Record<string, unknown>): UsageSearch {
  const read = {
    period: oneOf(PERIODS, search['period']),
    by: oneOf(GROUPS, search['by']),
    measure: oneOf(MEASURES, search['measure']),
    zone: oneOf(ZONES, search['zone']),
    keyId: textOf(search['keyId']),
    human: textOf(search['human']),
    model: textOf(search['model']),
  };
  return Object.fromEntries(Object.entries(read).filter(([, value]) => value !== undefined));
}
