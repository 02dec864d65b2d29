import { decimalOf } from '../../limits/index.js';
import type { Model } from '../models/model-catalogue.js';
import type { ModelFacts, ModelPrice, TokenPrice } from '../models/model-facts.js';
import type { ModelView } from './tenants-models.dto.js';

/** A model as a tenant's people see it. */
export function viewModel(
  { id, owned_by: ownedBy }: Pick<Model, 'id' | 'owned_by'>,
  targets: ModelView['targets'],
  facts: ModelFacts | null,
  overridden: boolean,
): ModelView {
  return {
    ...{ model: id, ownedBy, targets },
    ...(facts === null ? {} : { contextTokens: facts.contextTokens, maxOutputTokens: facts.maxOutputTokens }),
    ...(facts?.reasoning === undefined ? {} : { hidesReasoning: facts.reasoning === 'hidden' }),
    capabilities: [...(facts?.capabilities ?? [])],
    ...(facts === null || facts.price === null ? {} : { price: viewPrice(facts.price) }),
    overridden,
  };
}

function viewPrice(price: ModelPrice): NonNullable<ModelView['price']> {
  const { longPrompts: long, imageOutputPicoUsd: image, asOf, source } = price;
  return {
    ...viewTokens(price),
    ...(image === undefined ? {} : { imageOutput: dollars(image) }),
    ...(long === undefined ? {} : { longPrompts: { aboveTokens: long.aboveTokens, ...viewTokens(long) } }),
    ...{ asOf, source },
  };
}

function viewTokens({ inputPicoUsd, cachedInputPicoUsd, cacheWritePicoUsd = inputPicoUsd, outputPicoUsd }: TokenPrice) {
  return {
    input: dollars(inputPicoUsd),
    cachedInput: dollars(cachedInputPicoUsd),
    cacheWrite: dollars(cacheWritePicoUsd),
    output: dollars(outputPicoUsd),
  };
}

/** 10^-12 USD for a token are millionths of a dollar for a million. */
function dollars(picoUsd: bigint): string {
  return decimalOf(String(picoUsd));
}
