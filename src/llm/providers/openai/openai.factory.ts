import type { ProviderConnection, ProviderDeps, ProviderFactory } from '../provider-factory.js';
import { azureWire } from './azure-wire.js';
import { mistralWire } from './mistral-wire.js';
import { openaiWire, type OpenaiWire } from './openai-wire.js';
import { OpenaiProvider } from './openai.provider.js';

const speaking =
  (wireOf: (connection: ProviderConnection) => OpenaiWire): ProviderFactory =>
  (connection: ProviderConnection, deps: ProviderDeps) =>
    new OpenaiProvider(connection, deps, wireOf(connection));

export const openaiFactory = speaking(openaiWire);
export const azureFactory = speaking(azureWire);
export const mistralFactory = speaking(mistralWire);
