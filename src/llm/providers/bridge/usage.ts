import type { LanguageModelV4Usage } from '@ai-sdk/provider';
import { readUsage } from '../openai/openai-usage.js';
import type { TokenCounts } from '../provider.js';

/** What a package says was used; null: the provider did not report it. */
export function countsOf({ inputTokens, outputTokens, raw }: LanguageModelV4Usage): TokenCounts | null {
  return readUsage({
    prompt_tokens: inputTokens.total,
    completion_tokens: outputTokens.total,
    // Gemini may leave its output out, and say the sum alone.
    ...((outputTokens.total ?? 0) === 0 ? { total_tokens: raw?.['totalTokenCount'] } : {}),
    prompt_tokens_details: {
      cached_tokens: inputTokens.cacheRead ?? raw?.['cached_tokens'],
      cache_write_tokens: inputTokens.cacheWrite,
    },
    completion_tokens_details: { reasoning_tokens: outputTokens.reasoning },
  });
}

/** OpenAI's `usage`. */
export function usageObjectOf(counts: TokenCounts): object {
  const { inputTokens, cachedInputTokens, cacheWriteTokens, outputTokens, reasoningTokens } = counts;
  return {
    prompt_tokens: inputTokens,
    completion_tokens: outputTokens,
    total_tokens: inputTokens + outputTokens,
    prompt_tokens_details: {
      cached_tokens: cachedInputTokens,
      ...(cacheWriteTokens === 0 ? {} : { cache_write_tokens: cacheWriteTokens }),
    },
    completion_tokens_details: { reasoning_tokens: reasoningTokens },
  };
}
