import { Inject, Injectable } from '@nestjs/common';
import { SETTINGS_TOKEN, type Settings } from '../../platform/config/index.js';
import { Fault } from '../../platform/errors/index.js';
import { OutboundHttp } from '../../platform/outbound/index.js';
import { TenantProviders, type TenantProvider } from '../connections/tenant-providers.js';
import { modelNotFound, type Model } from '../models/model-catalogue.js';
import { DummyProvider } from '../providers/dummy/dummy.provider.js';
import type { Provider } from '../providers/provider.js';
import { Tokenizer } from '../tokens/tokenizer.js';
import { PlatformProviderTenants } from './platform-provider-tenants.js';
import { platformProvider, type PlatformProviderSettings } from './platform-provider.js';
import { chooseProvider, undecided, type Choices } from './provider-choice.js';
import { straightTo, type Route } from './route.js';
import { modelOfRoute, TenantRoutes, type KnownRoutes } from './tenant-routes.js';

/**
 * Decides which way a tenant's call takes: to a provider of its own; else to the platform's, for tenants that may spend
 * its credentials; else to the dummy, where it serves.
 */
@Injectable()
export class ModelRouter {
  private readonly platform: Provider | null;
  private readonly dummy: Provider | null;
  /** Made once each, since calls hold them. */
  private readonly routes = new WeakMap<Provider, Route>();

  constructor(
    @Inject(SETTINGS_TOKEN)
    settings: PlatformProviderSettings &
      Pick<Settings, 'dummyProvider' | 'mode' | 'firstByteTimeoutMs' | 'idleTimeoutMs' | 'totalTimeoutMs'>,
    http: OutboundHttp,
    tokenizer: Tokenizer,
    private readonly platformTenants: PlatformProviderTenants,
    private readonly tenantProviders: TenantProviders,
    private readonly tenantRoutes: TenantRoutes,
  ) {
    const { firstByteTimeoutMs, idleTimeoutMs, totalTimeoutMs } = settings;
    const timeouts = { firstByteTimeoutMs, idleTimeoutMs, totalTimeoutMs };
    this.platform = platformProvider(settings, { http, tokenizer, timeouts });
    const serves =
      settings.dummyProvider === 'on' ||
      (settings.dummyProvider === 'auto' && settings.mode === 'development' && this.platform === null);
    this.dummy = serves ? new DummyProvider(tokenizer) : null;
  }

  /**
   * The way of a call of this model, or of the tenant's route of this name, which comes first. Without a promise where all
   * that must be known of it is.
   *
   * @throws Fault invalid_input `no_provider_configured`; not_found where no provider serves the model
   */
  routeOf(tenantId: string, model: string): Route | Promise<Route> {
    const routes = this.tenantRoutes.of(tenantId);
    if (routes instanceof Promise) return routes.then((known) => this.find(known, model));
    return this.find(routes, model);
  }

  private find(routes: KnownRoutes, model: string): Route | Promise<Route> {
    const { tenantId } = routes;
    if (!routes.routes.has(model)) return this.straight(tenantId, model);
    const own = this.tenantProviders.of(tenantId);
    if (own instanceof Promise) return own.then((found) => this.tenantRoutes.routeNamed(routes, model, found));
    return this.tenantRoutes.routeNamed(routes, model, own);
  }

  private straight(tenantId: string, model: string): Route | Promise<Route> {
    const provider = this.providerFor(tenantId, model);
    if (provider instanceof Promise) return provider.then((one) => this.servedBy(one, model));
    return this.servedBy(provider, model);
  }

  /**
   * What is known of a model that the tenant names, or of its route of this name.
   *
   * @throws Fault invalid_input `no_provider_configured`; not_found
   */
  async getModel(tenantId: string, model: string): Promise<Model> {
    const route = (await this.tenantRoutes.of(tenantId)).routes.get(model);
    return route === undefined ? (await this.providerFor(tenantId, model)).catalogue.get(model) : modelOfRoute(route);
  }

  /**
   * Every model that the tenant can name, its routes first. A provider that can't be asked is left out, unless there is no other.
   *
   * @throws Fault invalid_input `no_provider_configured`; upstream_failed
   */
  async listModels(tenantId: string): Promise<readonly Model[]> {
    let choices = this.choicesOf(tenantId, await this.tenantProviders.of(tenantId));
    if (isEmpty(choices)) choices = this.choicesOf(tenantId, await this.tenantProviders.now(tenantId));
    const { own, platform, dummy } = choices;
    const providers = [...own.map(({ provider }) => provider), platform, dummy].filter((one) => one !== null);
    if (providers.length === 0) noProvider();
    const routes = [...(await this.tenantRoutes.of(tenantId)).routes.values()].map(modelOfRoute);
    return distinct([...routes, ...(await modelsOf(providers))]);
  }

