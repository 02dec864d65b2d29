import { Injectable } from '@nestjs/common';
import { auditActor } from '../identity/index.js';
import { HolderBudgets, type PlainBudget } from '../limits/index.js';
import { Fault, invalidField } from '../platform/errors/index.js';
import { newestFirst, PageTokens, type Page } from '../platform/http/index.js';
import { IdempotencyKeys, type IdempotentAnswer } from '../platform/idempotency/index.js';
import { formatTimestamp } from '../platform/protojson/index.js';
import type { GatewayManager } from './gateway-access.js';
import type { CreateTokenRequest, ListTokensQuery, TokenView, UpdateTokenRequest } from './gateway-tokens.dto.js';
import { GatewayTokensRepository, type TokenRecord } from './gateway-tokens.repository.js';
import { GatewayTokens, noSuchToken } from './gateway-tokens.js';
import { GatewaysRepository, type TenantGateways } from './gateways.repository.js';
import { budgetsOf, holderOfToken, viewRateLimit } from './rate-limit.js';

/** The tokens of a tenant's gateways, as its people and servers manage them. */
@Injectable()
export class GatewayTokensService {
  constructor(
    private readonly gateways: GatewaysRepository,
    private readonly repository: GatewayTokensRepository,
    private readonly tokens: GatewayTokens,
    private readonly budgets: HolderBudgets,
    private readonly idempotency: IdempotencyKeys,
    private readonly pageTokens: PageTokens,
  ) {}

  /** @throws Fault not_found: the gateway; invalid_input; already_exists: a live token has the name; conflict */
  create(
    principal: GatewayManager,
    gatewayId: string,
    { name, expiresAt: ends, rateLimit = {} }: CreateTokenRequest,
    key: string | null,
  ): Promise<IdempotentAnswer> {
    const { tenantId } = principal;
    const expiresAt = ends ?? null;
    const actor = auditActor(principal);
    const message = { gatewayId, name, expiresAt, limits: limitTexts(budgetsOf(rateLimit)) };
    const owner = `tenant:${tenantId}:${actor.type}:${actor.id}`;
    const idempotent = this.idempotency.request(owner, key, 'gateways/tokens', message);
    return this.gateways.change(tenantId, (own) =>
      this.idempotency.once(own.tx, idempotent, tenantId, async () => {
        await this.assertGateway(own, gatewayId);
        const { record, token } = await this.tokens.issue(own, principal, gatewayId, { name, expiresAt, rateLimit });
        const kept = await this.viewIn(own, record);
        return { body: { ...kept, token }, kept };
      }),
    );
  }

  /** @throws Fault not_found: the gateway; invalid_input: a page token that is not of this listing */
  list(
    { tenantId }: GatewayManager,
    gatewayId: string,
    { page_size: pageSize, page_token: pageToken, search }: ListTokensQuery,
  ): Promise<Page<TokenView>> {
    return this.gateways.read(tenantId, async (own) => {
      await this.assertGateway(own, gatewayId);
      const { records, nextPageToken } = await newestFirst<TokenRecord>(
        this.pageTokens,
        `gateways/tokens:${tenantId}:${JSON.stringify([gatewayId, search])}`,
        { pageSize, pageToken, tokenField: 'page_token' },
        (record) => record,
        (after, take) => this.repository.list(own, gatewayId, search, after, take),
      );
      return { records: await this.viewsIn(own, records), nextPageToken };
    });
  }

  /** @throws Fault not_found; invalid_input; already_exists: another live token has the name */
  update(
    principal: GatewayManager,
    gatewayId: string,
    id: string,
    { name, expiresAt, neverExpires, rateLimit }: UpdateTokenRequest,
  ): Promise<TokenView> {
    if (neverExpires && expiresAt !== undefined)
      throw invalidField('neverExpires', 'must not be sent together with expiresAt');
    this.tokens.assertFuture(expiresAt);
    return this.gateways.change(principal.tenantId, async (own) => {
      await this.assertGateway(own, gatewayId);
      await this.repository.countAlone(own, gatewayId);
      const before = await this.tokens.getIn(own, gatewayId, id);
      if (name !== undefined && name !== before.name) await this.tokens.assertFree(own, gatewayId, name);
      const ends = neverExpires ? null : expiresAt;
      const changed = [
        ...(name === undefined ? [] : ['name']),
        ...(ends === undefined ? [] : ['expiresAt']),
        ...(rateLimit === undefined ? [] : ['rateLimit']),
      ];
      if (changed.length === 0) return this.viewIn(own, before);
      if (name !== undefined || ends !== undefined) {
        await this.repository.update(own, gatewayId, id, {
          ...(name === undefined ? {} : { name }),
          ...(ends === undefined ? {} : { expiresAt: ends }),
        });
      }
      if (rateLimit !== undefined) await this.budgets.setPlain(own, holderOfToken(id), budgetsOf(rateLimit));
      await this.tokens.publish(own, principal, 'updated', id, { gatewayId, changed });
      return this.viewIn(own, await this.tokens.getIn(own, gatewayId, id));
    });
  }

  /** For good: nothing brings a token back, and its name is free. @throws Fault not_found: also where it was deleted before */
  async delete(principal: GatewayManager, gatewayId: string, id: string): Promise<void> {
    await this.gateways.change(principal.tenantId, async (own) => {
      await this.assertGateway(own, gatewayId);
      if (!(await this.repository.delete(own, gatewayId, id))) throw noSuchToken();
      await this.budgets.deleteAll(own, [holderOfToken(id)]);
      await this.tokens.publish(own, principal, 'deleted', id, { gatewayId });
    });
  }

  private async assertGateway(own: TenantGateways, id: string): Promise<void> {
    if ((await this.gateways.find(own, id)) === null)
      throw new Fault('not_found', 'No gateway has this id. List them with /api/v1/gateways/list.');
  }

  private async viewIn(own: TenantGateways, record: TokenRecord): Promise<TokenView> {
    const [view] = await this.viewsIn(own, [record]);
    if (view === undefined) throw noSuchToken();
    return view;
  }

  private async viewsIn(own: TenantGateways, records: readonly TokenRecord[]): Promise<TokenView[]> {
    const now = this.tokens.now();
    const budgets = await this.budgets.plainOf(
      own,
      records.map(({ id }) => holderOfToken(id)),
    );
    return records.map((record) => viewToken(record, budgets.get(holderOfToken(record.id)) ?? [], now));
  }
}

function viewToken(
  { id, name, createdAt, expiresAt, lastUsedAt }: TokenRecord,
  budgets: readonly PlainBudget[],
  now: Date,
): TokenView {
  return {
    ...{ id, name, status: expiresAt !== null && expiresAt <= now ? 'EXPIRED' : 'ACTIVE' },
    rateLimit: viewRateLimit(budgets),
    createdAt: formatTimestamp(createdAt),
    ...(expiresAt === null ? {} : { expiresAt: formatTimestamp(expiresAt) }),
    ...(lastUsedAt === null ? {} : { lastUsedAt: formatTimestamp(lastUsedAt) }),
  };
}

/** JSON knows no bigint. */
function limitTexts(budgets: readonly PlainBudget[]): readonly string[] {
  return budgets.map(({ type, period, limit }) => `${type} ${period} ${limit}`);
}
