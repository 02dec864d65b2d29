import type { ModelFacts } from '../models/model-facts.js';
import type { Tokenizer } from '../tokens/tokenizer.js';
import type { ChatRequest } from './chat-request.js';
import { reservationBound } from './reservation-bound.js';
import { withField } from '../../platform/http/index.js';
import { parseChatRequest } from './chat-request.js';

export interface CallBound {
  readonly choices: number;
  /** Of the whole prompt, images, tools and schemas included. */
  readonly inputTokens: number;
  /** Of all n answers together; where nobody set a limit: the model's own, else a default. */
  readonly outputTokens: number;
  /** False: neither the caller nor the catalogue bounds the output, so that the limit must be written into the request. */
  readonly outputIsBounded: boolean;
  /** The field whose content has no known bound (audio, files, server-side tools, ...); null: all of it has one. */
  readonly boundless: string | null;
}

export function boundCall(request: ChatRequest, facts: ModelFacts | null, _tokenizer: Tokenizer): CallBound {
  const { inputTokens, outputTokens } = reservationBound(request);
  const outputIsBounded = request.maxOutputTokens !== null || facts !== null;
  return { choices: request.choices, inputTokens, outputTokens, outputIsBounded, boundless: null };
}

/** The same request with an output limit for each choice: the field that the model takes, every other byte the caller's. */
export function withOutputLimit(request: ChatRequest, facts: ModelFacts | null, tokensPerChoice: number): ChatRequest {
  const field = facts?.outputField ?? 'max_tokens';
  return parseChatRequest(Buffer.from(withField(request.json, field, tokensPerChoice)));
}

/** What a call cost in micro-dollars, rounded up; null: no price known. */
export function costOf(
  usage: { readonly inputTokens: number; readonly cachedInputTokens: number; readonly outputTokens: number },
  facts: ModelFacts | null,
): bigint | null {
  if (facts?.price == null) return null;
  const { inputPicoUsd, cachedInputPicoUsd, outputPicoUsd } = facts.price;
  const fresh = BigInt(usage.inputTokens - usage.cachedInputTokens);
  return (
    fresh * inputPicoUsd +
    BigInt(usage.cachedInputTokens) * cachedInputPicoUsd +
    BigInt(usage.outputTokens) * outputPicoUsd
  );
}
