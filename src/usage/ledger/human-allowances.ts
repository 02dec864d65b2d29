import { Injectable } from '@nestjs/common';
import { HumanLimits } from '../../humans/index.js';
import { chargedHuman, type Principal } from '../../identity/index.js';
import { Allowances, type LimitType, type StoredLimit } from '../../limits/index.js';
import { uuidV7 } from '../../platform/crypto/index.js';
import { Database } from '../../platform/database/index.js';
import { UsageLedger } from './usage-ledger.js';

/** With less of it no call is ever admitted: one whole request, one whole token, any cost at all. */
const LEAST: Partial<Record<LimitType, bigint>> = { request_cnt: 1_000_000n, token_cnt: 1_000_000n, cost_micros: 1n };

/**
 * What a human may still use, by its limits as they stand. Room that open calls hold is not gone, and is not counted here.
 *
 * The refusal itself is the ledger's, of the least call that there could be: so it is counted, told to the tenant's
 * webhooks once, and worded as every other one.
 */
@Injectable()
export class HumanAllowances extends Allowances {
  constructor(
    private readonly database: Database,
    private readonly limits: HumanLimits,
    private readonly ledger: UsageLedger,
  ) {
    super();
  }

  async assertSomethingLeft(principal: Principal, requestId: string): Promise<void> {
    const human = chargedHuman(principal);
    if (human === null || principal.kind === 'account') return;
    const { tenantId } = principal;
    const left = await this.database.withTenant(tenantId, (tx) => this.limits.find(tx, tenantId, human));
    if (left === null || !left.some(isTooLittle)) return;
    await this.ledger.refuseIfExhausted({
      id: uuidV7(),
      tenantId,
      keyId: 'keyId' in principal ? principal.keyId : null,
      userId: 'userId' in principal ? principal.userId : null,
      human,
      impersonated: null,
      requestId,
      provider: '',
      model: '',
      streamed: false,
      reservedInputTokens: 0,
      reservedOutputTokens: 1,
      choices: 1,
      boundless: null,
      price: { inputPicoUsd: 0n, outputPicoUsd: 0n },
    });
  }
}

function isTooLittle({ type, microUnits }: StoredLimit): boolean {
  const least = LEAST[type];
  return least !== undefined && BigInt(microUnits) < least;
}
