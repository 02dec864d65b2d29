import { Injectable } from '@nestjs/common';
import { Database, type TenantTransaction } from '../../platform/database/index.js';
import type { Cursor } from '../../platform/http/index.js';
import type { LimitType } from './usage-limits.js';
import type { Period } from './budgets.dto.js';

/** Amounts are in millionths of the type's unit, as the database keeps them. */
export interface BudgetRecord {
  readonly id: string;
  /** `tenant`, or the holder's kind, a colon and its id. */
  readonly holder: string;
  /** Set for a human's budget. */
  readonly human: string | null;
  readonly type: LimitType;
  readonly period: Period;
  readonly timeZone: string;
  readonly models: readonly string[] | null;
  readonly amount: bigint;
  readonly raiseBy: bigint;
  /** Null: no raise is in force. */
  readonly raiseUntil: Date | null;
  readonly alertAt: readonly number[];
  /** Of the current period, like `held` and `resetsAt`, even if no call has renewed the budget yet. */
  readonly used: bigint;
  readonly held: bigint;
  readonly resetsAt: Date | null;
  readonly createdAt: Date;
}

export interface BudgetFilter {
  readonly holder: string | null;
  readonly type: string | null;
  readonly period: string | null;
}

export interface NewBudget {
  readonly holder: string;
  readonly type: string;
  readonly period: Period;
  readonly timeZone: string;
  readonly models: readonly string[];
  readonly amount: bigint;
  readonly raiseBy: bigint;
  readonly raiseUntil: Date | null;
  /** Null: unchanged, or the default. */
  readonly alertAt: readonly number[] | null;
}

/** A transaction that sees one tenant's budgets. */
export interface TenantBudgets {
  readonly tx: TenantTransaction;
  readonly tenantId: string;
}

const SELECT = `
  SELECT b.id, b.holder, h.human, b.type, b.period, b.time_zone AS "timeZone", b.models, b.amount, b.raise_by AS "raiseBy",
         CASE WHEN b.raise_until > now THEN b.raise_until END AS "raiseUntil", b.alert_at AS "alertAt",
         CASE WHEN b.ends_at > now THEN b.used ELSE 0 END AS used, CASE WHEN b.ends_at > now THEN b.held ELSE 0 END AS held,
         nullif(CASE WHEN b.ends_at > now THEN b.ends_at
                     ELSE period_end(b.period, b.time_zone, period_start(b.period, b.time_zone, now)) END, 'infinity') AS "resetsAt",
         b.created_at AS "createdAt"
  FROM budgets b LEFT JOIN humans h ON h.tenant_id = b.tenant_id AND h.id = b.human_id, ledger_now() AS now`;

/** Budgets of one tenant. Each method names the tenant; Postgres' policies protect against one that forgets. */
@Injectable()
export class BudgetsRepository {
  constructor(private readonly database: Database) {}

  read<T>(tenantId: string, work: (budgets: TenantBudgets) => Promise<T>): Promise<T> {
    return this.database.withTenant(tenantId, (tx) => work({ tx, tenantId }));
  }

  /** For writes: holds the tenant against deletion until the transaction ends. */
  change<T>(tenantId: string, work: (budgets: TenantBudgets) => Promise<T>): Promise<T> {
    return this.database.changeTenant(tenantId, (tx) => work({ tx, tenantId }));
  }

  list(
    { tx, tenantId }: TenantBudgets,
    { holder, type, period }: BudgetFilter,
    after: Cursor | null,
    take: number,
  ): Promise<BudgetRecord[]> {
    return tx.$queryRawUnsafe<BudgetRecord[]>(
      `${SELECT}
       WHERE b.tenant_id = $1 AND b.created_at > '-infinity' AND (b.created_at, b.id) < ($2::timestamptz, $3::uuid)
         AND ($4::text IS NULL OR b.holder = $4) AND ($5::text IS NULL OR b.type = $5) AND ($6::text IS NULL OR b.period = $6)
       ORDER BY b.created_at DESC, b.id DESC LIMIT $7::integer`,
      tenantId,
      after?.createdAt.toISOString() ?? 'infinity',
      after?.id ?? 'ffffffff-ffff-ffff-ffff-ffffffffffff',
      holder,
      type,
      period,
      take,
    );
  }

  async get({ tx, tenantId }: TenantBudgets, id: string): Promise<BudgetRecord> {
    const [found] = await tx.$queryRawUnsafe<BudgetRecord[]>(
      `${SELECT} WHERE b.tenant_id = $1 AND b.id = $2::uuid`,
      tenantId,
      id,
    );
    if (found === undefined) throw new TypeError('A budget was written and is not there.');
    return found;
  }

