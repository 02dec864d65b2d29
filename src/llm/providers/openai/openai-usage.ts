import { isObject } from '../requests/chat-request.js';
import type { TokenCounts, TokenUsage } from '../provider.js';

/** No call comes to more; what is reported beyond it would overflow the sums, and is cut. */
const MAX_COUNT = 1_000_000_000;

/** What a provider reported. */
export interface ReportedCounts extends TokenCounts {
  /** Of input and output together, where it did not say how much of it was which. */
  readonly unsplitTokens?: number;
}

/**
 * Reads OpenAI's `usage` object, whose counts have other names in the Responses API. Some servers leave out a zero, and some
 * write counts as strings of digits; a report without any count is ignored, and so is one with an invalid count (a negative
 * one). Cached tokens are a part of the input: a larger count would make the call too cheap, and is cut. The output is
 * `completion_tokens`, or what the total leaves for it: some servers report reasoning only there. The same holds for the
 * input.
 */
export function readUsage(value: unknown): ReportedCounts | null {
  if (!isObject(value)) return null;
  const input = largerOf(value['prompt_tokens'], value['input_tokens']);
  const output = largerOf(value['completion_tokens'], value['output_tokens']);
  const total = value['total_tokens'];
  if (![input, output, total].every(isCountOrNothing)) return null;
  const isSplit = isCount(input) || isCount(output);
  if (!isSplit) return isCount(total) ? { ...NOTHING, unsplitTokens: countOf(total) } : null;
  const inputTokens = isCount(input) ? countOf(input) : Math.max(0, countOf(total) - countOf(output));
  const ofInput = value['prompt_tokens_details'] ?? value['input_tokens_details'];
  const ofOutput = value['completion_tokens_details'] ?? value['output_tokens_details'];
  const cached = Math.max(partOf(ofInput, 'cached_tokens'), countOf(value['prompt_cache_hit_tokens']));
  const cachedInputTokens = Math.min(cached, inputTokens);
  const thought = Math.max(partOf(ofOutput, 'reasoning_tokens'), countOf(value['reasoning_tokens']));
  // Reasoning beyond the output was reported beside it, whatever the total says.
  const outside = thought > countOf(output) ? Math.min(thought + countOf(output), MAX_COUNT) : 0;
  const outputTokens = Math.max(countOf(output), countOf(total) - inputTokens, outside);
  const written = Math.max(partOf(ofInput, 'cache_write_tokens'), countOf(value['cache_creation_input_tokens']));
  return {
    inputTokens,
    cachedInputTokens,
    cacheWriteTokens: Math.min(written, inputTokens - cachedInputTokens),
    outputTokens,
    reasoningTokens: Math.min(thought, outputTokens),
  };
}

/**
 * The usage in an answer, or in a chunk of one, wherever a server puts it: beside the choices, within each of them, or in
 * a field of its own (Groq).
 */
export function usageIn(answer: Readonly<Record<string, unknown>> | null): ReportedCounts | null {
  if (answer === null) return null;
  const { usage, choices, x_groq: groq } = answer;
  const places = [usage, isObject(groq) ? groq['usage'] : null];
  if (Array.isArray(choices)) {
    for (const choice of choices as readonly unknown[]) if (isObject(choice)) places.push(choice['usage']);
  }
  return places.reduce<ReportedCounts | null>((sum, place) => {
    const counts = readUsage(place);
    return counts === null ? sum : largestOf(sum, counts);
  }, null);
}

/** Of two reports of one answer the larger of each count: servers report in pieces, or zeros after the truth. */
export function largestOf(one: ReportedCounts | null, other: ReportedCounts): ReportedCounts {
  if (one === null) return other;
  const unsplitTokens = Math.max(one.unsplitTokens ?? 0, other.unsplitTokens ?? 0);
  return {
    ...(unsplitTokens === 0 ? {} : { unsplitTokens }),
    inputTokens: Math.max(one.inputTokens, other.inputTokens),
    cachedInputTokens: Math.max(one.cachedInputTokens, other.cachedInputTokens),
    cacheWriteTokens: Math.max(one.cacheWriteTokens, other.cacheWriteTokens),
    outputTokens: Math.max(one.outputTokens, other.outputTokens),
    reasoningTokens: Math.max(one.reasoningTokens, other.reasoningTokens),
  };
}

/**
 * The counts of a report, whose sum is what the provider reported.
 *
 * @param estimateInput the input where nothing but a total was reported; it is cut to that
 */
export function splitCounts(reported: ReportedCounts, estimateInput: () => number): TokenCounts {
  if (reported.unsplitTokens === undefined) return reported;
  const { unsplitTokens, ...counts } = reported;
  const missing = unsplitTokens - counts.inputTokens - counts.outputTokens;
  if (missing <= 0) return counts;
  const inputTokens =
    counts.inputTokens + counts.outputTokens > 0 ? counts.inputTokens : Math.min(estimateInput(), missing);
  return { ...counts, inputTokens, outputTokens: unsplitTokens - inputTokens };
}

/**
 * What a call is charged by its report. A prompt is never empty: one that is not reported is counted.
 *
 * @returns null: nothing was reported
 */
export function reportedUsage(
  reported: ReportedCounts | null,
  hasOutput: boolean,
  countInput: () => number,
): TokenUsage | null {
  if (reported === null || isNothing(reported)) return null;
  const counts = splitCounts(reported, hasOutput ? countInput : () => Infinity);
  if (counts.inputTokens > 0 || reported.unsplitTokens !== undefined) return { ...counts, estimated: false };
  return { ...counts, inputTokens: countInput(), estimated: true };
}

/** A report of zeros alone: some servers send one instead of none. */
export function isNothing({ inputTokens, outputTokens, unsplitTokens = 0 }: ReportedCounts): boolean {
  return inputTokens === 0 && outputTokens === 0 && unsplitTokens === 0;
}

function partOf(details: unknown, name: string): number {
  return isObject(details) ? countOf(details[name]) : 0;
}

const NOTHING: TokenCounts = {
  inputTokens: 0,
  cachedInputTokens: 0,
  cacheWriteTokens: 0,
  outputTokens: 0,
  reasoningTokens: 0,
};

function countOf(value: unknown): number {
  return isCount(value) ? Math.min(Number(value), MAX_COUNT) : 0;
}

/** Of a count that has two names, where a server fills in one of them and leaves a zero in the other. */
function largerOf(one: unknown, other: unknown): unknown {
  return isCount(one) && isCount(other) ? Math.max(countOf(one), countOf(other)) : (one ?? other);
}

function isCountOrNothing(value: unknown): boolean {
  return value === undefined || value === null || isCount(value);
}

const DIGITS = /^\d{1,15}$/;

function isCount(value: unknown): boolean {
  if (typeof value === 'string') return DIGITS.test(value);
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
