import { SETTINGS, type Settings } from '../../platform/config/index.js';
import { OpenaiProvider } from '../providers/openai/openai.provider.js';
import type { ProviderConnection, ProviderDeps } from '../providers/provider-factory.js';
import type { Provider } from '../providers/provider.js';

export type PlatformProviderSettings = Pick<
  Settings,
  'openaiApiKey' | 'openaiBaseUrl' | 'openaiModels' | 'openaiResponses'
>;

/** The provider that the operator configured, with the platform's own credential; null: none. */
export function platformProvider(settings: PlatformProviderSettings, deps: ProviderDeps): Provider | null {
  const { openaiApiKey, openaiBaseUrl } = settings;
  if (openaiApiKey === undefined && openaiBaseUrl === SETTINGS.openaiBaseUrl.fallback) return null;
  return new OpenaiProvider(platformConnection(settings), deps);
}

function platformConnection({
  openaiApiKey: apiKey,
  openaiBaseUrl: baseUrl,
  openaiModels: models,
  openaiResponses: responses,
}: PlatformProviderSettings): ProviderConnection {
  return {
    name: 'openai',
    kind: 'openai',
    baseUrl,
    policy: 'operator',
    credentials: apiKey === undefined ? {} : { apiKey },
    settings: responses === 'auto' ? {} : { responses: responses === 'on' },
    models: models ?? [],
  };
}
