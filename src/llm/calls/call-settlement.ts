import type { Outcome, Settlement } from '../../usage/index.js';
import { isWrittenDown, type ModelFacts, type ModelFactsByName } from '../models/model-facts.js';
import { costOf } from '../models/model-price.js';
import type { Attempt, TokenUsage } from '../providers/provider.js';
import type { Tried } from './tried.js';

/** The truth about a try that is over, as the ledger takes it. */
export function settlementOf(
  tried: Pick<Tried, 'id' | 'model' | 'facts' | 'startedAtMs' | 'firstByteAtMs'>,
  tenantId: string,
  outcome: Outcome,
  usage: TokenUsage,
  attempt: Attempt | null,
  models: ModelFactsByName,
): Settlement {
  return {
    id: tried.id,
    tenantId,
    outcome,
    statusCode: attempt?.status ?? null,
    inputTokens: usage.inputTokens,
    cachedInputTokens: usage.cachedInputTokens,
    cacheWriteTokens: usage.cacheWriteTokens,
    outputTokens: usage.outputTokens,
    reasoningTokens: usage.reasoningTokens,
    costPicoUsd: costOf(usage, priced(models, tried.model, tried.facts, attempt)),
    counted: isCounted(outcome, usage, attempt !== null),
    estimated: usage.estimated,
    latencyMs: Math.round(performance.now() - tried.startedAtMs),
    firstByteMs: tried.firstByteAtMs === null ? null : Math.round(tried.firstByteAtMs - tried.startedAtMs),
  };
}

/**
 * Whose price a call has. Behind an alias one of several models answers; what that costs is the truth. What the operator or
 * the tenant wrote down of a name holds whatever stands behind it, unless they wrote down something of that too.
 */
function priced(
  models: ModelFactsByName,
  asked: string,
  facts: ModelFacts | null,
  attempt: Attempt | null,
): ModelFacts | null {
  const answeredBy = attempt?.answeredBy ?? null;
  const known = answeredBy === null || answeredBy === asked ? null : models.find(answeredBy);
  if (known === null || known.price === null) return facts;
  const isFixed = facts?.price !== undefined && facts.price !== null && isWrittenDown(facts.price);
  return isFixed && !isWrittenDown(known.price) ? facts : known;
}

/**
 * A request that came to nothing is given back. Not one that its caller broke off: what the upstream made of it by then
 * is not known, and hanging up would be a way to ask for nothing, as often as one likes.
 */
function isCounted(outcome: Outcome, usage: TokenUsage, wasSent: boolean): boolean {
  return outcome === 'OK' || usage.outputTokens > 0 || (outcome === 'CLIENT_ABORTED' && wasSent);
}
