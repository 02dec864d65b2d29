import { azureFactory, mistralFactory, openaiFactory } from './openai/openai.factory.js';
import type { ProviderFactory, ProviderKind } from './provider-factory.js';

/** By which each kind's providers are made; a kind without one can't be set up yet. */
export const PROVIDER_FACTORIES: Readonly<Partial<Record<ProviderKind, ProviderFactory>>> = {
  openai: openaiFactory,
  openai_compatible: openaiFactory,
  azure_openai: azureFactory,
  mistral: mistralFactory,
};