  /** Every model that these providers list; as `listModels`. @throws Fault upstream_failed */
  async listAmong(own: readonly TenantProvider[]): Promise<readonly Model[]> {
    return distinct(await modelsOf(own.map(({ provider }) => provider)));
  }

  /**
   * The way of a call that goes to one of these providers, and to no other.
   *
   * @throws Fault not_found where none of them serves the model
   */
  routeAmong(own: readonly TenantProvider[], model: string): Route | Promise<Route> {
    const choices: Choices = { own, platform: null, dummy: null };
    const open = undecided(choices, model);
    if (open.length > 0) return this.routeAmongHeard(choices, model, open);
    return this.servedBy(chooseProvider(choices, model) ?? notFound(model), model);
  }

  private async routeAmongHeard(choices: Choices, model: string, open: readonly Provider[]): Promise<Route> {
    await Promise.all(open.map(({ catalogue }) => catalogue.heard()));
    return this.servedBy(chooseProvider(choices, model) ?? notFound(model), model);
  }

  /**
   * A provider that the tenant may use.
   *
   * @param id of the tenant's own; null: the platform's
   */
  async findProvider(tenantId: string, id: string | null): Promise<Provider | null> {
    const own = await this.tenantProviders.of(tenantId);
    if (id === null) return this.choicesOf(tenantId, own).platform;
    return own.find((one) => one.id === id)?.provider ?? null;
  }

  /** @throws Fault invalid_input `no_provider_configured`; not_found */
  private providerFor(tenantId: string, model: string): Provider | Promise<Provider> {
    const own = this.tenantProviders.of(tenantId);
    if (own instanceof Promise) return own.then((found) => this.choose(tenantId, model, found));
    return this.choose(tenantId, model, own);
  }

  private choose(tenantId: string, model: string, own: readonly TenantProvider[]): Provider | Promise<Provider> {
    const choices = this.choicesOf(tenantId, own);
    const open = undecided(choices, model);
    if (open.length > 0) return this.chooseLater(choices, model, open);
    return chooseProvider(choices, model) ?? this.chooseAnew(tenantId, model);
  }

  private async chooseLater(choices: Choices, model: string, open: readonly Provider[]): Promise<Provider> {
    await Promise.all(open.map(({ catalogue }) => catalogue.heard()));
    return chooseProvider(choices, model) ?? noProvider();
  }

  /** A provider may have been set up a moment ago, on whichever replica. */
  private async chooseAnew(tenantId: string, model: string): Promise<Provider> {
    const own = await this.tenantProviders.now(tenantId);
    const chosen = chooseProvider(this.choicesOf(tenantId, own), model);
    if (chosen !== null) return chosen;
    return own.length === 0 ? noProvider() : notFound(model);
  }

  private servedBy(provider: Provider, model: string): Route | Promise<Route> {
    const route = this.routeTo(provider);
    const { catalogue } = provider;
    return catalogue.has(model) ? route : catalogue.assertServed(model).then(() => route);
  }

  private routeTo(provider: Provider): Route {
    let route = this.routes.get(provider);
    if (route === undefined) {
      route = straightTo(provider);
      this.routes.set(provider, route);
    }
    return route;
  }

  private choicesOf(tenantId: string, own: readonly TenantProvider[]): Choices {
    return { own, platform: this.platformTenants.has(tenantId) ? this.platform : null, dummy: this.dummy };
  }
}

/** A provider that can't be asked is left out, unless there is no other. @throws Fault upstream_failed */
async function modelsOf(providers: readonly Provider[]): Promise<readonly Model[]> {
  const lists = await Promise.allSettled(providers.map(({ catalogue }) => catalogue.list()));
  const had = lists.filter((list) => list.status === 'fulfilled');
  const [failed] = lists.filter((list) => list.status === 'rejected');
  if (had.length === 0 && failed !== undefined) throw failed.reason;
  return had.flatMap(({ value }) => value);
}

/** If a name occurs twice the first one holds. */
function distinct(models: readonly Model[]): readonly Model[] {
  const byId = new Map<string, Model>();
  for (const model of models) if (!byId.has(model.id)) byId.set(model.id, model);
  return [...byId.values()];
}

function isEmpty({ own, platform, dummy }: Choices): boolean {
  return own.length === 0 && platform === null && dummy === null;
}

function noProvider(): never {
  throw new Fault(
    'invalid_input',
    'no provider configured: add one with /api/v1/llm/providers/create (scope providers:write), or have the operator add the tenant to PLATFORM_PROVIDER_TENANTS',
    { code: 'no_provider_configured' },
  );
}

function notFound(model: string): never {
  throw modelNotFound(model);
}
