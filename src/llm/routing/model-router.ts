import { Inject, Injectable } from '@nestjs/common';
import { SETTINGS_TOKEN, type Settings } from '../../platform/config/index.js';
import { Fault } from '../../platform/errors/index.js';
import { OutboundHttp } from '../../platform/outbound/index.js';
import type { Model } from '../models/model-catalogue.js';
import { DUMMY_MODEL, DummyProvider } from '../providers/dummy/dummy.provider.js';
import type { Provider } from '../providers/provider.js';
import { Tokenizer } from '../tokens/tokenizer.js';
import { PlatformProviderTenants } from './platform-provider-tenants.js';
import { platformProvider, type PlatformProviderSettings } from './platform-provider.js';

/** Where a call can be sent. */
interface Target {
  readonly provider: Provider;
}

/** The way of one call: one target now; where a tenant names several, they stand here in their order. */
export interface Route {
  /** As the tenant named it; null: the caller named a model. */
  readonly name: string | null;
  readonly target: Target;
}

/**
 * Decides which way a tenant's call takes: the platform's own provider, for the tenants that may spend its credentials;
 * else the dummy, where it serves; else none. Providers that a tenant configures come before these.
 */
@Injectable()
export class ModelRouter {
  private readonly platform: Route | null;
  private readonly dummy: Route | null;

  constructor(
    @Inject(SETTINGS_TOKEN)
    settings: PlatformProviderSettings &
      Pick<Settings, 'dummyProvider' | 'mode' | 'firstByteTimeoutMs' | 'idleTimeoutMs' | 'totalTimeoutMs'>,
    http: OutboundHttp,
    tokenizer: Tokenizer,
    private readonly platformTenants: PlatformProviderTenants,
  ) {
    const { firstByteTimeoutMs, idleTimeoutMs, totalTimeoutMs } = settings;
    const timeouts = { firstByteTimeoutMs, idleTimeoutMs, totalTimeoutMs };
    const platform = platformProvider(settings, { http, tokenizer, timeouts });
    this.platform = platform === null ? null : straightTo(platform);
    const serves =
      settings.dummyProvider === 'on' ||
      (settings.dummyProvider === 'auto' && settings.mode === 'development' && platform === null);
    this.dummy = serves ? straightTo(new DummyProvider(tokenizer)) : null;
  }

  /**
   * The way of a call of this model; without a promise where it is known that the provider serves the model.
   *
   * @throws Fault invalid_input `no_provider_configured`; not_found where the provider does not serve the model
   */
  routeOf(tenantId: string, model: string): Route | Promise<Route> {
    const route = this.find(tenantId, model);
    const { catalogue } = route.target.provider;
    return catalogue.has(model) ? route : catalogue.assertServed(model).then(() => route);
  }

  /**
   * What is known of a model that the tenant names.
   *
   * @throws Fault invalid_input `no_provider_configured`; not_found
   */
  getModel(tenantId: string, model: string): Promise<Model> {
    return this.find(tenantId, model).target.provider.catalogue.get(model);
  }

  /**
   * Every model that the tenant can name.
   *
   * @throws Fault invalid_input `no_provider_configured`
   */
  async listModels(tenantId: string): Promise<readonly Model[]> {
    const routes = [this.platformFor(tenantId), this.dummy].filter((route) => route !== null);
    if (routes.length === 0) noProvider();
    return (await Promise.all(routes.map(({ target }) => target.provider.catalogue.list()))).flat();
  }

  private find(tenantId: string, model: string): Route {
    const platform = this.platformFor(tenantId);
    if (platform !== null && (model !== DUMMY_MODEL || this.dummy === null)) return platform;
    return this.dummy ?? noProvider();
  }

  private platformFor(tenantId: string): Route | null {
    return this.platformTenants.has(tenantId) ? this.platform : null;
  }
}

function straightTo(provider: Provider): Route {
  return { name: null, target: { provider } };
}

function noProvider(): never {
  throw new Fault('invalid_input', 'no provider configured', { code: 'no_provider_configured' });
}
