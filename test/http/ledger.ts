/** The contents of the ledger and of the whole database. */
import { eventually } from '../support/eventually.js';
import type { ServiceClient } from '../support/service.js';

export interface LedgerRow {
  readonly id: string;
  readonly tenant_id: string;
  readonly kind: 'CALL' | 'ADJUSTMENT';
  readonly key_id: string | null;
  readonly user_id: string | null;
  readonly human_id: string | null;
  readonly request_id: string;
  readonly provider: string;
  readonly model: string;
  readonly streamed: boolean;
  readonly state: 'RESERVED' | 'SETTLED' | 'SWEPT';
  readonly outcome: string | null;
  readonly status_code: number | null;
  readonly reserved_input_tokens: number;
  readonly reserved_output_tokens: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly estimated: boolean;
  readonly latency_ms: number | null;
}

/** Every row, oldest first. */
export function ledgerOf(service: ServiceClient): Promise<LedgerRow[]> {
  return service.sql<LedgerRow & Record<string, unknown>>(
    `SELECT id, tenant_id, kind, key_id, user_id, human_id, request_id, provider, model, streamed, state, outcome,
            status_code, reserved_input_tokens::float8, reserved_output_tokens::float8, input_tokens::float8, output_tokens::float8,
            estimated, latency_ms
     FROM usage_records ORDER BY created_at, id`,
  );
}

/** The rows once no call is open; there must then be exactly `count`. */
export async function settledCalls(service: ServiceClient, count: number): Promise<LedgerRow[]> {
  let rows: LedgerRow[] = [];
  await eventually(async () => {
    rows = await ledgerOf(service);
    return rows.length >= count && rows.every(({ state }) => state !== 'RESERVED');
  });
  expect(rows).toHaveLength(count);
  return rows;
}

/** The row of a test's only call, once it is settled. */
export async function settledCall(service: ServiceClient): Promise<LedgerRow> {
  const [row] = await settledCalls(service, 1);
  return row!;
}

export async function clearLedger(service: ServiceClient): Promise<void> {
  await service.sql('DELETE FROM usage_records');
}

/** Every request writes `rate_windows`, and a replica's heartbeat writes `process_leases`, whatever the answer. */
const ALWAYS_WRITTEN = ['rate_windows', 'process_leases', '_prisma_migrations', '_gatehouse_functions'];

const countingStatements = new WeakMap<ServiceClient, Promise<string>>();

/** The number of rows of each table, all at one moment. */
export async function rowCounts(service: ServiceClient): Promise<Record<string, number>> {
  const known = countingStatements.get(service) ?? countingStatement(service);
  countingStatements.set(service, known);
  const rows = await service.sql<{ name: string; count: number }>(await known);
  return Object.fromEntries(rows.map(({ name, count }) => [name, count]));
}

async function countingStatement(service: ServiceClient): Promise<string> {
  const tables = await service.sql<{ name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
       AND NOT relispartition AND relname <> ALL ($1) ORDER BY 1`,
    [ALWAYS_WRITTEN],
  );
  return tables
    .map(({ name }) => `SELECT '${name}' AS name, count(*)::int AS count FROM "${name}"`)
    .join(' UNION ALL ');
}
