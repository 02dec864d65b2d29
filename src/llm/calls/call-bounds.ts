import type { Reservation } from '../../usage/index.js';
import type { ModelFacts, TokenPrice } from '../models/model-facts.js';
import { mostOf } from '../models/model-price.js';
import type { CallBound } from './operation.js';

/** What holds whichever of two targets answers. */
export function widest(one: CallBound, other: CallBound): CallBound {
  return {
    choices: one.choices,
    inputTokens: Math.max(one.inputTokens, other.inputTokens),
    outputTokens: Math.max(one.outputTokens, other.outputTokens),
    defaultOutput: widestDefault(one.defaultOutput, other.defaultOutput),
    outputIsBounded: one.outputIsBounded && other.outputIsBounded,
    boundless: one.boundless ?? other.boundless,
    unpriced: one.unpriced ?? other.unpriced,
  };
}

function widestDefault(one: CallBound['defaultOutput'], other: CallBound['defaultOutput']): CallBound['defaultOutput'] {
  if (one === null || other === null) return null;
  return {
    tokens: Math.max(one.tokens, other.tokens),
    most: one.most === null || other.most === null ? null : Math.max(one.most, other.most),
  };
}

/** What a token costs at most, whichever model answers; null: the price of one of them is not known. */
export function dearestPriceOf(models: readonly (ModelFacts | null)[], inputTokens: number): Reservation['price'] {
  const prices = models.map((facts) => priceFor(facts, inputTokens));
  return prices.reduce((one, other) =>
    one === null || other === null
      ? null
      : {
          ...one,
          inputPicoUsd: max(one.inputPicoUsd, other.inputPicoUsd),
          outputPicoUsd: max(one.outputPicoUsd, other.outputPicoUsd),
        },
  );
}

function priceFor(facts: ModelFacts | null, inputTokens: number): TokenPrice | null {
  const published = facts?.price ?? null;
  return published === null ? null : mostOf(published, inputTokens);
}

function max(one: bigint, other: bigint): bigint {
  return one > other ? one : other;
}
