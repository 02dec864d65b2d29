/**
 * A call's cost in Postgres must not depend on when its plan was made: a connection that planned it while the ledger was empty
 * keeps that plan until the table is analyzed, a minute into the first load or later.
 */
import { uuidV7 } from '../../platform/crypto/index.js';
import { makeLedgerTenant, reservation, settlement } from '../../../test/support/ledger-process.js';
import { createTestDatabase, type TestDatabase } from '../../../test/support/postgres.js';
import { connectionTo, onDatabase } from '../../../test/support/sql.js';
import { ADMIT, SETTLE, admissionsText, settlementValues } from './ledger-statements.js';
import type { Reservation } from './usage.types.js';

const UNIT = 1_000_000n;
const PRICE = { inputPicoUsd: 2n * UNIT, outputPicoUsd: 8n * UNIT };
const ROWS = 100_000;
const HUMANS = 5_000;
/** Postgres makes five plans for the values that it is given, and then may keep one for all. */
const PLANS = 8;

let database: TestDatabase;
let client: ReturnType<typeof connectionTo>;
let leaseId: string;

/** A ledger without calls, and two humans. */
async function start(): Promise<void> {
  database = await createTestDatabase();
  await makeLedgerTenant(database.superuserUrl);
  client = connectionTo(database.superuserUrl);
  await client.connect();
  leaseId = uuidV7();
  const { rows: partitions } = await client.query<{ name: string }>(
    "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'usage_records'::regclass",
  );
  for (const { name } of partitions) await client.query(`ALTER TABLE ${name} SET (autovacuum_enabled = off)`);
  await client.query('ALTER TABLE humans SET (autovacuum_enabled = off)');
  await client.query('ALTER TABLE budgets SET (autovacuum_enabled = off)');
  await client.query("SELECT renew_lease($1, NULL, '1 minute')", [leaseId]);
  await mention('human-1', 'human-7');
}

afterEach(async () => {
  await client.end();
  await database.drop();
});

/** Some humans, with limits. */
async function mention(...humans: readonly string[]): Promise<void> {
  await client.query(
    "SELECT add_humans(array_fill('acme'::text, ARRAY[$2::int]), $1, array_fill(NULL::text, ARRAY[$2::int]))",
    [humans, humans.length],
  );
  // Without triggers and the checks of foreign keys, which would take most of the test's time. On a connection of its own: this
  // setting throws a connection's plans away.
  await onDatabase(database.superuserUrl, async (other) => {
    await other.query("SET session_replication_role = 'replica'");
    await other.query(
      `INSERT INTO budgets (id, tenant_id, holder, human_id, is_metered, type, period, amount, starts_at)
       SELECT gen_random_uuid(), 'acme', 'human:' || h.id, h.id, true, t.type, 'NONE', 1e15, now()
       FROM humans h, unnest('{token_cnt,request_cnt,cost_micros}'::text[]) AS t (type) WHERE h.human = ANY ($1)
       ORDER BY h.id, t.type`,
      [humans],
    );
  });
}

/** The number of rows of the growing tables that this transaction has read, in any way. */
async function rowsRead(): Promise<number> {
  const { rows } = await client.query<{ read: string }>(
    `SELECT sum(seq_tup_read + idx_tup_fetch) AS read FROM pg_stat_xact_user_tables
     WHERE relname LIKE 'usage_records%' OR relname IN ('humans', 'budgets')`,
  );
  return Number(rows[0]?.read);
}

async function admitted(
  size: number,
  human: (index: number) => string | null,
  tenantId = 'acme',
): Promise<readonly Reservation[]> {
  const items = Array.from({ length: size }, (_, index) =>
    reservation({ tenantId, human: human(index), price: PRICE }),
  );
  const { rows } = await client.query<{ verdicts: unknown[] | null }>({
    ...ADMIT,
    values: [leaseId, admissionsText(items), false, true],
  });
  expect(rows[0]?.verdicts?.filter((verdict) => verdict !== null) ?? []).toEqual([]);
  return items;
}

async function settle(items: readonly Reservation[]): Promise<void> {
  const settled = items.map(({ id, tenantId }) => settlement(id, { tenantId, costPicoUsd: 10n }));
  await client.query({ ...SETTLE, values: settlementValues(settled, true) });
}

