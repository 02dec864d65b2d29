import type { NamedStatement } from '../../platform/database/index.js';
import type { Reservation, Settlement } from './usage.types.js';

export const RESERVE: NamedStatement = {
  name: 'reserve_usage',
  text: 'SELECT * FROM reserve_usage($1, $2)',
};

export const SETTLE: NamedStatement = {
  name: 'settle_usage',
  text: 'SELECT settle_usage($1) AS overruns',
};

/** Why a reservation was refused, as reserve_usage names it. */
export type Verdict = 'gone' | 'request_cnt' | 'token_cnt' | 'cost_micros' | 'boundless' | 'unpriced';

/** What reserve_usage gives: for each call, in order; null where that concerns none of them. */
export interface ReservedRow {
  readonly alive: boolean;
  readonly verdicts: readonly (Verdict | null)[] | null;
  readonly granted: readonly (string | null)[] | null;
}

type Column = string | number | bigint | boolean | null;

/** In the order of the columns of the type usage_reservation. */
export function reserveValues(leaseId: string, items: readonly Reservation[]): readonly unknown[] {
  return [
    leaseId,
    items.map((item) =>
      composite([
        item.id,
        item.tenantId,
        item.keyId,
        item.userId,
        item.human,
        item.requestId,
        item.provider,
        item.model,
        item.streamed,
        item.reservedInputTokens,
        item.reservedOutputTokens,
        item.price?.inputPicoUsd ?? null,
        item.price?.outputPicoUsd ?? null,
        item.choices,
        item.boundless !== null,
        item.impersonated?.route ?? null,
        item.impersonated?.address ?? null,
      ]),
    ),
  ];
}

/** In the order of the columns of the type usage_settlement. */
export function settleValues(batch: readonly Settlement[]): readonly unknown[] {
  return [
    batch.map((item) =>
      composite([
        item.id,
        item.tenantId,
        item.outcome,
        item.statusCode,
        item.counted ? 1 : 0,
        item.inputTokens,
        item.cachedInputTokens,
        item.outputTokens,
        item.costPicoUsd,
        item.estimated,
        Math.round(item.latencyMs),
      ]),
    ),
  ];
}

/** A row as Postgres reads it: null is nothing at all, and text is quoted, with its quotes and backslashes doubled. */
function composite(columns: readonly Column[]): string {
  return `(${columns.map((column) => (typeof column === 'string' ? quoted(column) : (column ?? ''))).join(',')})`;
}

function quoted(text: string): string {
  return `"${/["\\]/.test(text) ? text.replaceAll(/["\\]/g, '$&$&') : text}"`;
}
