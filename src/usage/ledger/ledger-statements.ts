import { arrayText, compositeText, type NamedStatement } from '../../platform/database/index.js';
import type { Reservation, Settlement } from './usage.types.js';

export const ADMIT: NamedStatement = {
  name: 'admit_usage',
  text: 'SELECT * FROM admit_usage($1, $2::text[]::admission[], $3, $4)',
};

export const ADMIT_ANSWERED: NamedStatement = {
  name: 'admit_answered',
  text: 'SELECT * FROM admit_answered($1, $2::text[]::admission[], $3, $4, $5)',
};

export const SETTLE: NamedStatement = {
  name: 'settle_usage',
  text: 'SELECT * FROM settle_usage($1::text[]::settlement[], $2, $3)',
};

/** Why a call was not admitted, in admit_usage's words. */
export type Verdict = 'gone' | 'again' | 'rough' | 'exceeded' | 'busy' | 'boundless' | 'unpriced';

/** The budget that refused a call. */
export interface Blame {
  readonly id: string;
  readonly holder: 'tenant' | 'key' | 'gateway' | 'gateway_token' | 'human';
  readonly type: string;
  readonly period: string;
  /** Null: the budget does not renew. */
  readonly resets_at: string | null;
  readonly resets_in_ms: number | null;
}

/** The result of admit_usage: a value for each call, in order; null where no call has one. */
export interface AdmittedRow {
  readonly alive: boolean;
  readonly verdicts: readonly (Verdict | null)[] | null;
  readonly granted: readonly (string | null)[] | null;
  readonly blamed: readonly (Blame | null)[] | null;
  readonly rooms: readonly (string | null)[] | null;
}

export interface SettledRow {
  readonly overruns: number | null;
  /** Places of the skipped settlements, from 1. */
  readonly again: readonly number[] | null;
}

/** A value of the type `admission[]`. */
export function admissionsText(items: readonly Reservation[]): string {
  return arrayText(items.map(admissionText));
}

/** The fields of the type `admission`, in order. */
function admissionText(item: Reservation): string {
  return compositeText([
    item.id,
    item.tenantId,
    item.human,
    item.keyId,
    item.userId,
    item.gatewayId,
    item.gatewayTokenId,
    item.requestId,
    item.provider,
    item.model,
    item.streamed,
    item.reservedInputTokens,
    item.reservedOutputTokens,
    item.defaultOutput?.tokens ?? null,
    item.defaultOutput?.most ?? null,
    item.choices,
    item.boundless !== null,
    item.price?.inputPicoUsd ?? null,
    item.price?.outputPicoUsd ?? null,
    item.impersonated?.route ?? null,
    item.impersonated?.address ?? null,
    item.sealedTokenHash,
    item.operation,
    item.route,
    item.attempt,
    item.closer !== null,
  ]);
}

/** The parameters of SETTLE. @param wait whether the statement waits for locked rows */
export const settlementValues = (batch: readonly Settlement[], wait: boolean): unknown[] => [
  arrayText(batch.map(settlementText)),
  wait,
  // Beside the type, which a release before this one writes with as many fields as it has.
  batch.map(({ firstByteMs }) => firstByteMs),
];

/** The fields of the type `settlement`, in order. */
function settlementText(settlement: Settlement): string {
  return compositeText([
    settlement.id,
    settlement.tenantId,
    settlement.outcome,
    settlement.statusCode,
    settlement.counted ? 1 : 0,
    settlement.inputTokens,
    settlement.outputTokens,
    settlement.cachedInputTokens,
    settlement.costPicoUsd,
    settlement.estimated,
    Math.round(settlement.latencyMs),
    settlement.cacheWriteTokens,
    settlement.reasoningTokens,
  ]);
}