  /** @returns the budget's id */
  async set({ tx }: TenantBudgets, budget: NewBudget): Promise<string> {
    const [set] = await tx.$queryRawUnsafe<{ id: string }[]>(
      'SELECT set_budget($1, $2, $3, $4, $5::text[], $6::bigint, $7::bigint, $8::timestamptz, $9::smallint[]) AS id',
      budget.holder,
      budget.type,
      budget.period,
      budget.timeZone,
      budget.models.length === 0 ? null : [...budget.models],
      budget.amount,
      budget.raiseBy,
      budget.raiseUntil,
      budget.alertAt === null ? null : [...budget.alertAt],
    );
    if (set === undefined) throw new TypeError('set_budget gave no row.');
    return set.id;
  }

  /** @returns the deleted budget's holder and type; null: no such budget */
  async delete(
    { tx, tenantId }: TenantBudgets,
    id: string,
  ): Promise<Pick<BudgetRecord, 'holder' | 'type' | 'period'> | null> {
    const [deleted] = await tx.$queryRawUnsafe<Pick<BudgetRecord, 'holder' | 'type' | 'period'>[]>(
      'DELETE FROM budgets WHERE tenant_id = $1 AND id = $2::uuid RETURNING holder, type, period',
      tenantId,
      id,
    );
    return deleted ?? null;
  }

  /** Budgets of all models by the minute, hour, day or month of UTC, in the order of their types, the shortest period first. */
  listPlain({ tx, tenantId }: TenantBudgets, holders: readonly string[]): Promise<BudgetRecord[]> {
    return tx.$queryRawUnsafe<BudgetRecord[]>(
      `${SELECT}
       WHERE b.tenant_id = $1 AND b.holder = ANY ($2) AND b.models IS NULL AND b.time_zone = 'UTC'
         AND b.period IN ('MINUTE', 'HOUR', 'DAY', 'MONTH')
       ORDER BY b.type, b.ends_at - b.starts_at, b.id`,
      tenantId,
      [...holders],
    );
  }

  /** Locks all budgets of these holders, in the order in which every call locks them, before more than one is changed. */
  async lockOf({ tx, tenantId }: TenantBudgets, holders: readonly string[]): Promise<void> {
    await tx.$executeRawUnsafe(
      'SELECT 1 FROM budgets WHERE tenant_id = $1 AND holder = ANY ($2) ORDER BY id FOR UPDATE',
      tenantId,
      [...holders],
    );
  }

  /** Deletes all budgets of these holders. */
  async deleteOf(budgets: TenantBudgets, holders: readonly string[]): Promise<void> {
    const { tx, tenantId } = budgets;
    await this.lockOf(budgets, holders);
    await tx.$executeRawUnsafe('DELETE FROM budgets WHERE tenant_id = $1 AND holder = ANY ($2)', tenantId, [
      ...holders,
    ]);
  }

  /** Whether a gateway, or a token of one, is the tenant's; holds it until the transaction ends. */
  async hasHolder({ tx }: TenantBudgets, holder: string): Promise<boolean> {
    const [found] = await tx.$queryRawUnsafe<{ has: boolean }[]>('SELECT has_budget_holder($1) AS has', holder);
    return found?.has === true;
  }

  /** Whether this is a gateway without authentication that no budget bounds any more. */
  async isBoundless({ tx }: TenantBudgets, holder: string): Promise<boolean> {
    const [found] = await tx.$queryRawUnsafe<{ is: boolean }[]>('SELECT is_gateway_boundless($1) AS is', holder);
    return found?.is === true;
  }

  /** Whether the tenant has this key; holds it until the transaction ends. */
  async hasKey({ tx, tenantId }: TenantBudgets, keyId: string): Promise<boolean> {
    const found = await tx.$queryRawUnsafe<unknown[]>(
      'SELECT 1 FROM api_keys WHERE tenant_id = $1 AND id = $2 FOR KEY SHARE',
      tenantId,
      keyId,
    );
    return found.length > 0;
  }

  /** Null: the human is unknown. */
  async findHumanId({ tx, tenantId }: TenantBudgets, human: string): Promise<string | null> {
    const [found] = await tx.$queryRawUnsafe<{ id: string }[]>(
      'SELECT id FROM humans WHERE tenant_id = $1 AND human = $2',
      tenantId,
      human,
    );
    return found?.id ?? null;
  }

  /** The human's id; a new human is created, with the default limits. Holds the row until the transaction ends. */
  async ensureHuman({ tx }: TenantBudgets, human: string, keyId: string | null): Promise<string> {
    const [ensured] = await tx.$queryRawUnsafe<{ id: string }[]>('SELECT ensure_human($1, $2) AS id', human, keyId);
    if (ensured === undefined) throw new TypeError('ensure_human gave no row.');
    return ensured.id;
  }
}
