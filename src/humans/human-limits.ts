import { Injectable } from '@nestjs/common';
import { auditActor, type Principal } from '../identity/index.js';
import type { TenantTransaction } from '../platform/database/index.js';
import { Events } from '../platform/events/index.js';
import { LIMIT_TYPES, type LimitType, type StoredLimit } from '../limits/index.js';

/** A limit to be set; `microUnits` null removes it. */
export interface LimitChange {
  readonly type: LimitType;
  readonly microUnits: string | null;
}

interface HumanRow extends Readonly<Record<LimitType, bigint | null>> {
  readonly id: string;
}

const READ = `SELECT id, ${LIMIT_TYPES.join(', ')} FROM humans WHERE tenant_id = $1 AND human = $2`;

/** A tenant's humans as far as others need them: that they exist, and what they may use. */
@Injectable()
export class HumanLimits {
  constructor(private readonly events: Events) {}

  /**
   * The human's id; one who is mentioned for the first time comes to exist, with the default limits of the key or the tenant.
   * Until the transaction ends nobody erases them.
   *
   * @param tx of `Database.changeTenant`
   */
  async ensure(tx: TenantTransaction, tenantId: string, human: string, keyId: string | null): Promise<string> {
    // Again where the human was erased between the two statements.
    for (;;) {
      const [found] = await tx.$queryRawUnsafe<{ id: string }[]>(
        'SELECT id FROM humans WHERE tenant_id = $1 AND human = $2 FOR KEY SHARE',
        tenantId,
        human,
      );
      if (found !== undefined) return found.id;
      await tx.$executeRawUnsafe('SELECT add_humans(ARRAY[$1], ARRAY[$2], ARRAY[$3])', tenantId, human, keyId);
    }
  }

  /**
   * Sets the limits that are named, absolutely, and leaves the others. What open calls reserved of them before is void: they
   * settle into the ledger alone.
   *
   * @param tx of `Database.changeTenant`
   */
  async set(
    tx: TenantTransaction,
    principal: Exclude<Principal, { readonly kind: 'account' }>,
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

  /** What is left, of each type that is limited, at least 0; null: nobody mentioned this human yet. */
  async find(tx: TenantTransaction, tenantId: string, human: string): Promise<readonly StoredLimit[] | null> {
    const [row] = await tx.$queryRawUnsafe<HumanRow[]>(READ, tenantId, human);
    return row === undefined ? null : remainingOf(row);
  }
}

/** What is left, of each type that is limited. Where the truth exceeded what was reserved, nothing is. */
export function remainingOf(row: Readonly<Record<LimitType, bigint | null>>): readonly StoredLimit[] {
  return LIMIT_TYPES.flatMap((type) => {
    const left = row[type];
    return left === null ? [] : [{ type, microUnits: (left < 0n ? 0n : left).toString() }];
  });
}
