/**
 * Months that are dropped: all queries of the ledger have the same answers as before, also during the drop, and each row counts
 * once. Random usage of two tenants over some months, and random queries of all groups, filters and zones.
 */
import {
  makeLedgerTenant,
  reservation,
  settlement,
  startLedgerProcess,
  type LedgerProcess,
} from '../../../test/support/ledger-process.js';
import { createTestDatabase, type TestDatabase } from '../../../test/support/postgres.js';
import { testSettings } from '../../../test/support/settings.js';
import { onDatabase, rowsOf } from '../../../test/support/sql.js';
import { uuidV7 } from '../../platform/crypto/index.js';
import { Jobs } from '../../platform/jobs/index.js';
import { UsageQueryRepository, type UsageQuery } from '../query/usage-query.repository.js';
import { LedgerRetention } from './ledger-retention.js';

const QUARTER_MS = 15 * 60_000;
const DAY_MS = 24 * 60 * 60_000;
const DAYS = 40;
const QUERIES = 15;
/** The beginning of the first month that there is. */
const FIRST = "(date_trunc('month', now(), 'UTC') - interval '4 months')";
const ZONES = ['UTC', 'Europe/Berlin', 'Asia/Kathmandu', 'America/St_Johns', 'Australia/Lord_Howe', 'Pacific/Chatham'];
const TEXTS = ['MODEL', 'KEY', 'HUMAN', 'USER', 'PROVIDER', 'GATEWAY', 'OUTCOME'] as const;

let database: TestDatabase;
let one: LedgerProcess;
let two: LedgerProcess;

beforeEach(async () => {
  database = await createTestDatabase();
  await makeLedgerTenant(database.superuserUrl);
  await sql("INSERT INTO tenants (id, org_id, name) VALUES ('globex', 'org_acme', 'Other')");
  await makeUsage();
  one = await startLedgerProcess(database.ownerUrl);
  two = await startLedgerProcess(database.ownerUrl);
});

afterEach(async () => {
  await one.stop();
  await two.stop();
  await database.drop();
});

const sql = <Row extends object>(text: string, values: unknown[] = []): Promise<Row[]> =>
  rowsOf<Row & Record<string, unknown>>(database.superuserUrl, text, values);

const pick = <T>(of: readonly T[]): T => of[Math.floor(Math.random() * of.length)]!;
const some = <T>(of: readonly T[]): T[] => of.filter(() => Math.random() < 0.4);

