import { Injectable } from '@nestjs/common';
import { auditActor } from '../identity/index.js';
import { HolderBudgets } from '../limits/index.js';
import { PepperRing, randomBase62 } from '../platform/crypto/index.js';
import { Fault, invalidField } from '../platform/errors/index.js';
import { Events, type AuditDetails } from '../platform/events/index.js';
import { Revocations } from '../platform/database/index.js';
import type { GatewayManager } from './gateway-access.js';
import { newGatewayToken } from './gateway-token.format.js';
import { GatewayTokensRepository, type TokenRecord } from './gateway-tokens.repository.js';
import type { TenantGateways } from './gateways.repository.js';
import { budgetsOf, holderOfToken, type RateLimit } from './rate-limit.js';

const MAX_TOKENS = 500;

export interface IssuedToken {
  readonly record: TokenRecord;
  /** Shown only once, to the caller who asked for it. */
  readonly token: string;
}

/** Makes tokens of gateways, within the caller's transaction. */
@Injectable()
export class GatewayTokens {
  constructor(
    private readonly repository: GatewayTokensRepository,
    private readonly budgets: HolderBudgets,
    private readonly peppers: PepperRing,
    private readonly revocations: Revocations,
    private readonly events: Events,
  ) {}

  /** @throws Fault invalid_input; already_exists: a live token has the name; conflict: there are too many */
  async issue(
    own: TenantGateways,
    principal: GatewayManager,
    gatewayId: string,
    { name, expiresAt, rateLimit }: { name: string; expiresAt: Date | null; rateLimit: RateLimit },
  ): Promise<IssuedToken> {
    if ((await this.repository.countAlone(own, gatewayId)) >= MAX_TOKENS)
      throw new Fault('conflict', `A gateway has at most ${MAX_TOKENS} tokens; delete one that you do not use.`);
    this.assertFuture(expiresAt);
    await this.assertFree(own, gatewayId, name);
    const id = `gateway_token_${randomBase62(20)}`;
    const token = newGatewayToken();
    const actor = auditActor(principal);
    await this.repository.create(own, gatewayId, {
      ...{ id, name, expiresAt, createdBy: actor.id },
      hash: this.peppers.current(token),
    });
    await this.budgets.setPlain(own, holderOfToken(id), budgetsOf(rateLimit));
    await this.publish(own, principal, 'created', id, { gatewayId, name });
    return { record: await this.getIn(own, gatewayId, id), token };
  }

  /** Of a gateway that goes. */
  idsOf(own: TenantGateways, gatewayId: string): Promise<string[]> {
    return this.repository.idsOf(own, gatewayId);
  }

  /** @throws Fault not_found */
  async getIn(own: TenantGateways, gatewayId: string, id: string): Promise<TokenRecord> {
    const found = await this.repository.find(own, gatewayId, id);
    if (found === null) throw noSuchToken();
    return found;
  }

  /** @throws Fault invalid_input */
  assertFuture(expiresAt: Date | null | undefined): void {
    if (expiresAt && expiresAt <= this.now()) throw invalidField('expiresAt', 'must be in the future');
  }

  /** @throws Fault already_exists */
  async assertFree(own: TenantGateways, gatewayId: string, name: string): Promise<void> {
    if (!(await this.repository.isNamed(own, gatewayId, name, this.now()))) return;
    const reason = 'is already the name of another token of the gateway';
    throw new Fault('already_exists', `name: ${reason}`, { fields: [{ field: 'name', reason }] });
  }

  /** The database's now, by which expiry is judged. */
  now(): Date {
    return new Date(this.revocations.databaseNow());
  }

  publish<What extends 'created' | 'updated' | 'deleted'>(
    { tx, tenantId }: TenantGateways,
    principal: GatewayManager,
    what: What,
    id: string,
    details: AuditDetails<`gateway_token.${What}`>,
  ): Promise<void> {
    return this.events.publish(tx, {
      action: `gateway_token.${what}`,
      actor: auditActor(principal),
      tenantId,
      resource: { type: 'gateway_token', id },
      details,
    });
  }
}

/** The same words for an unknown token, another gateway's and another tenant's. */
export function noSuchToken(): Fault {
  return new Fault(
    'not_found',
    'No token of the gateway has this id. List them with GET /api/v1/gateways/{id}/tokens.',
  );
}
