import { Inject, Injectable } from '@nestjs/common';
import { SETTINGS_TOKEN, type Settings } from '../../platform/config/index.js';
import { Database, RevocableCache, Revocations } from '../../platform/database/index.js';
import { Fault } from '../../platform/errors/index.js';
import type { TenantProvider } from '../connections/tenant-providers.js';
import type { Model } from '../models/model-catalogue.js';
import { Circuits } from './circuit.js';
import { RETRY_REASONS, type RetryReason } from './retry-reason.js';
import type { PlannedTarget, Route } from './route.js';
import type { RouteStrategy } from './routes.dto.js';
import { WeightedTurns } from './weighted-turns.js';

const FIND = { name: 'find_llm_routes', text: 'SELECT * FROM find_llm_routes($1)' };

interface RouteRow {
  readonly name: string;
  readonly strategy: RouteStrategy;
  readonly attempts: number;
  readonly retry_on: readonly string[];
  /** In seconds. */
  readonly created: number;
  readonly targets: readonly { readonly providerId: string; readonly model: string; readonly weight: number }[];
}

/** The routes of one tenant as they are stored. */
export interface KnownRoutes {
  readonly tenantId: string;
  readonly routes: ReadonlyMap<string, StoredRoute>;
}

/** A route as it is stored, and what was made of it for the providers that the tenant then had. */
interface StoredRoute {
  readonly row: RouteRow;
  readonly made: WeakMap<readonly TenantProvider[], Route>;
}

/** A route as a model, which it is to those who call it. */
export function modelOfRoute({ row: { name, created } }: StoredRoute): Model {
  return { id: name, object: 'model', created, owned_by: 'gatehouse' };
}

/**
 * The routes that each tenant made. A change is heard on every replica within 1 s. With a warm cache a call costs no query, of
 * a tenant without any route too.
 */
@Injectable()
export class TenantRoutes {
  private readonly cache: RevocableCache<KnownRoutes, string>;

  constructor(
    private readonly database: Database,
    private readonly circuits: Circuits,
    revocations: Revocations,
    @Inject(SETTINGS_TOKEN) { credentialCacheEntries: maxEntries }: Pick<Settings, 'credentialCacheEntries'>,
  ) {
    this.cache = new RevocableCache({
      revocations,
      maxEntries,
      load: (tenantId: string) => this.load(tenantId),
      topics: { 'llm-routes': ({ tenantId }) => tenantId },
    });
  }

  /** Without a promise where they are known. */
  of(tenantId: string): KnownRoutes | Promise<KnownRoutes> {
    const known = this.cache.get(tenantId, tenantId);
    return known instanceof Promise ? known.then((found) => found ?? { tenantId, routes: new Map() }) : known;
  }

  /** After a change by this process: its own next call must see it, before the notification comes. */
  forget(tenantId: string): void {
    this.cache.forget(tenantId);
  }

  /**
   * The route of this name, which there must be, for the providers that the tenant has now.
   *
   * @throws Fault invalid_input: every provider that the route names is disabled
   */
  routeNamed({ tenantId, routes }: KnownRoutes, name: string, own: readonly TenantProvider[]): Route {
    const stored = routes.get(name);
    if (stored === undefined) throw new Error('The route of a name that was found is there.');
    const made = stored.made.get(own) ?? this.make(tenantId, stored.row, own);
    stored.made.set(own, made);
    return made;
  }

  private async load(tenantId: string): Promise<KnownRoutes> {
    const rows = await this.database.call<RouteRow & Record<string, unknown>>(FIND, [tenantId]);
    return { tenantId, routes: new Map(rows.map((row) => [row.name, { row, made: new WeakMap() }])) };
  }

  private make(tenantId: string, row: RouteRow, own: readonly TenantProvider[]): Route {
    const { name, strategy, attempts } = row;
    const weights: number[] = [];
    const targets: PlannedTarget[] = [];
    for (const { providerId, model, weight } of row.targets) {
      const found = own.find(({ id }) => id === providerId);
      // A disabled one is passed over.
      if (found === undefined) continue;
      const place = weights.push(weight) - 1;
      targets.push({ provider: found.provider, model, place, circuit: this.circuits.of(tenantId, providerId, model) });
    }
    const [first, ...others] = targets;
    if (first === undefined) {
      throw new Fault(
        'invalid_input',
        `model: the route ${name} leads only to disabled providers; enable one of them, or change the route's targets`,
        {
          code: 'route_without_provider',
          fields: [{ field: 'model', reason: 'is a route whose providers are all disabled' }],
        },
      );
    }
    const isWeighted = strategy === 'WEIGHTED' && weights.some((weight) => weight > 0);
    const named = [first, ...others] as const;
    return {
      name,
      targets: named,
      plan: {
        targets: named,
        turns: isWeighted ? new WeightedTurns(weights) : null,
        attempts,
        on: new Set(RETRY_REASONS.filter((reason): reason is RetryReason => row.retry_on.includes(reason))),
      },
    };
  }
}
