import { Injectable } from '@nestjs/common';
import {
  auditActor,
  refusedCredential,
  type SecretKeyPrincipal,
  type UsageTokenPrincipal,
} from '../../identity/index.js';
import { HumanLimits } from '../../humans/index.js';
import type { TenantTransaction } from '../../platform/database/index.js';
import { Fault, invalidField } from '../../platform/errors/index.js';
import { Events, type AuditDetails } from '../../platform/events/index.js';
import { IdempotencyKeys, type IdempotentAnswer } from '../../platform/idempotency/index.js';
import { UsageLedger } from '../ledger/usage-ledger.js';
import { UsageTokenJwt, newUsageTokenId } from './usage-token.jwt.js';
import type { CreateUsageTokenRequest, HumanRequest, SetLimitsRequest, UpdateTtlRequest } from './usage-tokens.dto.js';
import { UsageTokensRepository } from './usage-tokens.repository.js';

/**
 * Usage tokens and their humans' limits, as a tenant's server manages them. A change of "the token" of a human changes all live
 * tokens of that human in the tenant, whichever key made them.
 */
@Injectable()
export class UsageTokensService {
  constructor(
    private readonly repository: UsageTokensRepository,
    private readonly humanLimits: HumanLimits,
    private readonly ledger: UsageLedger,
    private readonly jwt: UsageTokenJwt,
    private readonly events: Events,
    private readonly idempotency: IdempotencyKeys,
  ) {}

  /**
   * Makes a token. A new human is created and gets the named limits: all or nothing, and once for each Idempotency-Key. The
   * copy for a repeat lacks the token.
   *
   * @throws Fault invalid_input; unauthenticated, permission_denied: the key lost the right; conflict: the Idempotency-Key
   *   was used for another request
   */
  create(
    principal: SecretKeyPrincipal,
    request: CreateUsageTokenRequest,
    idempotencyKey: string | null,
  ): Promise<IdempotentAnswer> {
    const { human, limits, ttlSeconds } = request;
    const { tenantId, keyId } = principal;
    const owner = `tenant:${tenantId}:key:${keyId}`;
    const idempotent = this.idempotency.request(owner, idempotencyKey, 'usage/token', request);
    return this.change(principal, human, (tx) =>
      this.idempotency.once(tx, idempotent, tenantId, async () => {
        const humanId = await this.humanLimits.ensure(tx, human, keyId);
        await this.humanLimits.set(tx, principal, humanId, limits);
        const id = newUsageTokenId();
        const createdAt = await this.repository.create(tx, tenantId, { id, keyId, humanId, ttlSeconds });
        await this.events.publish(tx, {
          action: 'usage_token.created',
          actor: auditActor(principal),
          tenantId,
          resource: { type: 'usage_token', id },
          humanId,
          details: { ttlSeconds },
        });
        return { body: { token: this.jwt.write(id, createdAt) }, kept: {} };
      }),
    );
  }

  /** @throws Fault as `create` */
  setLimits(principal: SecretKeyPrincipal, { human, limits }: SetLimitsRequest): Promise<void> {
    return this.change(principal, human, async (tx) => {
      const humanId = await this.humanLimits.ensure(tx, human, principal.keyId);
      await this.humanLimits.set(tx, principal, humanId, limits);
    });
  }

  /**
   * What is left of each limited type to the human whom the caller names or is, as stored. An unknown human gets the default
   * limits, and is not created.
   *
   * @throws Fault invalid_input: no human is named
   */
  async limitsLeft({ tenantId, human }: SecretKeyPrincipal | UsageTokenPrincipal): Promise<unknown> {
    if (human === null) throw invalidField('x-human-id', 'is required');
    await this.ledger.settledOf(tenantId, human);
    return this.repository.read(
      tenantId,
      async (tx) =>
        (await this.humanLimits.find(tx, tenantId, human)) ?? (await this.repository.defaultLimits(tx, tenantId)),
    );
  }

  /** @throws Fault invalid_input, not_found */
  async secondsLeft(principal: SecretKeyPrincipal, { human }: HumanRequest): Promise<number> {
    assertSameHuman(principal, human);
    const { tenantId } = principal;
    const seconds = await this.repository.read(tenantId, (tx) => this.repository.secondsLeft(tx, tenantId, human));
    return seconds ?? notFound();
  }

  /** A second revocation succeeds too. @throws Fault as `create` */
  revoke(principal: SecretKeyPrincipal, { human }: HumanRequest): Promise<void> {
    return this.change(principal, human, async (tx) => {
      const revoked = await this.repository.revoke(tx, principal.tenantId, human);
      if (revoked !== null) {
        const { humanId, count: tokens } = revoked;
        await this.publish(tx, principal, 'usage_token.revoked', humanId, { tokens });
      }
    });
  }

  /** @throws Fault as `create`; not_found: no token is live */
  updateTtl(principal: SecretKeyPrincipal, { human, ttlSeconds }: UpdateTtlRequest): Promise<void> {
    return this.change(principal, human, async (tx) => {
      const changed = await this.repository.setTtl(tx, principal.tenantId, human, ttlSeconds);
      const { humanId, count: tokens } = changed ?? notFound();
      await this.publish(tx, principal, 'usage_token.updated', humanId, { ttlSeconds, tokens });
    });
  }

  /** Judges by the key's current row, and holds it until all is written: a revoked key can't change anything. */
  private change<T>(
    principal: SecretKeyPrincipal,
    human: string,
    work: (tx: TenantTransaction) => Promise<T>,
  ): Promise<T> {
    assertSameHuman(principal, human);
    return this.repository.change(principal.tenantId, async (tx) => {
      const scopes = await this.repository.lockKey(tx, principal.tenantId, principal.keyId);
      if (scopes === null) throw refusedCredential('gone_meanwhile');
      if (!scopes.includes('usage:write'))
        throw new Fault(
          'permission_denied',
          'The key lacks the scope usage:write. Add it with /api/v1/api-keys/update.',
        );
      return work(tx);
    });
  }

  private publish<Action extends 'usage_token.updated' | 'usage_token.revoked'>(
    tx: TenantTransaction,
    principal: SecretKeyPrincipal,
    action: Action,
    humanId: string,
    details: AuditDetails<Action>,
  ): Promise<void> {
    return this.events.publish(tx, {
      action,
      actor: auditActor(principal),
      tenantId: principal.tenantId,
      resource: { type: 'human', id: humanId },
      humanId,
      details,
    });
  }
}

/** A header and a body with different humans are refused, never reconciled. */
function assertSameHuman(principal: SecretKeyPrincipal, human: string): void {
  if (principal.human !== null && principal.human !== human)
    throw invalidField('x-human-id', 'must be the human of the body');
}

/** An unknown human and another tenant's get the same words. */
function notFound(): never {
  throw new Fault('not_found', 'Token not found');
}
