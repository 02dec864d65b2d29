import { Injectable } from '@nestjs/common';
import { Database, literally, type TenantTransaction } from '../platform/database/index.js';
import type { Cursor } from '../platform/http/index.js';
import type { StoredLimit } from '../limits/index.js';

export interface HumanRecord {
  readonly id: string;
  readonly human: string;
  readonly createdAt: Date;
  /** Null: not since this is written down, or never. */
  readonly lastSeenAt: Date | null;
  /** What is left of each; it may be below 0. */
  readonly limits: readonly StoredLimit[];
  /** Created by the transaction that looks. */
  readonly isNew: boolean;
}

/** A transaction that sees one tenant's humans. */
export interface TenantHumans {
  readonly tx: TenantTransaction;
  readonly tenantId: string;
}

const SELECT = `SELECT id, human, created_at AS "createdAt", last_seen_at AS "lastSeenAt", limits_left(tenant_id, id) AS limits,
                       xmin = pg_current_xact_id()::xid AS "isNew" FROM humans`;

/** Humans of one tenant. Each method names the tenant, and Postgres' policies hold where one forgets. */
@Injectable()
export class HumansRepository {
  constructor(private readonly database: Database) {}

  transaction<T>(tenantId: string, work: (humans: TenantHumans) => Promise<T>): Promise<T> {
    return this.database.withTenant(tenantId, (tx) => work({ tx, tenantId }));
  }

  /** For what writes: the tenant stays until it is done. */
  change<T>(tenantId: string, work: (humans: TenantHumans) => Promise<T>): Promise<T> {
    return this.database.changeTenant(tenantId, (tx) => work({ tx, tenantId }));
  }

  async find({ tx, tenantId }: TenantHumans, human: string): Promise<HumanRecord | null> {
    const [found] = await tx.$queryRawUnsafe<HumanRecord[]>(
      `${SELECT} WHERE tenant_id = $1 AND human = $2`,
      tenantId,
      human,
    );
    return found ?? null;
  }

  list({ tx, tenantId }: TenantHumans, search: string, after: Cursor | null, take: number): Promise<HumanRecord[]> {
    return tx.$queryRawUnsafe<HumanRecord[]>(
      `${SELECT} WHERE tenant_id = $1 AND created_at > '-infinity' AND (created_at, id) < ($2::timestamptz, $3)
         AND ($5::text = '' OR human ILIKE '%' || $5 || '%')
       ORDER BY created_at DESC, id DESC LIMIT $4::integer`,
      tenantId,
      after?.createdAt.toISOString() ?? 'infinity',
      after?.id ?? '',
      take,
      literally(search),
    );
  }

  /**
   * Deletes the row, the only way back from the id, and by foreign key the budgets and the tokens. The human is locked before
   * the budgets, and these in the order in which every call locks them.
   * @returns the id that the ledger and the log keep; null: no such human
   */
  async delete({ tx, tenantId }: TenantHumans, human: string): Promise<string | null> {
    const [found] = await tx.$queryRawUnsafe<{ id: string }[]>(
      'SELECT id FROM humans WHERE tenant_id = $1 AND human = $2 FOR UPDATE',
      tenantId,
      human,
    );
    if (found === undefined) return null;
    await tx.$executeRawUnsafe(
      'SELECT 1 FROM budgets WHERE tenant_id = $1 AND holder = $2 ORDER BY id FOR UPDATE',
      tenantId,
      `human:${found.id}`,
    );
    await tx.$executeRawUnsafe('DELETE FROM humans WHERE tenant_id = $1 AND id = $2', tenantId, found.id);
    return found.id;
  }
}
