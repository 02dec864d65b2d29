/** Humans' limits in proofs: set as the service sets them, read from the database, and compared with the ledger. */
import type pg from 'pg';
import type { Database } from '../../src/platform/database/index.js';

/** The types that calls are charged to; tenants' servers report the others. */
export const COUNTED = ['token_cnt', 'request_cnt', 'cost_micros'] as const;
export type CountedType = (typeof COUNTED)[number];

/** In micro-units; null removes a limit. */
export type LimitValues = Partial<Record<CountedType, bigint | null>>;

export const UNIT = 1_000_000n;

export function units(count: number): bigint {
  return BigInt(count) * UNIT;
}

/** A limit of one human according to its row and to the ledger, both at one moment. */
export interface Account {
  readonly humanId: string;
  readonly human: string;
  readonly type: CountedType;
  /** null: unlimited. */
  readonly left: bigint | null;
  readonly reserved: bigint;
  /** The budget and its epoch; null: unlimited. */
  readonly epoch: string | null;
  /** The usage of finished calls of this epoch, by the ledger. */
  readonly spent: bigint;
  /** The reservations of open calls of this epoch, by the ledger. */
  readonly held: bigint;
}

/** The budget and its epoch. */
const EPOCH = "b.id || ' ' || b.epoch";

/** Sets limits of a human, who is created in a transaction of the tenant. */
export async function setLimits(
  database: Database,
  tenantId: string,
  human: string,
  limits: LimitValues,
): Promise<readonly SetLimit[]> {
  const changes = Object.entries(limits).map(([type, value]) => ({ type, microUnits: value?.toString() ?? null }));
  const [row] = await database.changeTenant(tenantId, async (tx) => {
    await tx.$executeRawUnsafe('SELECT add_humans(ARRAY[$1], ARRAY[$2], ARRAY[NULL::text])', tenantId, human);
    await tx.$executeRawUnsafe(
      'SELECT set_limits((SELECT id FROM humans WHERE tenant_id = $1 AND human = $2), $3::jsonb)',
      tenantId,
      human,
      JSON.stringify(changes),
    );
    return tx.$queryRawUnsafe<{ id: string; epochs: Partial<Record<CountedType, string>> | null }[]>(
      `SELECT id, (SELECT jsonb_object_agg(b.type, ${EPOCH}) FROM budgets b
                   WHERE b.tenant_id = h.tenant_id AND b.human_id = h.id AND b.period = 'NONE') AS epochs
       FROM humans h WHERE tenant_id = $1 AND human = $2`,
      tenantId,
      human,
    );
  });
  return COUNTED.filter((type) => type in limits).map((type) => ({
    humanId: row!.id,
    type,
    epoch: row!.epochs?.[type] ?? null,
    value: limits[type] ?? null,
  }));
}

/** A value and the epoch that began with it. */
export interface SetLimit {
  readonly humanId: string;
  readonly type: CountedType;
  /** Null: the limit was removed. */
  readonly epoch: string | null;
  readonly value: bigint | null;
}

const ACCOUNTS = `
  SELECT h.id, h.human, t.type, (b.amount - b.used)::text AS remaining, coalesce(b.held, 0)::text AS reserved, ${EPOCH} AS epoch,
         coalesce(sum(r.spent) FILTER (WHERE r.state <> 'RESERVED'), 0)::text AS spent,
         coalesce(sum(r.held) FILTER (WHERE r.state = 'RESERVED'), 0)::text AS held
  FROM humans h
  CROSS JOIN unnest('{token_cnt,request_cnt,cost_micros}'::text[]) AS t (type)
  LEFT JOIN budgets b ON b.tenant_id = h.tenant_id AND b.human_id = h.id AND b.type = t.type AND b.period = 'NONE'
  LEFT JOIN LATERAL (
    SELECT u.state,
           CASE t.type WHEN 'token_cnt' THEN (u.input_tokens + u.output_tokens) * 1000000
                       WHEN 'request_cnt' THEN u.requests * 1000000::bigint
                       ELSE coalesce(u.cost_pico_usd, u.reserved_cost_pico_usd, 0) END AS spent,
           CASE t.type WHEN 'token_cnt' THEN (u.reserved_input_tokens + u.reserved_output_tokens) * 1000000
                       WHEN 'request_cnt' THEN 1000000
                       ELSE u.reserved_cost_pico_usd END AS held
    FROM usage_records u
    WHERE u.tenant_id = h.tenant_id AND u.budget_epochs[array_position(u.budget_ids, b.id)] = b.epoch) AS r ON true
  WHERE h.tenant_id = $1
  GROUP BY h.id, h.human, t.type, b.id, b.tenant_id
  ORDER BY h.id, t.type`;

type AccountRow = Record<'id' | 'human' | 'type' | 'reserved' | 'spent' | 'held', string> & {
  remaining: string | null;
  epoch: string | null;
};

/** Runs one statement as a superuser. */
export type RunSql = <Row extends pg.QueryResultRow>(text: string, values?: unknown[]) => Promise<Row[]>;

/** Every limit of every human of a tenant, with the ledger's amounts. */
export async function accountsOf(sql: RunSql, tenantId: string): Promise<Account[]> {
  const rows = await sql<AccountRow>(ACCOUNTS, [tenantId]);
  return rows.map(({ id, human, type, remaining, reserved, epoch, spent, held }) => ({
    humanId: id,
    human,
    type: type as CountedType,
    left: remaining === null ? null : BigInt(remaining),
    reserved: BigInt(reserved),
    epoch,
    spent: BigInt(spent),
    held: BigInt(held),
  }));
}

/** One limit of one human. */
export async function accountOf(sql: RunSql, tenantId: string, human: string, type: CountedType): Promise<Account> {
  const all = await accountsOf(sql, tenantId);
  const found = all.find((account) => account.human === human && account.type === type);
  if (found === undefined) throw new Error(`There is no ${type} of ${human}.`);
  return found;
}
