import { Injectable } from '@nestjs/common';
import { auditActor, auditSubject, type DashboardUserPrincipal, type SecretKeyPrincipal } from '../identity/index.js';
import { Fault } from '../platform/errors/index.js';
import { Events } from '../platform/events/index.js';
import { PageTokens, newestFirst, type Page } from '../platform/http/index.js';
import { IdempotencyKeys, type IdempotentAnswer } from '../platform/idempotency/index.js';
import { HumanLimits, type LimitChange } from './human-limits.js';
import type { HumanRequest, ListHumansRequest, UpsertHumanRequest } from './humans.dto.js';
import { HumansRepository, type HumanRecord, type TenantHumans } from './humans.repository.js';
import { viewHuman } from './humans.view.js';

/** Who may look after a tenant's humans: its people and its servers. */
export type HumansPrincipal = DashboardUserPrincipal | SecretKeyPrincipal;

/** A tenant's end users: looked at, made known with limits of their own, and erased. */
@Injectable()
export class HumansService {
  constructor(
    private readonly repository: HumansRepository,
    private readonly limits: HumanLimits,
    private readonly events: Events,
    private readonly idempotency: IdempotencyKeys,
    private readonly pageTokens: PageTokens,
  ) {}

  /** @throws Fault invalid_input: a page token that is not ours, or another tenant's */
  list({ tenantId }: HumansPrincipal, { search, ...page }: ListHumansRequest): Promise<Page<HumanRecord>> {
    return newestFirst(
      this.pageTokens,
      `humans/list:${tenantId}:${JSON.stringify(search)}`,
      page,
      (record) => record,
      (after, take) =>
        this.repository.transaction(tenantId, (humans) => this.repository.list(humans, search, after, take)),
    );
  }

  /** @throws Fault not_found */
  get({ tenantId }: HumansPrincipal, { human }: HumanRequest): Promise<HumanRecord> {
    return this.repository.transaction(
      tenantId,
      async (humans) => (await this.repository.find(humans, human)) ?? notFound(),
    );
  }

  /**
   * Makes a human known who is not yet, with the tenant's default limits, and sets the limits that are named. What is kept
   * for a repeat does not say who it is: the repeat does, and an erasure leaves nothing behind there.
   *
   * @throws Fault conflict: the Idempotency-Key was used for another request
   */
  async upsert(
    principal: HumansPrincipal,
    request: UpsertHumanRequest,
    idempotencyKey: string | null,
  ): Promise<IdempotentAnswer> {
    const { tenantId } = principal;
    const { human } = request;
    const owner = `tenant:${tenantId}:${auditSubject(principal)}`;
    const idempotent = this.idempotency.request(owner, idempotencyKey, 'humans/upsert', request);
    const { body, replayed } = await this.repository.change(tenantId, (humans) =>
      this.idempotency.once(humans.tx, idempotent, tenantId, async () => {
        const { createdAt, limits } = viewHuman(await this.put(humans, principal, request));
        return { body: { human: { createdAt, limits } }, kept: { human: { createdAt, limits } } };
      }),
    );
    const { human: nameless, ...rest } = body as { readonly human: object };
    return { body: { ...rest, human: { human, ...nameless } }, replayed };
  }

  /**
   * Erases a human: tokens, limits, and the one row that leads from the id in the ledger and the log back to a name. Open
   * calls go on and settle into the ledger; the same name later is a new human, with the default limits.
   * @throws Fault not_found
   */
  async delete(principal: HumansPrincipal, { human }: HumanRequest): Promise<void> {
    await this.repository.change(principal.tenantId, async (humans) => {
      const id = (await this.repository.delete(humans, human)) ?? notFound();
      await this.publish(humans, principal, 'human.deleted', id);
    });
  }

  private async put(
    humans: TenantHumans,
    principal: HumansPrincipal,
    { human, limits, removeLimits }: UpsertHumanRequest,
  ): Promise<HumanRecord> {
    const { tx } = humans;
    const keyId = principal.kind === 'secretKey' ? principal.keyId : null;
    const changes: LimitChange[] = [...limits, ...removeLimits.map((type) => ({ type, microUnits: null }))];
    // Again where the human was erased between the statements.
    for (;;) {
      await this.limits.ensure(tx, human, keyId);
      const record = await this.repository.find(humans, human);
      if (record === null) continue;
      if (record.isNew) await this.publish(humans, principal, 'human.created', record.id);
      if (changes.length === 0) return record;
      await this.limits.set(tx, principal, record.id, changes);
      const changed = await this.repository.find(humans, human);
      if (changed !== null) return changed;
    }
  }

  private publish(
    { tx, tenantId }: TenantHumans,
    principal: HumansPrincipal,
    action: 'human.created' | 'human.deleted',
    id: string,
  ): Promise<void> {
    return this.events.publish(tx, {
      action,
      actor: auditActor(principal),
      tenantId,
      resource: { type: 'human', id },
      humanId: id,
      details: {},
    });
  }
}

/** The same words for an unknown human and another tenant's. */
function notFound(): never {
  throw new Fault(
    'not_found',
    'No human has this name. List them with /api/v1/humans/list, or create one with /api/v1/humans/upsert.',
  );
}
