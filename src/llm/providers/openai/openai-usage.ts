/** Tokens as a provider reported them. */
export interface ReportedUsage {
  readonly inputTokens: number;
  /** Those of the input that came out of the provider's cache, and cost less. */
  readonly cachedInputTokens: number;
  readonly outputTokens: number;
}

/**
 * Reads OpenAI's `usage` object. Some servers leave out a count that is zero; a report with neither count is none.
 * Cached tokens are a part of the input: a count above it would make the call cheaper than any, and is cut.
 */
export function readUsage(value: unknown): ReportedUsage | null {
  if (typeof value !== 'object' || value === null) return null;
  const { prompt_tokens: input, completion_tokens: output, prompt_tokens_details: details } = value as Report;
  if (!isCount(input) && !isCount(output)) return null;
  const inputTokens = countOf(input);
  const cached = typeof details === 'object' && details !== null ? details.cached_tokens : 0;
  return {
    inputTokens,
    cachedInputTokens: Math.min(countOf(cached), inputTokens),
    outputTokens: countOf(output),
  };
}

interface Report {
  readonly prompt_tokens?: unknown;
  readonly completion_tokens?: unknown;
  readonly prompt_tokens_details?: { readonly cached_tokens?: unknown } | null;
}

/** No call comes to more; what is reported beyond it would overflow the sums, and is cut. */
const MAX_COUNT = 1_000_000_000;

function countOf(value: unknown): number {
  return isCount(value) ? Math.min(value, MAX_COUNT) : 0;
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
