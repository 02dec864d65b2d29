import { replaceField } from '../../platform/json/index.js';
import type { CallBound } from '../calls/operation.js';
import { hidesReasoning, outputFieldOf, type ModelFacts } from '../models/model-facts.js';
import { DEFAULT_OUTPUT_TOKENS, type ChatRequest } from '../providers/requests/chat-request.js';
import type { TextBound } from '../tokens/tokenizer.js';
import { addsToPrompt } from './boundless-fields.js';
import { boundPrompt } from './prompt-bound.js';

/** No provider produces or reads more within the longest call that there is, whatever limit the caller wrote down. */
export const MAX_TOKENS = 1_000_000_000;
/** Of a model that thinks in tokens which it does not show: an answer comes after them. */
const DEFAULT_THINKING_OUTPUT_TOKENS = 16_384;

/** The most that a request can come to, where a text is as many tokens as `texts` says. */
export function boundChat(request: ChatRequest, facts: ModelFacts | null, texts: TextBound): CallBound {
  const prompt = boundPrompt(request, facts, texts);
  return {
    ...boundOutput(request.model, request.choices, callersLimit(request), isHeeded(request, facts), facts),
    inputTokens: Math.min(prompt.tokens, MAX_TOKENS),
    boundless: addsToPrompt(request.model) ? 'model' : prompt.boundless,
    unpriced: prompt.unpriced,
  };
}

/**
 * The most that the answers of a call can come to.
 * @param limit the caller's, for each answer; null: the caller set none
 * @param isHeeded the server holds to the caller's limit as it is written
 */
export function boundOutput(
  model: string,
  choices: number,
  limit: number | null,
  isHeeded: boolean,
  facts: ModelFacts | null,
): Pick<CallBound, 'choices' | 'outputTokens' | 'defaultOutput' | 'outputIsBounded'> {
  const usual = hidesReasoning(model, facts) ? DEFAULT_THINKING_OUTPUT_TOKENS : DEFAULT_OUTPUT_TOKENS;
  const most = facts?.maxOutputTokens ?? null;
  return {
    choices,
    outputTokens: Math.min(choices * (limit ?? most ?? usual), MAX_TOKENS),
    defaultOutput:
      limit === null
        ? {
            tokens: choices * Math.min(usual, most ?? usual),
            most: most === null ? null : Math.min(choices * most, MAX_TOKENS),
          }
        : null,
    outputIsBounded: limit === null ? facts !== null && facts.limitMustBeWritten !== true : isHeeded,
  };
}

/**
 * The caller's limit for one answer. Of two the larger, since servers differ in which they heed. Zero counts as absent: some
 * servers take it for "no limit".
 */
function callersLimit({ maxTokens, maxCompletionTokens }: ChatRequest): number | null {
  const limit = Math.max(maxTokens ?? 0, maxCompletionTokens ?? 0);
  return limit === 0 || maxTokens === 0 || maxCompletionTokens === 0 ? null : limit;
}

/** A server that takes `max_tokens` may ignore the newer name, and would then produce without a limit. */
function isHeeded({ model, maxTokens }: ChatRequest, facts: ModelFacts | null): boolean {
  return maxTokens !== null || outputFieldOf(model, facts) === 'max_completion_tokens';
}

/**
 * The same request with an output limit for each choice: in each field that the caller used, so that neither says more, and
 * in the one that the model takes if the caller's would not be heeded. Every other byte is the caller's, but for a byte order
 * mark.
 */
export function withOutputLimit(request: ChatRequest, facts: ModelFacts | null, tokensPerChoice: number): ChatRequest {
  if (!Number.isSafeInteger(tokensPerChoice) || tokensPerChoice < 1)
    throw new RangeError('An output limit is a whole number of at least 1.');
  const field = outputFieldOf(request.model, facts);
  const toMaxTokens = request.maxTokens !== null || field === 'max_tokens';
  const toMaxCompletionTokens =
    request.maxCompletionTokens !== null || (field === 'max_completion_tokens' && request.maxTokens === null);
  let { json } = request;
  if (toMaxTokens) json = replaceField(json, 'max_tokens', tokensPerChoice);
  if (toMaxCompletionTokens) json = replaceField(json, 'max_completion_tokens', tokensPerChoice);
  return {
    ...request,
    raw: json.bytes,
    json,
    maxOutputTokens: tokensPerChoice,
    maxTokens: toMaxTokens ? tokensPerChoice : null,
    maxCompletionTokens: toMaxCompletionTokens ? tokensPerChoice : null,
  };
}
