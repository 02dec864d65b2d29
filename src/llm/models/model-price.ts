import type { ModelFacts, ModelPrice, TokenPrice } from './model-facts.js';

/** What each token of a call costs whose prompt has so many, or at most so many: a longer one is never cheaper. */
export function priceOf(published: ModelPrice, inputTokens: number): TokenPrice {
  const long = published.longPrompts;
  return long !== undefined && inputTokens > long.aboveTokens ? long : published;
}

/**
 * What a call cost, exactly, in millionths of a micro-dollar (10^-12 USD). More tokens never cost less. Of a call that is
 * over, the facts are those of the model that the provider said answered.
 *
 * @returns null: no price is known
 */
export function costOf(
  usage: { readonly inputTokens: number; readonly cachedInputTokens: number; readonly outputTokens: number },
  facts: ModelFacts | null,
): bigint | null {
  const published = facts?.price ?? null;
  if (published === null) return null;
  const price = priceOf(published, usage.inputTokens);
  const cached = Math.min(usage.cachedInputTokens, usage.inputTokens);
  return (
    BigInt(usage.inputTokens - cached) * price.inputPicoUsd +
    BigInt(cached) * price.cachedInputPicoUsd +
    BigInt(usage.outputTokens) * price.outputPicoUsd
  );
}
