import { Inject, Injectable } from '@nestjs/common';
import { auditActor } from '../identity/index.js';
import { HolderBudgets } from '../limits/index.js';
import { GatewayConnections, type GatewayProviderForm } from '../llm/index.js';
import { SETTINGS_TOKEN, type Settings } from '../platform/config/index.js';
import { randomBase62 } from '../platform/crypto/index.js';
import { Fault, invalidField } from '../platform/errors/index.js';
import { Events, type AuditDetails } from '../platform/events/index.js';
import { newestFirst, PageTokens, type Page } from '../platform/http/index.js';
import { IdempotencyKeys, type IdempotentAnswer } from '../platform/idempotency/index.js';
import type { GatewayManager } from './gateway-access.js';
import { GatewayDirectory } from './gateway.directory.js';
import {
  DEFAULT_CACHE_BYTES,
  nameOfProvider,
  type CreateGatewayRequest,
  type GatewayProviderRequest,
  type ListGatewaysRequest,
  type UpdateGatewayRequest,
} from './gateways.dto.js';
import {
  GatewaysRepository,
  type GatewayColumns,
  type GatewayRecord,
  type TenantGateways,
} from './gateways.repository.js';
import { viewGateway, type WholeGateway } from './gateways.view.js';
import { budgetsOf, holderOfGateway, holderOfToken } from './rate-limit.js';
import { GatewayTokens } from './gateway-tokens.js';

const MAX_GATEWAYS = 100;
const FIRST_TOKEN = 'default';

/** A tenant's gateways: made, looked at, changed. Providers' keys come in, and never go out. */
@Injectable()
export class GatewaysService {
  constructor(
    private readonly repository: GatewaysRepository,
    private readonly tokens: GatewayTokens,
    private readonly connections: GatewayConnections,
    private readonly budgets: HolderBudgets,
    private readonly directory: GatewayDirectory,
    private readonly idempotency: IdempotencyKeys,
    private readonly pageTokens: PageTokens,
    private readonly events: Events,
    @Inject(SETTINGS_TOKEN) private readonly settings: Pick<Settings, 'openGateways'>,
  ) {}

  /**
   * Makes a gateway and its first token.
   *
   * @throws Fault invalid_input naming the fields; permission_denied: the operator allows no open gateway; already_exists: the
   *   name is taken; conflict: there are too many
   */
  create(principal: GatewayManager, request: CreateGatewayRequest, key: string | null): Promise<IdempotentAnswer> {
    const { tenantId } = principal;
    const { name, authenticated, rateLimit = {}, cache, bodies } = request;
    if (!authenticated) this.assertMayBeOpen();
    const forms = request.providers.map((provider, place) => formOf(provider, place, {}));
    const actor = auditActor(principal);
    const idempotent = this.idempotency.request(
      `tenant:${tenantId}:${actor.type}:${actor.id}`,
      key,
      'gateways/create',
      withoutBigints(request),
    );
    return this.repository.change(tenantId, (own) =>
      this.idempotency.once(own.tx, idempotent, tenantId, async () => {
        if ((await this.repository.countAlone(own)) >= MAX_GATEWAYS)
          throw new Fault('conflict', `A tenant has at most ${MAX_GATEWAYS} gateways; delete one that you do not use.`);
        await this.assertFree(own, name);
        const id = `gateway_${randomBase62(20)}`;
        await this.repository.create(own, {
          ...{ id, name, authenticated, createdBy: actor.id },
          ...{ cacheMaxBytes: DEFAULT_CACHE_BYTES, cacheTtlSeconds: null, bodyRetentionDays: null },
          ...cacheColumns(cache),
          ...bodyColumns(bodies),
        });
        await this.connections.replace({ ...own, gatewayId: id }, forms, actor.id);
        await this.budgets.setPlain(own, holderOfGateway(id), budgetsOf(rateLimit));
        await this.assertBounded(own, id);
        const { token } = await this.tokens.issue(own, principal, id, {
          name: FIRST_TOKEN,
          expiresAt: null,
          rateLimit: {},
        });
        await this.publish(own, principal, 'created', id, { name, authenticated });
        const body = { gateway: viewGateway(await this.getIn(own, id)) };
        return { body: { ...body, token }, kept: body };
      }),
    );
  }

  /** @throws Fault invalid_input: a page token that is not of this tenant and this search */
  list({ tenantId }: GatewayManager, { search, ...page }: ListGatewaysRequest): Promise<Page<WholeGateway>> {
    return this.repository.read(tenantId, (own) =>
      newestFirst(
        this.pageTokens,
        `gateways/list:${tenantId}:${JSON.stringify(search)}`,
        page,
        ({ record }) => record,
        async (after, take) => this.wholeOf(own, await this.repository.list(own, search, after, take)),
      ),
    );
  }

  /** @throws Fault not_found */
  get({ tenantId }: GatewayManager, id: string): Promise<WholeGateway> {
    return this.repository.read(tenantId, (own) => this.getIn(own, id));
  }

