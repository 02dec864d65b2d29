import { Injectable } from '@nestjs/common';
import {
  auditActor,
  auditSubject,
  type DashboardUserPrincipal,
  type SecretKeyPrincipal,
} from '../../identity/index.js';
import { Fault } from '../../platform/errors/index.js';
import { Events, type AuditDetails } from '../../platform/events/index.js';
import { PageTokens, newestFirst, type Page } from '../../platform/http/index.js';
import { IdempotencyKeys, type IdempotentAnswer } from '../../platform/idempotency/index.js';
import type {
  BudgetView,
  DeleteBudgetRequest,
  HolderRequest,
  ListBudgetsRequest,
  SetBudgetRequest,
} from './budgets.dto.js';
import { BudgetsRepository, type BudgetRecord, type TenantBudgets } from './budgets.repository.js';
import { viewBudget } from './budgets.view.js';

/** Who may manage a tenant's budgets: its people and its servers. */
export type BudgetsPrincipal = DashboardUserPrincipal | SecretKeyPrincipal;

const MICROS = 1_000_000n;
/** Any other text is not an id. */
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const HUMAN_PREFIX = 'human:';

/** What a tenant, its keys, humans and gateways may use, in all or in each period. The ledger judges calls by these budgets. */
@Injectable()
export class BudgetsService {
  constructor(
    private readonly repository: BudgetsRepository,
    private readonly events: Events,
    private readonly idempotency: IdempotencyKeys,
    private readonly pageTokens: PageTokens,
  ) {}

  /** @throws Fault invalid_input: a page token that is not ours, another tenant's or of other filters */
  list({ tenantId }: BudgetsPrincipal, request: ListBudgetsRequest): Promise<Page<BudgetRecord>> {
    const { holder, type = null, period = null } = request;
    return this.repository.read(tenantId, async (budgets) => {
      const named = holder === undefined ? null : await this.findHolder(budgets, holder);
      return newestFirst(
        this.pageTokens,
        `budgets/list:${tenantId}:${JSON.stringify([named, type, period])}`,
        request,
        (record) => record,
        (after, take) => this.repository.list(budgets, { holder: named, type, period }, after, take),
      );
    });
  }

  /**
   * Sets a budget: creates it, or changes the one with the same holder, type, period, time zone and models. The copy for a
   * repeat lacks the holder, which the repeat itself names, so that a human's erasure leaves nothing behind there.
   *
   * @throws Fault not_found: no such key, gateway or token; conflict: the Idempotency-Key was used for another request
   */
  async set(
    principal: BudgetsPrincipal,
    request: SetBudgetRequest,
    idempotencyKey: string | null,
  ): Promise<IdempotentAnswer> {
    const { tenantId } = principal;
    const owner = `tenant:${tenantId}:${auditSubject(principal)}`;
    const message = { ...request, limit: String(request.limit), raise: raiseText(request) };
    const idempotent = this.idempotency.request(owner, idempotencyKey, 'budgets/set', message);
    const { body, replayed } = await this.repository.change(tenantId, (budgets) =>
      this.idempotency.once(budgets.tx, idempotent, tenantId, async () => {
        const { holder: _holder, ...rest } = await this.put(budgets, principal, request);
        return { body: { budget: rest }, kept: { budget: rest } };
      }),
    );
    const { budget, ...rest } = body as { readonly budget: Omit<BudgetView, 'holder'> };
    return { body: { ...rest, budget: { ...budget, holder: holderAsked(request.holder) } }, replayed };
  }

  /**
   * Open calls that it admitted settle into the ledger alone.
   *
   * @throws Fault not_found; conflict: it is the last bound of a gateway that lets everybody call
   */
  async delete(principal: BudgetsPrincipal, { budgetId }: DeleteBudgetRequest): Promise<void> {
    await this.repository.change(principal.tenantId, async (budgets) => {
      const deleted = UUID.test(budgetId) ? await this.repository.delete(budgets, budgetId) : null;
      if (deleted === null) throw new Fault('not_found', 'No budget has this id. List them with /api/v1/budgets/list.');
      if (await this.repository.isBoundless(budgets, deleted.holder)) throw lastBound();
      await this.publish(budgets, principal, 'budget.deleted', budgetId, deleted.holder, {
        holder: deleted.holder,
        type: deleted.type,
        period: deleted.period,
      });
    });
  }

