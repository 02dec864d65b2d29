import { Injectable } from '@nestjs/common';
import { auditActor, type DashboardUserPrincipal, type SecretKeyPrincipal } from '../../identity/index.js';
import { randomBase62 } from '../../platform/crypto/index.js';
import { Fault, invalidField } from '../../platform/errors/index.js';
import { Events, type AuditDetails } from '../../platform/events/index.js';
import { newestFirst, PageTokens, type Page } from '../../platform/http/index.js';
import { IdempotencyKeys, type IdempotentAnswer } from '../../platform/idempotency/index.js';
import { ProvidersRepository } from '../connections/providers.repository.js';
import type { CreateRouteRequest, ListRoutesRequest, RouteTargetRequest, UpdateRouteRequest } from './routes.dto.js';
import {
  RoutesRepository,
  type RouteColumns,
  type RouteRecord,
  type TenantRoutesTransaction,
} from './routes.repository.js';
import { viewRoute } from './routes.view.js';
import { TenantRoutes } from './tenant-routes.js';

/** Whose routes are managed: the tenant's own people and servers. */
export type RouteManager = DashboardUserPrincipal | SecretKeyPrincipal;

/** A process keeps those of a tenant in memory. */
const MAX_ROUTES = 200;

/** A tenant's routes: made, looked at, changed. A target is always a provider of the same tenant. */
@Injectable()
export class RoutesService {
  constructor(
    private readonly repository: RoutesRepository,
    private readonly providers: ProvidersRepository,
    private readonly inUse: TenantRoutes,
    private readonly idempotency: IdempotencyKeys,
    private readonly pageTokens: PageTokens,
    private readonly events: Events,
  ) {}

  /**
   * @throws Fault invalid_input naming the field; not_found: a target's provider; already_exists: the name is taken; conflict:
   *   there are too many
   */
  create(principal: RouteManager, request: CreateRouteRequest, key: string | null): Promise<IdempotentAnswer> {
    const { name, strategy, targets, retry } = request;
    assertWeights(strategy, targets);
    const { tenantId } = principal;
    const actor = auditActor(principal);
    const caller = `tenant:${tenantId}:${actor.type}:${actor.id}`;
    const idempotent = this.idempotency.request(caller, key, 'llm/routes/create', request);
    return this.change(tenantId, (own) =>
      this.idempotency.once(own.tx, idempotent, tenantId, async () => {
        if ((await this.repository.countAlone(own)) >= MAX_ROUTES)
          throw new Fault('conflict', `A tenant has at most ${MAX_ROUTES} routes; delete one that you do not use.`);
        await this.assertFree(own, name);
        await this.assertTargets(own, targets);
        const id = `route_${randomBase62(20)}`;
        const columns = { id, name, strategy, attempts: retry.attempts, retryOn: retry.on, createdBy: actor.id };
        await this.repository.create(own, columns, targets);
        await this.publish(own, principal, 'created', id, { name, strategy });
        const body = { route: viewRoute(await this.getIn(own, id)) };
        return { body, kept: body };
      }),
    );
  }

  /** @throws Fault invalid_input: a page token that is not of this tenant and this search */
  list({ tenantId }: RouteManager, { search, ...page }: ListRoutesRequest): Promise<Page<RouteRecord>> {
    return newestFirst(
      this.pageTokens,
      `llm/routes/list:${tenantId}:${JSON.stringify(search)}`,
      page,
      (record) => record,
      (after, take) => this.repository.read(tenantId, (own) => this.repository.list(own, search, after, take)),
    );
  }

  /** @throws Fault not_found */
  get({ tenantId }: RouteManager, id: string): Promise<RouteRecord> {
    return this.repository.read(tenantId, (own) => this.getIn(own, id));
  }

