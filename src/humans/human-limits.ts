import { Injectable } from '@nestjs/common';
import { auditActor, type ActingPrincipal } from '../identity/index.js';
import type { TenantTransaction } from '../platform/database/index.js';
import { Events } from '../platform/events/index.js';
import { LIMIT_TYPES, type LimitType, type StoredLimit } from '../limits/index.js';

/** A limit to be set; `microUnits` null removes it. */
export interface LimitChange {
  readonly type: LimitType;
  readonly microUnits: string | null;
}

const READ = 'SELECT limits_left(tenant_id, id) AS limits FROM humans WHERE tenant_id = $1 AND human = $2';

/** A tenant's humans as far as others need them: that they exist, and what they may use. */
@Injectable()
export class HumanLimits {
  constructor(private readonly events: Events) {}

  /**
   * The human's id. A new human is created, with the default limits of the key or the tenant. Until the transaction ends the
   * human can't be erased.
   * @param tx of `Database.changeTenant`
   */
  async ensure(tx: TenantTransaction, human: string, keyId: string | null): Promise<string> {
    const [ensured] = await tx.$queryRawUnsafe<{ id: string }[]>('SELECT ensure_human($1, $2) AS id', human, keyId);
    if (ensured === undefined) throw new TypeError('ensure_human gave no row.');
    return ensured.id;
  }

  /**
   * Sets the limits that are named, absolutely, and leaves the others. What open calls reserved of them before is void: they
   * settle into the ledger alone.
   *
   * @param tx of `Database.changeTenant`
   */
  async set(
    tx: TenantTransaction,
    principal: Exclude<ActingPrincipal, { readonly kind: 'account' }>,
    humanId: string,
    changes: readonly LimitChange[],
  ): Promise<void> {
    if (changes.length === 0) return;
    await tx.$executeRawUnsafe('SELECT set_limits($1, $2::jsonb)', humanId, JSON.stringify(changes));
    await this.events.publish(tx, {
      action: 'limits.set',
      actor: auditActor(principal),
      tenantId: principal.tenantId,
      resource: { type: 'human', id: humanId },
      humanId,
      details: { limits: changes },
    });
  }

  /** What is left, of each limited type, at least 0; null: the human is not known yet. */
  async find(tx: TenantTransaction, tenantId: string, human: string): Promise<readonly StoredLimit[] | null> {
    const [row] = await tx.$queryRawUnsafe<{ limits: readonly StoredLimit[] }[]>(READ, tenantId, human);
    return row === undefined ? null : remainingOf(row.limits);
  }
}

/** What is left, of each type that is limited, in one order. Where the truth exceeded what was reserved, nothing is. */
export function remainingOf(left: readonly StoredLimit[]): readonly StoredLimit[] {
  return LIMIT_TYPES.flatMap((type) => {
    const microUnits = left.find((limit) => limit.type === type)?.microUnits;
    return microUnits === undefined ? [] : [{ type, microUnits: microUnits.startsWith('-') ? '0' : microUnits }];
  });
}