  /**
   * Changes what is named. Another address of a provider needs its key again: else anyone who may change a gateway could have
   * the stored key sent to an address of theirs.
   * @throws Fault not_found; invalid_input naming the fields; permission_denied: the operator allows no open gateway;
   * already_exists: the name is taken
   */
  async update(principal: GatewayManager, request: UpdateGatewayRequest): Promise<WholeGateway> {
    const { tenantId } = principal;
    const { gatewayId: id, name, authenticated, providers, rateLimit, cache, bodies } = request;
    if (authenticated === false) this.assertMayBeOpen();
    const whole = await this.repository.change(tenantId, async (own) => {
      if (name !== undefined) await this.repository.countAlone(own);
      const before = (await this.repository.lock(own, id)) ?? notFound();
      if (name !== undefined && name !== before.name) await this.assertFree(own, name);
      const columns: Partial<GatewayColumns> = {
        ...(name === undefined ? {} : { name }),
        ...(authenticated === undefined ? {} : { authenticated }),
        ...cacheColumns(cache),
        ...bodyColumns(bodies),
      };
      const changed = Object.entries({ name, authenticated, providers, rateLimit, cache, bodies })
        .filter(([, value]) => value !== undefined)
        .map(([field]) => field);
      if (changed.length === 0) return this.getIn(own, id);
      if (providers !== undefined) {
        const forms = providers.map((provider, place) => formOf(provider, place, null));
        await this.connections.replace({ ...own, gatewayId: id }, forms, auditActor(principal).id);
      }
      if (rateLimit !== undefined) await this.budgets.setPlain(own, holderOfGateway(id), budgetsOf(rateLimit));
      await this.repository.update(own, id, columns);
      // What is kept may be another provider's answer, or older than it may be now.
      if (providers !== undefined || cache !== undefined) await this.repository.clearCache(own, id);
      await this.assertBounded(own, id);
      await this.publish(own, principal, 'updated', id, { changed });
      return this.getIn(own, id);
    });
    this.connections.forget(tenantId, id);
    this.directory.forgetGateway(id);
    return whole;
  }

  /** With its tokens, providers and limits. Calls that are under way go on as they began. @throws Fault not_found */
  async delete(principal: GatewayManager, id: string): Promise<void> {
    const { tenantId } = principal;
    await this.repository.change(tenantId, async (own) => {
      if ((await this.repository.lock(own, id)) === null) notFound();
      const tokenIds = await this.tokens.idsOf(own, id);
      await this.repository.delete(own, id);
      await this.budgets.deleteAll(own, [holderOfGateway(id), ...tokenIds.map(holderOfToken)]);
      await this.publish(own, principal, 'deleted', id, {});
    });
    this.directory.forgetGateway(id);
  }

  /** @throws Fault not_found: for other rooms' look at what belongs to a gateway, too */
  async getIn(own: TenantGateways, id: string): Promise<WholeGateway> {
    const record = (await this.repository.find(own, id)) ?? notFound();
    const [whole] = await this.wholeOf(own, [record]);
    return whole ?? notFound();
  }

  private async wholeOf(own: TenantGateways, records: readonly GatewayRecord[]): Promise<WholeGateway[]> {
    const ids = records.map(({ id }) => id);
    const providers = await this.connections.listOf(own, ids);
    const budgets = await this.budgets.plainOf(own, ids.map(holderOfGateway));
    return records.map((record) => ({
      record,
      providers: providers.filter(({ gatewayId }) => gatewayId === record.id),
      budgets: budgets.get(holderOfGateway(record.id)) ?? [],
    }));
  }

  private assertMayBeOpen(): void {
    if (this.settings.openGateways === 'on') return;
    const reason =
      'must be true: the operator does not allow gateways without authentication (GATEHOUSE_OPEN_GATEWAYS)';
    throw new Fault('permission_denied', `authenticated: ${reason}`, { fields: [{ field: 'authenticated', reason }] });
  }

  private async assertBounded(own: TenantGateways, id: string): Promise<void> {
    if (await this.budgets.isBoundless(own, holderOfGateway(id)))
      throw invalidField('rateLimit', 'is required when authenticated is false');
  }

  private async assertFree(own: TenantGateways, name: string): Promise<void> {
    if (!(await this.repository.isNamed(own, name))) return;
    const reason = 'is already the name of another gateway of the tenant';
    throw new Fault('already_exists', `name: ${reason}`, { fields: [{ field: 'name', reason }] });
  }

  private publish<What extends 'created' | 'updated' | 'deleted'>(
    { tx, tenantId }: TenantGateways,
    principal: GatewayManager,
    what: What,
    id: string,
    details: AuditDetails<`gateway.${What}`>,
  ): Promise<void> {
    return this.events.publish(tx, {
      action: `gateway.${what}`,
      actor: auditActor(principal),
      tenantId,
      resource: { type: 'gateway', id },
      details,
    });
  }
}

/** @param absent what stands for credentials that are not named: none at all, or (null) those that are stored */
function formOf(request: GatewayProviderRequest, place: number, absent: object | null): GatewayProviderForm {
  const { provider: kind, apiKey, credentials, endpoint: baseUrl, models, settings } = request;
  if (apiKey !== undefined && credentials !== undefined)
    throw invalidField(`providers[${place}].credentials`, 'must not be sent together with apiKey');
  return {
    ...{ name: nameOfProvider(request), kind, baseUrl, models, settings },
    credentials: apiKey === undefined ? (credentials ?? absent) : { apiKey },
  };
}

function cacheColumns(cache: CreateGatewayRequest['cache']): Partial<GatewayColumns> {
  if (cache === undefined) return {};
  return { cacheTtlSeconds: cache.ttlSeconds === 0 ? null : cache.ttlSeconds, cacheMaxBytes: cache.maxBytes };
}

function bodyColumns(bodies: CreateGatewayRequest['bodies']): Partial<GatewayColumns> {
  return bodies === undefined ? {} : { bodyRetentionDays: bodies.retentionDays === 0 ? null : bodies.retentionDays };
}

/** JSON knows no bigint. */
function withoutBigints(message: object): unknown {
  return JSON.parse(
    JSON.stringify(message, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value)),
  );
}

/** The same words for an unknown gateway and another tenant's. */
function notFound(): never {
  throw new Fault('not_found', 'No gateway has this id. List them with /api/v1/gateways/list.');
}
