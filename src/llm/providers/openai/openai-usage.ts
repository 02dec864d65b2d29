/** Tokens as a provider reported them. */
export interface ReportedUsage {
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/**
 * Reads OpenAI's `usage` object. Some servers leave out a count that is zero; a report with neither count is none.
 */
export function readUsage(value: unknown): ReportedUsage | null {
  if (typeof value !== 'object' || value === null) return null;
  const { prompt_tokens: input, completion_tokens: output } = value as Record<string, unknown>;
  if (!isCount(input) && !isCount(output)) return null;
  return { inputTokens: isCount(input) ? input : 0, outputTokens: isCount(output) ? output : 0 };
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
