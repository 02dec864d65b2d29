import type { NamedStatement } from '../../platform/database/index.js';
import type { Reservation, Settlement } from './usage.types.js';

export const RESERVE: NamedStatement = {
  name: 'reserve_usage',
  text: 'SELECT * FROM reserve_usage($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)',
};

export const SETTLE: NamedStatement = {
  name: 'settle_usage',
  text: 'SELECT settle_usage($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) AS overruns',
};

/** Why a reservation was refused, as reserve_usage names it. */
export type Verdict = 'gone' | 'request_cnt' | 'token_cnt' | 'cost_micros' | 'boundless' | 'unpriced';

/** What reserve_usage gives: for each call, in order; null where that concerns none of them. */
export interface ReservedRow {
  readonly alive: boolean;
  readonly verdicts: readonly (Verdict | null)[] | null;
  readonly granted: readonly (string | null)[] | null;
}

export function reserveValues(leaseId: string, items: readonly Reservation[]): readonly unknown[] {
  const humans = someOf(items, (item) => item.human);
  return [
    leaseId,
    items.map((item) => item.id),
    items.map((item) => item.tenantId),
    items.map((item) => item.keyId),
    items.map((item) => item.userId),
    humans,
    items.map((item) => item.requestId),
    items.map((item) => item.provider),
    items.map((item) => item.model),
    items.map((item) => item.streamed),
    items.map((item) => item.reservedInputTokens),
    items.map((item) => item.reservedOutputTokens),
    items.map((item) => digitsOf(item.price?.inputPicoUsd)),
    items.map((item) => digitsOf(item.price?.outputPicoUsd)),
    humans === null ? null : items.map((item) => item.choices),
    humans === null ? null : items.map((item) => item.boundless !== null),
    someOf(items, (item) => item.impersonated?.route ?? null),
    someOf(items, (item) => item.impersonated?.address ?? null),
  ];
}

export function settleValues(batch: readonly Settlement[]): readonly unknown[] {
  return [
    batch.map((item) => item.id),
    batch.map((item) => item.outcome),
    batch.map((item) => item.statusCode),
    batch.map((item) => item.inputTokens),
    batch.map((item) => item.outputTokens),
    batch.map((item) => item.estimated),
    batch.map((item) => Math.round(item.latencyMs)),
    batch.map((item) => (item.counted ? 1 : 0)),
    batch.map((item) => item.cachedInputTokens),
    batch.map((item) => digitsOf(item.costPicoUsd)),
  ];
}

function digitsOf(value: bigint | null | undefined): string | null {
  return value?.toString() ?? null;
}

/** What each item has of something that most have not; null where none has it, which spares Postgres the whole question. */
function someOf<T>(items: readonly Reservation[], pick: (item: Reservation) => T | null): (T | null)[] | null {
  const picked = items.map(pick);
  return picked.some((value) => value !== null) ? picked : null;
}
