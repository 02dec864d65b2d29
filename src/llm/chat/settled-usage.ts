import type { Outcome } from '../../usage/index.js';
import { OPERATORS, type KnownModels, type ModelFacts } from '../models/model-facts.js';
import type { TokenUsage } from '../providers/chat-provider.js';
import type { CallBound } from './call-bound.js';
import type { ChatRequest } from './chat-request.js';

/** Up to here the tokenizer counts a text whole. */
const COUNTED_BYTES = 8_192;

/**
 * What a call is charged for. An estimate of its prompt is not more than that can be; and what was counted by samples, or
 * holds images, is charged by its bound: a caller who hangs up before the provider's report would else choose a prompt that
 * looks small. What was produced counts, whatever was asked for.
 */
export function settledUsage(used: TokenUsage, { raw, json }: ChatRequest, bound: CallBound): TokenUsage {
  if (!used.estimated) return used;
  const isWhole = raw.length <= COUNTED_BYTES && !json.text.includes('image_url');
  return { ...used, inputTokens: isWhole ? Math.min(used.inputTokens, bound.inputTokens) : bound.inputTokens };
}

/**
 * Whose price a call has. Behind an alias one of several models answers; what that costs is the truth. What the operator
 * wrote down of a name holds whatever stands behind it, but for what they wrote down of that.
 */
export function pricedBy(
  models: Pick<KnownModels, 'find'>,
  asked: string,
  facts: ModelFacts | null,
  answeredBy: string | null,
): ModelFacts | null {
  const known = answeredBy === null || answeredBy === asked ? null : models.find(answeredBy);
  if (known === null || known.price === null) return facts;
  return facts?.price?.source === OPERATORS && known.price.source !== OPERATORS ? facts : known;
}

/**
 * A request that came to nothing is given back. Not one that its caller broke off: what the upstream made of it by then
 * nobody knows, and hanging up would be a way to ask for nothing, as often as one likes.
 */
export function isCounted(outcome: Outcome, usage: TokenUsage, wasSent: boolean): boolean {
  return outcome === 'OK' || usage.outputTokens > 0 || (outcome === 'CLIENT_ABORTED' && wasSent);
}
