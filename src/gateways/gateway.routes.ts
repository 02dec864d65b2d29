import { Injectable } from '@nestjs/common';
import type { AnonymousPrincipal, GatewayTokenPrincipal } from '../identity/index.js';
import { Fault } from '../platform/errors/index.js';
import {
  CallerRoutes,
  ModelRouter,
  TenantProviders,
  type Model,
  type Route,
  type RouteSource,
  type TenantProvider,
} from '../llm/index.js';

/** Who calls by a gateway. */
export type GatewayCaller = GatewayTokenPrincipal | AnonymousPrincipal;

/**
 * Which way the calls of a gateway take: to its own providers, and to no other. A model is written by its name, which goes to the
 * first provider that serves it; or with a provider's name and a slash before it, which goes to that one.
 */
@Injectable()
export class GatewayRoutes implements RouteSource<'gatewayToken' | 'anonymous'> {
  constructor(
    private readonly providers: TenantProviders,
    private readonly router: ModelRouter,
    routes: CallerRoutes,
  ) {
    routes.register('gatewayToken', this);
    routes.register('anonymous', this);
  }

  /** @throws Fault not_found: none of the gateway's providers serves the model */
  routeOf({ tenantId, gatewayId }: GatewayCaller, model: string): Route | Promise<Route> {
    const own = this.providersOf(tenantId, gatewayId);
    return own instanceof Promise ? own.then((found) => this.choose(found, model)) : this.choose(own, model);
  }

  /** @throws Fault upstream_failed */
  async listModels({ tenantId, gatewayId }: GatewayCaller): Promise<readonly Model[]> {
    return this.router.listAmong(await this.providersOf(tenantId, gatewayId));
  }

  /** One that a call can name. @throws Fault not_found */
  async getModel(caller: GatewayCaller, model: string): Promise<Model> {
    const {
      targets: [{ provider, model: itsName }],
    } = await this.routeOf(caller, model);
    return { ...(await provider.catalogue.get(itsName ?? model)), id: model };
  }

  /** @throws Fault not_found: the gateway has no provider of this name */
  async assertProvider({ tenantId, gatewayId }: GatewayCaller, name: string): Promise<void> {
    const own = await this.providersOf(tenantId, gatewayId);
    if (own.some((provider) => provider.name === name)) return;
    const reason = 'is not a provider of the gateway; /api/v1/gateways/get lists them';
    throw new Fault('not_found', `provider: ${reason}`, {
      code: 'provider_not_found',
      fields: [{ field: 'provider', reason }],
    });
  }

  private providersOf(
    tenantId: string,
    gatewayId: string | null,
  ): readonly TenantProvider[] | Promise<readonly TenantProvider[]> {
    return gatewayId === null ? [] : this.providers.ofGateway(tenantId, gatewayId);
  }

  private choose(own: readonly TenantProvider[], model: string): Route | Promise<Route> {
    const slash = model.indexOf('/');
    const named = slash > 0 ? own.find(({ name }) => name === model.slice(0, slash)) : undefined;
    if (named === undefined) return this.router.routeAmong(own, model);
    const itsModel = model.slice(slash + 1);
    const route = this.router.routeAmong([named], itsModel);
    return route instanceof Promise ? route.then((one) => askingFor(one, itsModel)) : askingFor(route, itsModel);
  }
}

/** The same way; the provider is asked for the model by this name. */
function askingFor({ targets: [{ provider }] }: Route, model: string): Route {
  return { name: null, targets: [{ provider, model }], plan: null };
}
