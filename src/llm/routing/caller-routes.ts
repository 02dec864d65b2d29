import { Injectable } from '@nestjs/common';
import type { BringingPrincipal, CallPrincipal } from '../access/chat-access.js';
import { ModelRouter } from './model-router.js';
import type { Route } from './route.js';

/** Says which way a call takes whose caller brings the providers. */
export interface RouteSource<Kind extends BringingPrincipal['kind']> {
  /**
   * @param model as the caller wrote it
   * @throws Fault where none of what the caller brings serves the model: never another one's provider
   */
  routeOf(principal: Extract<BringingPrincipal, { kind: Kind }>, model: string): Route | Promise<Route>;
}

/** The same of callers who present nothing, and come to no gateway. */
export interface RouteSourceWithoutGateway {
  routeOf(model: string): Route | Promise<Route>;
}

/**
 * Which way a call takes: by what the caller brings, where the caller's kind brings providers, and by that alone; else by the
 * tenant's providers. The room that verifies such a kind registers its source.
 */
@Injectable()
export class CallerRoutes {
  private readonly sources: { [Kind in BringingPrincipal['kind']]?: RouteSource<Kind> } = {};

  private withoutGateway: RouteSourceWithoutGateway | null = null;

  constructor(private readonly router: ModelRouter) {}

  /** @throws Error: the kind has a source already */
  register<Kind extends BringingPrincipal['kind']>(kind: Kind, source: RouteSource<Kind>): void {
    if (this.sources[kind] !== undefined) throw new Error(`Two rooms say which way the calls of a ${kind} take.`);
    Object.assign(this.sources, { [kind]: source });
  }

  registerWithoutGateway(source: RouteSourceWithoutGateway): void {
    this.withoutGateway = source;
  }

  /** @throws Fault as the source, or as ModelRouter.routeOf */
  routeOf(principal: CallPrincipal, model: string): Route | Promise<Route> {
    switch (principal.kind) {
      case 'sealedToken':
        return this.sourceOf(principal.kind).routeOf(principal, model);
      case 'gatewayToken':
        return this.sourceOf(principal.kind).routeOf(principal, model);
      case 'anonymous':
        if (principal.gatewayId === null && this.withoutGateway !== null) return this.withoutGateway.routeOf(model);
        return this.sourceOf(principal.kind).routeOf(principal, model);
      default:
        return this.router.routeOf(principal.tenantId, model);
    }
  }

  private sourceOf<Kind extends BringingPrincipal['kind']>(kind: Kind): RouteSource<Kind> {
    const source: RouteSource<Kind> | undefined = this.sources[kind];
    if (source === undefined) throw new TypeError(`Nothing says which way the calls of a ${kind} take.`);
    return source;
  }
}
