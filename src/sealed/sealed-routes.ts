import { Injectable } from '@nestjs/common';
import type { SealedTokenPrincipal } from '../identity/index.js';
import { KeyModels } from '../keys/index.js';
import { assertMayUse, BroughtProviders, CallerRoutes, type Route, type RouteSource } from '../llm/index.js';
import { Fault } from '../platform/errors/index.js';
import { SealedTokenDirectory, type OpenedToken } from './sealed-token.directory.js';
import type { ServiceSecret } from './sealed-token.js';
import { serviceIdOfModel, serviceOf, shown, type FoundService } from './service-factories.js';

/** Of one token; a caller can name any number of models. */
const MOST_ROUTES = 32;

/**
 * Which way a call by a sealed access token takes: to the vendor of the service that it names, with the first secret of the
 * token that is for that service. Guarantees: no other secret is ever sent there, and this one nowhere else; without one there is
 * no call, whatever the tenant and the operator have set up, but for the built-in echo.
 */
@Injectable()
export class SealedRoutes implements RouteSource<'sealedToken'> {
  constructor(
    private readonly directory: SealedTokenDirectory,
    private readonly providers: BroughtProviders,
    private readonly keyModels: KeyModels,
    routes: CallerRoutes,
  ) {
    routes.register('sealedToken', this);
    routes.registerWithoutGateway({ routeOf: (model) => this.echo(model) });
  }

  /** @throws Fault not_found: no factory; unauthenticated: no secret; permission_denied: the key may not use the model */
  routeOf(principal: SealedTokenPrincipal, model: string): Route | Promise<Route> {
    const opened = this.directory.openedBy(principal);
    const serviceId = serviceIdOfModel(model);
    const route = opened.routes.get(serviceId) ?? this.find(opened, serviceId);
    const { tenantId, keyId } = principal;
    return keyId === null ? route : this.confined({ tenantId, keyId }, serviceId, route);
  }

  private async confined(
    key: { readonly tenantId: string; readonly keyId: string },
    serviceId: string,
    route: Route,
  ): Promise<Route> {
    assertMayUse(await this.keyModels.of(key), serviceOf(serviceId).engine);
    return route;
  }

  private find(opened: OpenedToken, serviceId: string): Route {
    const service = serviceOf(serviceId);
    const route = this.routeTo(service, secretFor(opened.secrets, service));
    if (opened.routes.size >= MOST_ROUTES) opened.routes.clear();
    opened.routes.set(serviceId, route);
    return route;
  }

  /** Of a caller without a token, who has no secrets. */
  private echo(model: string): Route {
    const service = serviceOf(serviceIdOfModel(model));
    return this.routeTo(service, secretFor([], service));
  }

  private routeTo({ factory, engine }: FoundService, secret: string): Route {
    const provider = this.providers.build(factory.kind, `sealed/${factory.vendor}`, secret);
    return { name: null, targets: [{ provider, model: engine }], plan: null };
  }
}

/** The first that is for the service, in the order of the token. @throws Fault unauthenticated */
function secretFor(secrets: readonly ServiceSecret[], { serviceId, factory }: FoundService): string {
  const secret = secrets.find((one) => serviceId.startsWith(one.serviceId))?.authSecret ?? '';
  if (secret !== '' || factory.kind === 'dummy') return secret;
  throw new Fault(
    'unauthenticated',
    `The access token has no secret for the service '${shown(serviceId)}': have one made whose serviceSecrets hold one.`,
    { code: 'no_service_secret' },
  );
}
