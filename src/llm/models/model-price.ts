import type { ModelFacts, ModelPrice, TokenPrice } from './model-facts.js';

/** What each token of a call costs whose prompt has so many, or at most so many: a longer one is never cheaper. */
function priceOf(published: ModelPrice, inputTokens: number): TokenPrice {
  const long = published.longPrompts;
  return long !== undefined && inputTokens > long.aboveTokens ? long : published;
}

/** The most that each token of a call may cost whose prompt has at most so many. */
export function mostOf(published: ModelPrice, inputTokens: number): TokenPrice {
  const price = priceOf(published, inputTokens);
  return published.cachesUnasked === true ? { ...price, inputPicoUsd: dearestInput(price) } : price;
}

export interface PricedUsage {
  readonly inputTokens: number;
  readonly cachedInputTokens: number;
  readonly cacheWriteTokens?: number;
  readonly outputTokens: number;
  /** Counted here, since the provider did not say: nor did it say what it wrote to its cache. */
  readonly estimated?: boolean;
}

/**
 * What a call cost, exactly, in millionths of a micro-dollar (10^-12 USD). More tokens never cost less. Of a call that is
 * over, the facts are those of the model that the provider said answered.
 *
 * @returns null: no price is known
 */
export function costOf(usage: PricedUsage, facts: ModelFacts | null): bigint | null {
  const published = facts?.price ?? null;
  if (published === null) return null;
  const price = usage.estimated === true ? mostOf(published, usage.inputTokens) : priceOf(published, usage.inputTokens);
  const cached = Math.min(usage.cachedInputTokens, usage.inputTokens);
  const written = Math.min(usage.cacheWriteTokens ?? 0, usage.inputTokens - cached);
  return (
    BigInt(usage.inputTokens - cached - written) * price.inputPicoUsd +
    BigInt(cached) * price.cachedInputPicoUsd +
    BigInt(written) * (price.cacheWritePicoUsd ?? price.inputPicoUsd) +
    BigInt(usage.outputTokens) * price.outputPicoUsd
  );
}

function dearestInput({ inputPicoUsd, cacheWritePicoUsd = 0n }: TokenPrice): bigint {
  return cacheWritePicoUsd > inputPicoUsd ? cacheWritePicoUsd : inputPicoUsd;
}