/** Calls and corrections since five months ago, the latter up to days after their call, and reports; some of last month stay. */
async function makeUsage(): Promise<void> {
  await rowsOf(
    database.ownerUrl,
    "SELECT add_usage_partition(date_trunc('month', now(), 'UTC') - n * interval '1 month') FROM generate_series(1, 4) AS n",
  );
  await sql(
    `INSERT INTO usage_records (id, tenant_id, kind, key_id, user_id, human_id, gateway_id, request_id, provider, model, streamed,
       reserved_input_tokens, reserved_output_tokens, lease_id, state, outcome, requests, input_tokens, output_tokens,
       cost_pico_usd, created_at)
     SELECT overlay(usage_id_floor(c.at)::text PLACING right(gen_random_uuid()::text, 22) FROM 15)::uuid, c.tenant, c.kind,
       CASE WHEN random() < 0.7 THEN 'key_' || (random() * 2)::int END, CASE WHEN random() < 0.3 THEN 'ann' END,
       CASE WHEN random() < 0.7 THEN 'hum_' || (random() * 4)::int END, CASE WHEN random() < 0.3 THEN 'gw_1' END, 'req',
       (ARRAY['openai', 'anthropic'])[1 + (random())::int], (ARRAY['a', 'b', '@c'])[1 + (random() * 2)::int], false, 1, 1,
       gen_random_uuid(), CASE WHEN random() < 0.1 THEN 'SWEPT' ELSE 'SETTLED' END,
       (ARRAY['OK', 'OK', 'UPSTREAM_ERROR', NULL])[1 + (random() * 3)::int], (random() * 1.4)::int, (random() * 1e6)::int,
       (random() * 1000)::int - CASE WHEN c.kind = 'CALL' THEN 0 ELSE 500 END, CASE WHEN random() < 0.7 THEN (random() * 1e12)::bigint END,
       c.at + CASE WHEN c.kind = 'CALL' THEN interval '0' ELSE random() * interval '5 days' END
     FROM (SELECT date_trunc('milliseconds', now() - random() * (now() - ${FIRST})) AS at,
                  (ARRAY['acme', 'globex'])[1 + (random())::int] AS tenant,
                  CASE WHEN random() < 0.1 THEN 'ADJUSTMENT' ELSE 'CALL' END AS kind
           FROM generate_series(1, 3000)) AS c`,
  );
  await sql(
    `INSERT INTO usage_reports (id, tenant_id, human_id, key_id, user_id, type, micro_units, idempotency_key, created_at)
     SELECT overlay(usage_id_floor(r.at)::text PLACING right(gen_random_uuid()::text, 22) FROM 15)::uuid, 'acme',
       'hum_' || (random() * 4)::int, CASE WHEN random() < 0.5 THEN 'key_1' END, NULL,
       (ARRAY['conversational_seconds', 'voice_synthesis_seconds', 'memory_message_cnt'])[1 + (random() * 2)::int],
       (random() * 1e9)::bigint, gen_random_uuid()::text, r.at
     FROM (SELECT date_trunc('milliseconds', now() - random() * (now() - ${FIRST})) AS at FROM generate_series(1, 300)) AS r`,
  );
  await sql("INSERT INTO humans (tenant_id, human, id) VALUES ('acme', 'ann@example.org', 'hum_1')");
}

function randomQuery(): UsageQuery {
  const from = Math.floor((Date.now() - Math.random() * 130 * DAY_MS) / QUARTER_MS) * QUARTER_MS;
  const unit = pick([[], ['HOUR'], ['DAY']] as const);
  const texts = some(TEXTS);
  const filter = (value: string): string | null => (Math.random() < 0.15 ? value : null);
  return {
    ...{ tenantId: 'acme', timeZone: pick(ZONES), groupBy: [...texts, ...unit] },
    from: new Date(from),
    before: new Date(from + Math.ceil(Math.random() * 12_000) * QUARTER_MS),
    fill: unit[0] === 'DAY' && texts.length < 2,
    top: pick([0, 0, 2]),
    topBy: pick(['COST', 'TOKENS', 'REQUESTS']),
    humanId: filter('hum_1'),
    keyId: filter('key_1'),
    userId: filter('ann'),
    model: filter('a'),
    provider: filter('openai'),
    gatewayId: filter('gw_1'),
    outcome: filter('OK'),
  };
}

/** The page with its totals, and all rows as the table of CSV is made. */
async function answer(query: UsageQuery, by = one): Promise<object> {
  const repository = new UsageQueryRepository(by.database);
  return repository.transaction(query.tenantId, async (tx) => {
    const page = await repository.page(tx, query, null, 100_000);
    const rows = [];
    for await (const part of repository.all(tx, query)) rows.push(...part);
    return { page, rows };
  });
}

/** Another process's work; it is its own job's that stops it. */
const retention = (by: LedgerProcess): LedgerRetention =>
  new LedgerRetention(by.database, by.metrics, testSettings({ ledgerRetentionDays: DAYS }), new Jobs());
const run = (by = one): Promise<void> => retention(by).run(new AbortController().signal);

interface Step {
  readonly did: string;
  readonly month: string | null;
  readonly rows: string | null;
}
const step = async (most = 400): Promise<Step> => {
  const [row] = await sql<Step>(`SELECT did, month::text, rows FROM keep_usage_ledger('${DAYS} days', $1)`, [most]);
  return row!;
};

