import type { Effort } from './call-options.js';
import { limitedTo } from './refusals.js';

/** How much of the output an effort may think with. */
const PARTS: Readonly<Record<Exclude<Effort, 'none'>, number>> = {
  minimal: 0.02,
  low: 0.1,
  medium: 0.3,
  high: 0.6,
  xhigh: 0.9,
  max: 0.9,
};

/**
 * How many tokens a model may think with, inside its output limit: at least the provider's least; with a small limit as many
 * as are left for the answer.
 * @throws Fault invalid_input where the limit has no room for both
 */
export function budgetOf(effort: Exclude<Effort, 'none'>, limit: number, least: number, provider: string): number {
  if (limit < 2 * least)
    throw limitedTo(
      'max_completion_tokens',
      `at least ${2 * least} where the model is to think (reasoning_effort)`,
      provider,
    );
  return Math.min(Math.max(Math.round(limit * PARTS[effort]), least), limit - least);
}
