import { Inject, Injectable } from '@nestjs/common';
import { SETTINGS, SETTINGS_TOKEN, type Settings } from '../../platform/config/index.js';
import { Fault } from '../../platform/errors/index.js';
import { OutboundHttp } from '../../platform/outbound/index.js';
import type { Model } from '../models/model-catalogue.js';
import { Tokenizer } from '../tokens/tokenizer.js';
import type { ChatProvider } from './chat-provider.js';
import { DUMMY_MODEL, DummyProvider } from './dummy/dummy.provider.js';
import { OpenaiProvider, type OpenaiProviderSettings } from './openai/openai.provider.js';
import { PlatformProviderTenants } from './platform-provider-tenants.js';

/**
 * Decides which provider a tenant's call takes: the platform's own, for the tenants that may spend its credentials; else
 * the dummy, where it serves; else none. Providers that a tenant configures come before these.
 */
@Injectable()
export class ProviderRouter {
  private readonly platform: ChatProvider | null;
  private readonly dummy: ChatProvider | null;

  constructor(
    @Inject(SETTINGS_TOKEN) settings: OpenaiProviderSettings & Pick<Settings, 'dummyProvider' | 'mode'>,
    http: OutboundHttp,
    tokenizer: Tokenizer,
    private readonly platformTenants: PlatformProviderTenants,
  ) {
    const configured =
      settings.openaiApiKey !== undefined || settings.openaiBaseUrl !== SETTINGS.openaiBaseUrl.fallback;
    this.platform = configured ? new OpenaiProvider(http, tokenizer, settings) : null;
    const serves =
      settings.dummyProvider === 'on' ||
      (settings.dummyProvider === 'auto' && settings.mode === 'development' && !configured);
    this.dummy = serves ? new DummyProvider(tokenizer) : null;
  }

  /**
   * The provider of one call; whether it serves the model, its catalogue says.
   *
   * @throws Fault invalid_input `no_provider_configured`
   */
  providerOf(tenantId: string, model: string): ChatProvider {
    const platform = this.platformFor(tenantId);
    if (platform !== null && (model !== DUMMY_MODEL || this.dummy === null)) return platform;
    return this.dummy ?? noProvider();
  }

  /**
   * Every model that the tenant can name.
   *
   * @throws Fault invalid_input `no_provider_configured`
   */
  async listModels(tenantId: string): Promise<readonly Model[]> {
    const providers = [this.platformFor(tenantId), this.dummy].filter((provider) => provider !== null);
    if (providers.length === 0) noProvider();
    return (await Promise.all(providers.map((provider) => provider.catalogue.list()))).flat();
  }

  private platformFor(tenantId: string): ChatProvider | null {
    return this.platformTenants.has(tenantId) ? this.platform : null;
  }
}

function noProvider(): never {
  throw new Fault('invalid_input', 'no provider configured', { code: 'no_provider_configured' });
}