  /**
   * Changes what is named; calls that are under way go on as they began.
   *
   * @throws Fault not_found: the route, or a target's provider; invalid_input naming the field; already_exists
   */
  update(principal: RouteManager, request: UpdateRouteRequest): Promise<RouteRecord> {
    const { routeId: id, name, strategy, targets, retry } = request;
    return this.change(principal.tenantId, async (own) => {
      if (name !== undefined) await this.repository.countAlone(own);
      const before = (await this.repository.lock(own, id)) ?? notFound();
      if (name !== undefined && name !== before.name) await this.assertFree(own, name);
      assertWeights(strategy ?? before.strategy, targets ?? before.targets);
      if (targets !== undefined) await this.assertTargets(own, targets);
      const changes: Partial<RouteColumns> = {
        ...(name === undefined ? {} : { name }),
        ...(strategy === undefined ? {} : { strategy }),
        ...(retry === undefined ? {} : { attempts: retry.attempts, retryOn: retry.on }),
      };
      const changed = [...Object.keys(changes), ...(targets === undefined ? [] : ['targets'])];
      if (changed.length > 0) {
        await this.repository.update(own, id, changes, targets ?? null);
        await this.publish(own, principal, 'updated', id, { changed });
      }
      return this.getIn(own, id);
    });
  }

  /** @throws Fault not_found */
  async delete(principal: RouteManager, id: string): Promise<void> {
    await this.change(principal.tenantId, async (own) => {
      if (!(await this.repository.delete(own, id))) notFound();
      await this.publish(own, principal, 'deleted', id, {});
    });
  }

  /** Writes, and lets this process's own next call see it, before the notification comes. */
  private async change<T>(tenantId: string, work: (own: TenantRoutesTransaction) => Promise<T>): Promise<T> {
    const done = await this.repository.change(tenantId, work);
    this.inUse.forget(tenantId);
    return done;
  }

  /** The providers stay until this transaction ends. */
  private async assertTargets(own: TenantRoutesTransaction, targets: readonly RouteTargetRequest[]): Promise<void> {
    const held = await this.providers.hold(own, [...new Set(targets.map(({ providerId }) => providerId))]);
    for (const [place, { providerId, model }] of targets.entries()) {
      const models = held.get(providerId);
      if (models === undefined) {
        const reason = 'is not a provider of this tenant; list them with /api/v1/llm/providers/list';
        const field = `targets[${place}].providerId`;
        throw new Fault('not_found', `${field}: ${reason}`, { fields: [{ field, reason }] });
      }
      if (models.length > 0 && !models.includes(model))
        throw invalidField(
          `targets[${place}].model`,
          "is not one of the provider's `models`; add it with /api/v1/llm/providers/update",
        );
    }
  }

  private async assertFree(own: TenantRoutesTransaction, name: string): Promise<void> {
    if (!(await this.repository.isNamed(own, name))) return;
    const reason = 'is already the name of another route of the tenant';
    throw new Fault('already_exists', `name: ${reason}`, { fields: [{ field: 'name', reason }] });
  }

  private async getIn(own: TenantRoutesTransaction, id: string): Promise<RouteRecord> {
    return (await this.repository.find(own, id)) ?? notFound();
  }

  private publish<What extends 'created' | 'updated' | 'deleted'>(
    { tx, tenantId }: TenantRoutesTransaction,
    principal: RouteManager,
    what: What,
    id: string,
    details: AuditDetails<`llm_route.${What}`>,
  ): Promise<void> {
    return this.events.publish(tx, {
      action: `llm_route.${what}`,
      actor: auditActor(principal),
      tenantId,
      resource: { type: 'llm_route', id },
      details,
    });
  }
}

function assertWeights(strategy: string, targets: readonly { readonly weight: number }[]): void {
  if (strategy === 'WEIGHTED' && targets.every(({ weight }) => weight === 0))
    throw invalidField('targets', 'must have one whose weight is above 0, since the strategy is WEIGHTED');
}

/** The same words for an unknown route and another tenant's. */
function notFound(): never {
  throw new Fault('not_found', 'No route has this id. List them with /api/v1/llm/routes/list.');
}
