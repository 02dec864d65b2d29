import { Injectable } from '@nestjs/common';
import type { Principal } from '../../identity/index.js';
import { Allowances } from '../../limits/index.js';
import { uuidV7 } from '../../platform/crypto/index.js';
import { Database, type NamedStatement } from '../../platform/database/index.js';
import { Fault } from '../../platform/errors/index.js';
import { UsageLedger } from './usage-ledger.js';
import type { Reservation } from './usage.types.js';

/**
 * Whether one of the caller's budgets for all models has less left than the smallest call takes: one whole request, one whole
 * token, any cost. A period that is over counts as renewed, even if no call has renewed the budget yet.
 */
const IS_EXHAUSTED: NamedStatement = {
  name: 'is_exhausted',
  text: `(
  SELECT EXISTS (
    SELECT FROM budgets b, ledger_now() AS now
    WHERE b.tenant_id = tenant.id
      AND b.holder = ANY ($2::text[] ||
        ARRAY(SELECT 'human:' || h.id FROM humans h WHERE h.tenant_id = tenant.id AND h.human = $3))
      AND b.is_metered AND b.models IS NULL
      AND b.amount + CASE WHEN b.raise_until > now THEN b.raise_by ELSE 0 END - CASE WHEN b.ends_at > now THEN b.used ELSE 0 END
        < CASE b.type WHEN 'cost_micros' THEN 1 ELSE 1000000 END) AS "isExhausted")`,
};

/** Who is charged for a call, as far as that is known before its body is read. */
type Charged = Pick<Reservation, 'tenantId' | 'keyId' | 'human' | 'gatewayId' | 'gatewayTokenId'>;

/**
 * What a caller may still use, by the budgets that judge each of its calls. Room that open calls hold counts as free. The
 * ledger itself refuses, for the smallest possible call, so that the refusal is counted, sent to the tenant's webhooks once,
 * and worded like every other.
 */
@Injectable()
export class CallerAllowances extends Allowances {
  constructor(
    private readonly database: Database,
    private readonly ledger: UsageLedger,
  ) {
    super();
  }

  async assertSomethingLeft(principal: Principal, requestId: string): Promise<void> {
    const charged = chargedFor(principal);
    if (charged === null || !(await this.isExhausted(charged))) return;
    await this.ledger.refuseIfExhausted({
      ...charged,
      id: uuidV7(),
      userId: null,
      sealedTokenHash: null,
      // No call is made, so no impersonation is recorded.
      impersonated: null,
      requestId,
      operation: 'chat',
      route: null,
      attempt: 1,
      provider: '',
      model: '',
      streamed: false,
      reservedInputTokens: 0,
      reservedOutputTokens: 1,
      defaultOutput: null,
      closer: null,
      choices: 1,
      boundless: null,
      price: { inputPicoUsd: 0n, outputPicoUsd: 0n },
    });
  }

  /** False if the tenant's queries have no room: then the ledger's admission judges alone. */
  private async isExhausted({ tenantId, keyId, human, gatewayId, gatewayTokenId }: Charged): Promise<boolean> {
    const holders = [
      'tenant',
      ...(keyId === null ? [] : [`key:${keyId}`]),
      ...(gatewayId === null ? [] : [`gateway:${gatewayId}`]),
      ...(gatewayTokenId === null ? [] : [`gateway_token:${gatewayTokenId}`]),
    ];
    try {
      const [row] = await this.database.callInTenant<{ isExhausted: boolean }>(tenantId, IS_EXHAUSTED, [
        holders,
        human,
      ]);
      return row?.isExhausted === true;
    } catch (error) {
      if (error instanceof Fault && error.code === 'concurrency_limit_exceeded') return false;
      throw error;
    }
  }
}

/** Null: no budget judges this caller. */
function chargedFor(principal: Principal): Charged | null {
  const noHolder = { keyId: null, human: null, gatewayId: null, gatewayTokenId: null };
  switch (principal.kind) {
    case 'gatewayToken': {
      const { tenantId, gatewayId, tokenId } = principal;
      return { ...noHolder, tenantId, gatewayId, gatewayTokenId: tokenId };
    }
    case 'anonymous': {
      const { tenantId, gatewayId } = principal;
      return gatewayId === null ? null : { ...noHolder, tenantId, gatewayId };
    }
    case 'secretKey':
    case 'impersonation':
    case 'endUser':
    case 'usageToken': {
      const { tenantId, keyId, human } = principal;
      return { ...noHolder, tenantId, keyId, human };
    }
    case 'sealedToken':
      return { ...noHolder, tenantId: principal.tenantId, keyId: principal.keyId };
    case 'dashboardUser':
      return { ...noHolder, tenantId: principal.tenantId };
    case 'account':
      return null;
    default:
      return principal satisfies never;
  }
}