  private async put(
    budgets: TenantBudgets,
    principal: BudgetsPrincipal,
    request: SetBudgetRequest,
  ): Promise<BudgetView> {
    const { type, period, models, limit, raise, alertAtPercent } = request;
    const holder = await this.makeHolder(budgets, principal, request.holder);
    const timeZone = period === 'NONE' || request.timeZone === '' ? 'UTC' : request.timeZone;
    const id = await this.repository.set(budgets, {
      holder,
      type,
      period,
      timeZone,
      models,
      amount: limit * MICROS,
      raiseBy: (raise?.by ?? 0n) * MICROS,
      raiseUntil: raise?.until ?? null,
      alertAt: alertAtPercent ?? null,
    });
    await this.publish(budgets, principal, 'budget.set', id, holder, {
      holder,
      type,
      period,
      timeZone,
      models,
      limit: String(limit),
      ...(raise === undefined ? {} : { raise: raiseText(request) }),
    });
    return viewBudget(await this.repository.get(budgets, id));
  }

  /** The holder, as the database names it. A new human is created; a key, a gateway or a token must exist. */
  private async makeHolder(
    budgets: TenantBudgets,
    principal: BudgetsPrincipal,
    holder: HolderRequest,
  ): Promise<string> {
    if (holder.human !== '') {
      const keyId = principal.kind === 'secretKey' ? principal.keyId : null;
      return `human:${await this.repository.ensureHuman(budgets, holder.human, keyId)}`;
    }
    if (holder.keyId !== '' && !(await this.repository.hasKey(budgets, holder.keyId)))
      throw new Fault('not_found', 'No API key has this id. List them with /api/v1/api-keys/list.');
    const { gatewayId, gatewayTokenId } = holder;
    if ((gatewayId !== '' || gatewayTokenId !== '') && !(await this.repository.hasHolder(budgets, nameOf(holder))))
      throw new Fault(
        'not_found',
        gatewayId === ''
          ? 'No token of the gateway has this id. List them with GET /api/v1/gateways/{id}/tokens.'
          : 'No gateway has this id. List them with /api/v1/gateways/list.',
      );
    return nameOf(holder);
  }

  /** An unknown human has no budgets, and is not created here. */
  private async findHolder(budgets: TenantBudgets, holder: HolderRequest): Promise<string> {
    if (holder.human === '') return nameOf(holder);
    return `human:${(await this.repository.findHumanId(budgets, holder.human)) ?? ''}`;
  }

  private publish<Action extends 'budget.set' | 'budget.deleted'>(
    { tx, tenantId }: TenantBudgets,
    principal: BudgetsPrincipal,
    action: Action,
    id: string,
    holder: string,
    details: AuditDetails<Action>,
  ): Promise<void> {
    return this.events.publish(tx, {
      action,
      actor: auditActor(principal),
      tenantId,
      resource: { type: 'budget', id },
      ...(holder.startsWith(HUMAN_PREFIX) ? { humanId: holder.slice(HUMAN_PREFIX.length) } : {}),
      details,
    });
  }
}

function nameOf({ keyId, gatewayId, gatewayTokenId }: HolderRequest): string {
  if (keyId !== '') return `key:${keyId}`;
  if (gatewayId !== '') return `gateway:${gatewayId}`;
  return gatewayTokenId === '' ? 'tenant' : `gateway_token:${gatewayTokenId}`;
}

function lastBound(): Fault {
  return new Fault(
    'conflict',
    'This is the last limit of a gateway with `authenticated: false`. Set another limit first, or set `authenticated: true` with /api/v1/gateways/update.',
  );
}

/** The holder's named fields, for an answer. */
function holderAsked(holder: HolderRequest): BudgetView['holder'] {
  return Object.fromEntries(Object.entries(holder).filter(([, value]) => Boolean(value)));
}

function raiseText({ raise }: SetBudgetRequest): { readonly by: string; readonly until: string } | null {
  return raise === undefined ? null : { by: String(raise.by), until: raise.until.toISOString() };
}
