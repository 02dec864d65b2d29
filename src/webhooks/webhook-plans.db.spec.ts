/**
 * A claim's cost in Postgres must not depend on how many deliveries wait, nor on when its plans were made: a connection that
 * planned it while the queue was empty keeps that plan until the queue is analyzed, and a burst may come sooner.
 */
import { createTestDatabase, type TestDatabase } from '../../test/support/postgres.js';
import { connectionTo, seedTenant, type SeededTenant } from '../../test/support/sql.js';

const WAITING = 40_000;
const CLAIMED = 16;
/** Postgres makes five plans for the values that it is given, and then may keep one for all. */
const PLANS = 8;
/** A claim makes up to this many deliveries ready whose next attempt is due. */
const MADE_READY = 5_000;

let database: TestDatabase;
let tenant: SeededTenant;
let client: ReturnType<typeof connectionTo>;

beforeEach(async () => {
  database = await createTestDatabase();
  tenant = await seedTenant(database.superuserUrl);
  client = connectionTo(database.superuserUrl);
  await client.connect();
  for (const table of ['webhook_endpoints', 'webhook_events', 'webhook_deliveries'])
    await client.query(`ALTER TABLE ${table} SET (autovacuum_enabled = off)`);
});

afterEach(async () => {
  await client.end();
  await database.drop();
});

const claim = async (): Promise<number> =>
  (
    await client.query({
      name: 'claim',
      text: "SELECT * FROM claim_webhook_deliveries($1, '{}', 4, '', '1 minute')",
      values: [CLAIMED],
    })
  ).rows.length;

/** Deliveries that are due, to so many endpoints, among as many that have ended. */
async function grow(endpoints: number, isReady: boolean, waiting = WAITING): Promise<void> {
  const { tenantId } = tenant;
  // Without the checks of foreign keys, which would take most of the test's time.
  await client.query("SET session_replication_role = 'replica'");
  await client.query(
    `INSERT INTO webhook_endpoints (id, tenant_id, url, created_by)
     SELECT 'webhook_' || n, $1, 'https://a.invalid/', 'x' FROM generate_series(1, $2::int) AS n`,
    [tenantId, endpoints],
  );
  await client.query(
    `INSERT INTO webhook_events (id, tenant_id, type, payload)
     SELECT md5('e' || n)::uuid, $1, 'usage.tracked', '{}' FROM generate_series(1, $2::int) AS n`,
    [tenantId, waiting],
  );
  await client.query(
    `INSERT INTO webhook_deliveries (id, tenant_id, endpoint_id, event_id, status, next_attempt_at, ended_at, ready)
     SELECT gen_random_uuid(), $1, 'webhook_' || 1 + n % $3, md5('e' || n)::uuid, s, CASE s WHEN 'PENDING' THEN now() END,
            CASE s WHEN 'PENDING' THEN NULL ELSE now() END, s = 'PENDING' AND $4
     FROM generate_series(1, $2::int) AS n, unnest(ARRAY['PENDING', 'DELIVERED']) AS s`,
    [tenantId, waiting, endpoints, isReady],
  );
  await client.query("SET session_replication_role = 'origin'");
}

/** Index entries and rows of the tables that grow which this transaction has read. */
async function entriesRead(): Promise<number> {
  const tables = "('webhook_endpoints', 'webhook_events', 'webhook_deliveries')";
  const { rows } = await client.query<{ read: string }>(
    `SELECT (SELECT sum(pg_stat_get_xact_tuples_returned(i.indexrelid)) FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
             WHERE c.relname IN ${tables})
          + (SELECT sum(t.seq_tup_read) FROM pg_stat_xact_user_tables t WHERE t.relname IN ${tables}) AS read`,
  );
  return Number(rows[0]?.read);
}

it.each([
  ['ready, to one endpoint', 1, true, 'never analyzed', 200],
  ['ready, to one endpoint', 1, true, 'analyzed', 200],
  ['ready, to many endpoints', 4_000, true, 'never analyzed', 200],
  ['ready, to many endpoints', 4_000, true, 'analyzed', 200],
  ['for another attempt, to one endpoint', 1, false, 'never analyzed', 5 * MADE_READY],
  ['for another attempt, to many endpoints', 4_000, false, 'analyzed', 5 * MADE_READY],
])(
  'a claim of deliveries that are due (%s: %i, %s, %s) reads few of many, by plans that were made while the table was empty',
  async (_what, endpoints, isReady, known, most) => {
    if (known === 'analyzed') await client.query('ANALYZE');
    await grow(1, true, CLAIMED);
    // Plans are made by claims with deliveries.
    for (let plan = 0; plan < PLANS; plan += 1) await claim();
    await client.query('TRUNCATE webhook_endpoints, webhook_events CASCADE');
    for (let plan = 0; plan < PLANS; plan += 1) await claim();
    await grow(endpoints, isReady);

    await client.query('BEGIN');
    const before = await entriesRead();
    expect(await claim()).toBeGreaterThan(0);
    expect((await entriesRead()) - before).toBeLessThan(most);
    await client.query('COMMIT');
  },
);