async function months(): Promise<{ attached: string[]; retired: string[] }> {
  const of = async (parent: string): Promise<string[]> =>
    (
      await sql<{ name: string }>(
        `SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = '${parent}'::regclass ORDER BY 1`,
      )
    ).map(({ name }) => name.replace('usage_records_', ''));
  return { attached: await of('usage_records'), retired: await of('usage_records_retired') };
}
/** Those that are older as a whole than the ledger is kept. */
async function dueMonths(): Promise<string[]> {
  const rows = await sql<{ name: string }>(
    `SELECT to_char(m AT TIME ZONE 'UTC', 'YYYYMM') AS name
     FROM (SELECT date_trunc('month', now(), 'UTC') - n * interval '1 month' AS m FROM generate_series(0, 4) AS n) AS x
     WHERE m + interval '1 month' <= now() - interval '${DAYS} days' ORDER BY 1`,
  );
  return rows.map(({ name }) => name);
}

it('are answered as before after each step, whatever is asked, and only months that are old as a whole go', async () => {
  const queries = Array.from({ length: QUERIES }, randomQuery);
  const before = await Promise.all(queries.map((query) => answer(query)));
  const [all, due] = [await months(), await dueMonths()];
  expect(due.length).toBeGreaterThanOrEqual(2);
  const did: string[] = [];
  for (let last: Step; (last = await step()).did !== 'nothing';) {
    if (did.at(-1) !== last.did) did.push(last.did);
    for (const [index, query] of queries.entries())
      expect([query, await answer(query)]).toEqual([query, before[index]]);
  }
  expect(did).toEqual([...due.flatMap(() => ['retired', 'rolled', 'dropped']), 'reported']);
  expect(await months()).toEqual({ attached: all.attached.filter((name) => !due.includes(name)), retired: [] });
  expect(await sql("SELECT 1 FROM usage_reports WHERE created_at < now() - interval '80 days'")).toEqual([]);
  expect(await sql('SELECT 1 FROM usage_rollups')).not.toEqual([]);
});

it('are answered as before while two replicas drop them and calls go on, and are dropped once', async () => {
  const queries = Array.from({ length: QUERIES }, randomQuery).map((query) => ({
    ...query,
    before: new Date(Math.min(query.before.getTime(), Date.now() - DAY_MS)),
  }));
  const asked = queries.filter(({ from, before }) => from < before);
  const before = await Promise.all(asked.map((query) => answer(query)));
  const [{ count }] = (await sql<{ count: string }>(
    `SELECT count(*) FROM usage_records WHERE id < usage_id_floor(date_trunc('month', now() - interval '${DAYS} days', 'UTC'))`,
  )) as [{ count: string }];
  const drop = { isOver: false };
  const calls: string[] = [];
  const calling = (async () => {
    while (!drop.isOver) {
      const id = uuidV7();
      await two.ledger.reserve(reservation({ id }));
      two.ledger.settle(settlement(id));
      calls.push(id);
    }
    await two.ledger.flush();
  })();
  const dropping = Promise.all([run(one), run(two)]).finally(() => {
    drop.isOver = true;
  });
  for (let turn = 0; !drop.isOver; turn += 1) {
    const index = turn % asked.length;
    expect([asked[index], await answer(asked[index]!, two)]).toEqual([asked[index], before[index]]);
  }
  await dropping;
  await calling;
  await run(one);
  for (const [index, query] of asked.entries()) expect([query, await answer(query)]).toEqual([query, before[index]]);
  expect((await sql('SELECT 1 FROM usage_records WHERE id = ANY ($1)', [calls])).length).toBe(calls.length);
  expect((await months()).retired).toEqual([]);
  const [{ dropped }] = (await sql<{ dropped: string }>('SELECT sum(rolled_rows) AS dropped FROM usage_months')) as [
    { dropped: string },
  ];
  expect(dropped).toBe(count);
  const told = (await Promise.all([one, two].map(({ metrics }) => metrics.retentionDropped.get()))).flatMap(
    ({ values }) => values.filter(({ labels }) => labels['what'] === 'calls'),
  );
  expect(told.reduce((sum, { value }) => sum + value, 0)).toBe(Number(count));
});