const callOf = async (...call: Parameters<typeof admitted>): Promise<void> => settle(await admitted(...call));

it.each([
  ['one call', 1, 'never analyzed', false],
  ['one call', 1, 'analyzed', false],
  ['many calls at once', 96, 'never analyzed', false],
  ['many calls at once', 96, 'analyzed', false],
  ['one call', 1, 'analyzed with a few calls', false],
  ['many calls at once', 96, 'analyzed with a few calls', false],
  ['calls of which a webhook is told', 20, 'never analyzed', true],
  ['calls of which a webhook is told', 20, 'analyzed', true],
])(
  '%s read few rows of a long ledger, by plans that were made while it was short (%#: %i, %s)',
  async (_what, size, known, told) => {
    await start();
    if (known === 'analyzed with a few calls') await callOf(20, () => 'human-1');
    if (known !== 'never analyzed') await client.query('ANALYZE');
    if (told) {
      await client.query(
        "INSERT INTO webhook_endpoints (id, tenant_id, url, created_by) VALUES ('we_1', 'acme', 'https://a.example', 'ann')",
      );
      await client.query("INSERT INTO webhook_subscriptions VALUES ('acme', 'we_1', 'usage.tracked')");
    }
    for (let plan = 0; plan < PLANS; plan += 1) await callOf(size, () => 'human-1');
    // Its id and the ids of the calls that it is settled with have the long ledger between them.
    const [early] = await admitted(1, () => 'human-1');
    await client.query(
      `INSERT INTO usage_records (id, tenant_id, key_id, request_id, provider, model, streamed, reserved_input_tokens,
                                reserved_output_tokens, lease_id, state, outcome, settled_at)
     SELECT adjustment_id(overlay($3 PLACING lpad(to_hex(n), 12, '0') FROM 25)::uuid), 'acme', 'key_1', 'req_0', 'dummy', 'dummy', false, 1, 1, $1, 'SETTLED', 'OK', now()
     FROM generate_series(1, $2) AS n`,
      [leaseId, ROWS, uuidV7()],
    );
    await mention(...Array.from({ length: HUMANS }, (_, index) => `human-${index + 10}`));

    await client.query('BEGIN');
    const before = await rowsRead();
    await settle([early!, ...(await admitted(size, (index) => (index % 2 === 0 ? 'human-7' : 'human-1')))]);
    const read = (await rowsRead()) - before;
    await client.query('COMMIT');
    expect(read).toBeLessThan(40 * size);
  },
);

it('a settlement changes its row in place, and touches no index', async () => {
  const changed = async (): Promise<{ updates: number; inPlace: number }> => {
    const { rows } = await client.query<{ updates: number; inPlace: number }>(
      `SELECT sum(n_tup_upd)::int AS updates, sum(n_tup_hot_upd)::int AS "inPlace" FROM pg_stat_xact_user_tables
       WHERE relname LIKE 'usage_records%'`,
    );
    return rows[0]!;
  };
  await start();
  await client.query('BEGIN');
  const before = await changed();
  for (let batch = 0; batch < 20; batch += 1) await callOf(30, () => 'human-1');
  const after = await changed();
  await client.query('COMMIT');
  expect(after.updates - before.updates).toBe(600);
  expect(after.inPlace - before.inPlace).toBe(600);
});

it.each([
  ['one call', 1],
  ['calls together', 8],
])('%s of a tenant without budgets look for none among those of other tenants', async (_what, size) => {
  const blocksRead = async (): Promise<number> => {
    await client.query('SELECT pg_stat_force_next_flush()');
    const { rows } = await client.query<{ blocks: string }>(
      "SELECT idx_blks_hit + idx_blks_read AS blocks FROM pg_statio_user_tables WHERE relname = 'budgets'",
    );
    return Number(rows[0]?.blocks);
  };
  await start();
  await client.query("INSERT INTO tenants (id, org_id, name) VALUES ('beta', 'org_acme', 'Beta')");
  await mention(...Array.from({ length: HUMANS }, (_, index) => `human-${index + 10}`));
  await client.query('VACUUM ANALYZE budgets');
  await client.query('VACUUM ANALYZE humans');
  const call = (): Promise<void> => callOf(size, () => 'human-1', 'beta');
  await call();
  const before = await blocksRead();
  await call();
  expect((await blocksRead()) - before).toBeLessThan(10 * size);
});
