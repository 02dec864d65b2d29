import { auditSubject } from '../../identity/index.js';
import type { LoggedCall } from '../../platform/logging/index.js';
import type { TryEnd } from '../../platform/tracing/index.js';
import type { Settlement } from '../../usage/index.js';
import type { OperationName } from '../providers/provider.js';
import type { CallTerms } from './call-terms.js';
import type { Tried } from './tried.js';

/** What the log says of a call that is over: its last try's, and how many there were. */
export function loggedCall(terms: CallTerms<OperationName>, settlement: Settlement): LoggedCall {
  const { tried, operation, caller, request, route } = terms;
  return {
    requestId: caller.requestId,
    traceId: caller.traceId,
    tenantId: settlement.tenantId,
    subject: auditSubject(caller.principal),
    usageRecordId: settlement.id,
    operation: operation.name,
    route: route.name,
    provider: tried.target.provider.name,
    model: tried.model,
    streamed: request.stream,
    outcome: settlement.outcome,
    status: settlement.statusCode,
    attempts: tried.number,
    inputTokens: settlement.inputTokens,
    cachedInputTokens: settlement.cachedInputTokens,
    outputTokens: settlement.outputTokens,
    reasoningTokens: settlement.reasoningTokens,
    estimated: settlement.estimated,
    costUsd: costUsdOf(settlement),
    durationMs: settlement.latencyMs,
    firstByteMs: terms.firstByteMs,
  };
}

/** What a trace says of a try that is over. */
export function tryEnd({ sentAtMs, firstByteAtMs }: Tried, settlement: Settlement): TryEnd {
  return {
    outcome: settlement.outcome,
    status: settlement.statusCode,
    inputTokens: settlement.inputTokens,
    cachedInputTokens: settlement.cachedInputTokens,
    outputTokens: settlement.outputTokens,
    reasoningTokens: settlement.reasoningTokens,
    costUsd: costUsdOf(settlement),
    firstByteMs: sentAtMs === null || firstByteAtMs === null ? null : firstByteAtMs - sentAtMs,
  };
}

function costUsdOf({ costPicoUsd }: Settlement): number | null {
  return costPicoUsd === null ? null : Number(costPicoUsd) / 1e12;
}
