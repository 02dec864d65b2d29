import { Injectable } from '@nestjs/common';
import type { AnonymousPrincipal, SealedTokenPrincipal } from '../identity/index.js';
import { KeyModels } from '../keys/index.js';
import { assertMayUse, BroughtProviders, CallerRoutes, type Route, type RouteSource } from '../llm/index.js';
import { Fault, invalidField } from '../platform/errors/index.js';
import { SealedTokenDirectory, type OpenedToken } from './sealed-token.directory.js';
import type { ServiceSecret } from './sealed-token.js';
import {
  baseUrlAt,
  engineIn,
  NETWORK_SERVICE,
  serviceIdOfModel,
  serviceOf,
  shown,
  type FoundService,
} from './service-factories.js';

/** The routes that are kept for one token; a caller can name any number of models. */
const MOST_ROUTES = 32;

/** A service of another server, as `aisbreaker:network` names it. */
interface ForwardedService {
  readonly serviceId: string;
  readonly [name: string]: unknown;
}

/**
 * The route of a call by a sealed access token: to the vendor of the service that it names, with the token's first secret for
 * that service. Guarantees: no other secret is sent there, and this one goes to no other address. Without a secret there is no
 * call, whatever the tenant and the operator have set up, except to the built-in echo.
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
    routes.registerWithoutGateway({ routeOf: (model) => this.echo(serviceIdOfModel(model)) });
  }

  /** @throws Fault not_found: no factory; unauthenticated: no secret; permission_denied: the key may not use the model */
  routeOf(principal: SealedTokenPrincipal, model: string): Route | Promise<Route> {
    return this.wayOf(principal, serviceIdOfModel(model), null);
  }

  /**
   * The route to a service's API at another address.
   *
   * @param url from those that the operator allows
   * @throws Fault as `routeOf`
   */
  routeAt(
    principal: SealedTokenPrincipal | AnonymousPrincipal,
    serviceId: string,
    url: string,
  ): Route | Promise<Route> {
    return principal.kind === 'anonymous' ? this.echo(serviceId) : this.wayOf(principal, serviceId, url);
  }

  /**
   * The route to another server of the same protocol, which gets the token itself.
   *
   * @param url from those that the operator allows
   * @throws Fault unauthenticated: there is no token; permission_denied: the key may not use the model
   */
  routeToServer(
    principal: SealedTokenPrincipal | AnonymousPrincipal,
    token: string,
    url: string,
    service: ForwardedService,
  ): Route | Promise<Route> {
    if (principal.kind === 'anonymous') {
      throw new Fault('unauthenticated', `${NETWORK_SERVICE} sends the access token on, and there is none.`);
    }
    const name = `sealed/${new URL(url).host}`;
    const provider = this.providers.buildServer({ name, token, baseUrl: url, service });
    const route: Route = { name: null, targets: [{ provider, model: service.serviceId }], plan: null };
    return this.confined(principal, engineIn(service.serviceId), route);
  }

  private wayOf(principal: SealedTokenPrincipal, serviceId: string, url: string | null): Route | Promise<Route> {
    if (serviceId === NETWORK_SERVICE)
      throw invalidField('model', `names ${NETWORK_SERVICE}, which POST /api/v1/process alone takes, with service.url`);
    const opened = this.directory.openedBy(principal);
    const place = url === null ? serviceId : `${serviceId} ${url}`;
    const route = opened.routes.get(place) ?? this.find(opened, serviceId, url, place);
    return principal.keyId === null ? route : this.confined(principal, serviceOf(serviceId).engine, route);
  }

  /** Limits a token that a key made to the key's models. */
  private confined({ tenantId, keyId }: SealedTokenPrincipal, engine: string, route: Route): Route | Promise<Route> {
    if (keyId === null) return route;
    const within = (models: readonly string[]): Route => {
      assertMayUse(models, engine);
      return route;
    };
    const models = this.keyModels.of({ tenantId, keyId });
    return models instanceof Promise ? models.then(within) : within(models);
  }

  private find(opened: OpenedToken, serviceId: string, url: string | null, place: string): Route {
    const service = serviceOf(serviceId);
    const route = this.routeTo(service, secretFor(opened.secrets, service), url);
    if (opened.routes.size >= MOST_ROUTES) opened.routes.clear();
    opened.routes.set(place, route);
    return route;
  }

  /** For a caller without a token, who has no secrets. */
  private echo(serviceId: string): Route {
    const service = serviceOf(serviceId);
    return this.routeTo(service, secretFor([], service), null);
  }

  private routeTo({ factory, engine }: FoundService, apiKey: string, url: string | null): Route {
    const { kind, vendor } = factory;
    const provider =
      url === null
        ? this.providers.build({ kind, name: `sealed/${vendor}`, apiKey, baseUrl: null })
        : this.providers.build({
            ...{ kind, apiKey, baseUrl: baseUrlAt(url, factory) },
            name: `sealed/${vendor}@${new URL(url).host}`,
          });
    return { name: null, targets: [{ provider, model: engine }], plan: null };
  }
}

/** The token's first secret for the service. @throws Fault unauthenticated */
function secretFor(secrets: readonly ServiceSecret[], { serviceId, factory }: FoundService): string {
  const secret = secrets.find((one) => serviceId.startsWith(one.serviceId))?.authSecret ?? '';
  if (secret !== '' || factory.kind === 'dummy') return secret;
  throw new Fault(
    'unauthenticated',
    `The access token has no secret for the service '${shown(serviceId)}': make one with an entry for it in serviceSecrets.`,
    { code: 'no_service_secret' },
  );
}
