import { bedrockFactory } from './amazon-bedrock/bedrock.dialect.js';
import { anthropicFactory } from './anthropic/anthropic.dialect.js';
import { cohereFactory } from './cohere/cohere.dialect.js';
import { googleFactory } from './google/google.dialect.js';
import { azureFactory, mistralFactory, openaiFactory } from './openai/openai.factory.js';
import type { ProviderFactory, ProviderKind } from './provider-factory.js';

/** By which each kind's providers are made; a kind without one can't be set up yet. */
export const PROVIDER_FACTORIES: Readonly<Partial<Record<ProviderKind, ProviderFactory>>> = {
  openai: openaiFactory,
  openai_compatible: openaiFactory,
  azure_openai: azureFactory,
  mistral: mistralFactory,
  anthropic: anthropicFactory,
  google: googleFactory,
  amazon_bedrock: bedrockFactory,
  cohere: cohereFactory,
};