it('go on where a process died, at each step', async () => {
  const query = { ...randomQuery(), from: new Date(Date.now() - 150 * DAY_MS), before: new Date() };
  const before = await answer(query);
  for (let steps = 0; ; steps += 1) {
    // What a process that dies leaves of its step.
    await onDatabase(database.superuserUrl, async (client) => {
      await client.query('BEGIN');
      await client.query(`SELECT keep_usage_ledger('${DAYS} days', 500)`);
    });
    expect(await answer(query)).toEqual(before);
    if ((await step(500)).did === 'nothing') break;
    expect(await answer(query)).toEqual(before);
  }
  expect(await months()).toMatchObject({ retired: [] });
});

it('wait for a call that a process may still have open, and for one that belongs to no process', async () => {
  const [month] = await dueMonths();
  await sql("UPDATE process_leases SET oldest_open_at = to_date($1, 'YYYYMM') + interval '3 days'", [month]);
  expect((await step()).did).toBe('open');
  expect((await months()).attached).toContain(month);
  await sql('UPDATE process_leases SET oldest_open_at = NULL');
  await sql(
    `UPDATE usage_records SET state = 'RESERVED' WHERE id = (SELECT id FROM usage_records
       WHERE id >= usage_id_floor(to_date($1, 'YYYYMM') + interval '1 day') ORDER BY id LIMIT 1)`,
    [month],
  );
  expect((await step()).did).toBe('retired');
  await expect(step(10_000)).rejects.toThrow(
    /^month \d{4}-\d\d of the ledger is kept: call \S+ is open and belongs to no process$/,
  );
  expect((await months()).retired).toEqual([month]);
});

it('wait for a query that reads them no longer than 100 ms, and calls do not fail meanwhile', async () => {
  await onDatabase(database.superuserUrl, async (reader) => {
    await reader.query('BEGIN');
    await reader.query('SELECT count(*) FROM usage_records');
    await expect(step()).rejects.toThrow(/lock timeout/);
    await one.ledger.reserve(reservation());
    await reader.query('COMMIT');
  });
  expect((await step()).did).toBe('retired');
});

describe('sums that are kept', () => {
  beforeEach(() => run());

  it('name a human by the id that is left after an erasure', async () => {
    const query = { ...randomQuery(), groupBy: ['HUMAN'] as const, humanId: 'hum_1' };
    const whole = { ...query, from: new Date(Date.now() - 150 * DAY_MS), before: new Date(), top: 0 };
    const all = { ...whole, keyId: null, userId: null, model: null, provider: null, gatewayId: null, outcome: null };
    expect(await answer({ ...all, fill: false })).toMatchObject({ rows: [{ human: 'ann@example.org' }] });
    await sql("DELETE FROM humans WHERE id = 'hum_1'");
    expect(await answer({ ...all, fill: false })).toMatchObject({ rows: [{ human: null, human_id: 'hum_1' }] });
    expect(await sql("SELECT 1 FROM usage_rollups s WHERE s::text LIKE '%ann@example.org%'")).toEqual([]);
  });

  it('go with their tenant, those of another stay', async () => {
    const of = (tenant: string) => sql('SELECT 1 FROM usage_rollups WHERE tenant_id = $1', [tenant]);
    const others = (await of('acme')).length;
    expect(await of('globex')).not.toEqual([]);
    await sql("SELECT purge_tenant('globex', gen_random_uuid())");
    expect([await of('globex'), (await of('acme')).length]).toEqual([[], others]);
  });
});
