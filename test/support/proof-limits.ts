/** Humans' limits in proofs: set as the service sets them, read behind its back, held against the ledger. */
import type pg from 'pg';
import type { Database } from '../../src/platform/database/index.js';

/** What calls are charged to; the other types are reported by tenants' servers. */
export const COUNTED = ['token_cnt', 'request_cnt', 'cost_micros'] as const;
export type CountedType = (typeof COUNTED)[number];

/** In micro-units; null removes a limit. */
export type LimitValues = Partial<Record<CountedType, bigint | null>>;

export const UNIT = 1_000_000n;

export function units(count: number): bigint {
  return BigInt(count) * UNIT;
}

/** A limit of one human as the row has it and as the ledger has it, all at one moment. */
export interface Account {
  readonly humanId: string;
  readonly human: string;
  readonly type: CountedType;
  /** null: unlimited. */
  readonly left: bigint | null;
  readonly reserved: bigint;
  readonly epoch: bigint;
  /** What calls of this epoch that are over have used, by the ledger. */
  readonly spent: bigint;
  /** What open calls of this epoch have reserved, by the ledger. */
  readonly held: bigint;
}

/** Sets limits of a human, who comes to exist, in a transaction of the tenant. */
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
    const epochs = COUNTED.map((type) => `${type}_epoch`).join(', ');
    return tx.$queryRawUnsafe<Record<string, bigint | string>[]>(
      `SELECT id, ${epochs} FROM humans WHERE tenant_id = $1 AND human = $2`,
      tenantId,
      human,
    );
  });
  return COUNTED.filter((type) => type in limits).map((type) => ({
    humanId: row!['id'] as string,
    type,
    epoch: row![`${type}_epoch`] as bigint,
    value: limits[type] ?? null,
  }));
}

/** A value and the epoch that began with it. */
export interface SetLimit {
  readonly humanId: string;
  readonly type: CountedType;
  readonly epoch: bigint;
  readonly value: bigint | null;
}

const ACCOUNTS = `
  SELECT h.id, h.human, t.type, t.remaining::text, t.reserved::text, t.epoch::text,
         coalesce(sum(r.spent) FILTER (WHERE r.state <> 'RESERVED'), 0)::text AS spent,
         coalesce(sum(r.held) FILTER (WHERE r.state = 'RESERVED'), 0)::text AS held
  FROM humans h
  CROSS JOIN LATERAL (VALUES ('token_cnt', h.token_cnt, h.token_cnt_reserved, h.token_cnt_epoch),
                             ('request_cnt', h.request_cnt, h.request_cnt_reserved, h.request_cnt_epoch),
                             ('cost_micros', h.cost_micros, h.cost_micros_reserved, h.cost_micros_epoch))
    AS t (type, remaining, reserved, epoch)
  LEFT JOIN LATERAL (
    SELECT u.state,
           CASE t.type WHEN 'token_cnt' THEN (u.input_tokens + u.output_tokens) * 1000000
                       WHEN 'request_cnt' THEN u.requests * 1000000::bigint
                       ELSE coalesce(u.cost_pico_usd, u.reserved_cost_pico_usd, 0) END AS spent,
           CASE t.type WHEN 'token_cnt' THEN (u.reserved_input_tokens + u.reserved_output_tokens) * 1000000
                       WHEN 'request_cnt' THEN 1000000
                       ELSE u.reserved_cost_pico_usd END AS held
    FROM usage_records u
    WHERE u.tenant_id = h.tenant_id AND u.human_id = h.id
      AND CASE t.type WHEN 'token_cnt' THEN u.token_cnt_epoch WHEN 'request_cnt' THEN u.request_cnt_epoch
                      ELSE u.cost_micros_epoch END = t.epoch) AS r ON true
  WHERE h.tenant_id = $1
  GROUP BY h.id, h.human, t.type, t.remaining, t.reserved, t.epoch
  ORDER BY h.id, t.type`;

type AccountRow = Record<'id' | 'human' | 'type' | 'reserved' | 'epoch' | 'spent' | 'held', string> & {
  remaining: string | null;
};

/** Runs one statement as a superuser. */
export type RunSql = <Row extends pg.QueryResultRow>(text: string, values?: unknown[]) => Promise<Row[]>;

/** Every limit of every human of a tenant, beside what the ledger has of it. */
export async function accountsOf(sql: RunSql, tenantId: string): Promise<Account[]> {
  const rows = await sql<AccountRow>(ACCOUNTS, [tenantId]);
  return rows.map(({ id, human, type, remaining, reserved, epoch, spent, held }) => ({
    humanId: id,
    human,
    type: type as CountedType,
    left: remaining === null ? null : BigInt(remaining),
    reserved: BigInt(reserved),
    epoch: BigInt(epoch),
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
