/**
 * A run's cost in Postgres must not depend on how many threads exist, nor on when its plans were made: a connection that
 * planned on empty tables keeps those plans until the tables are analyzed.
 */
import { uuidV7 } from '../../platform/crypto/index.js';
import { makeLedgerTenant } from '../../../test/support/ledger-process.js';
import { createTestDatabase, type TestDatabase } from '../../../test/support/postgres.js';
import { connectionTo } from '../../../test/support/sql.js';
import {
  BEGIN,
  deltaText,
  endText,
  FINISH,
  LOAD,
  startText,
  WATCH,
  watchText,
  WRITE_DELTAS,
} from './run-statements.js';

const THREADS = 20_000;
const LONG = 3_000;
/** Postgres makes five plans for given values, and then may keep one for all. */
const PLANS = 8;
const BODY = Buffer.from('encrypted');

let database: TestDatabase;
let client: ReturnType<typeof connectionTo>;
let leaseId: string;

beforeEach(async () => {
  database = await createTestDatabase();
  await makeLedgerTenant(database.superuserUrl);
  client = connectionTo(database.superuserUrl);
  await client.connect();
  leaseId = uuidV7();
  for (const table of ['threads', 'runs', 'thread_messages', 'run_deltas'])
    await client.query(`ALTER TABLE ${table} SET (autovacuum_enabled = off)`);
  await client.query("SELECT renew_lease($1, NULL, '1 minute')", [leaseId]);
});

afterEach(async () => {
  await client.end();
  await database.drop();
});

/** Runs from their message to their end, by the statements of the service. */
async function runIn(conversationKeys: readonly string[]): Promise<void> {
  const ids = conversationKeys.map(() => uuidV7());
  const starts = conversationKeys.map((conversationKey, index) =>
    startText({
      id: ids[index]!,
      threadId: uuidV7(),
      tenantId: 'acme',
      owner: 'tenant',
      human: null,
      keyId: 'key_1',
      conversationKey,
      caller: '{"keyId":"key_1"}',
      requestId: 'req_1',
      setup: null,
      body: BODY,
      tokens: 3,
      idempotent: null,
    }),
  );
  const begun = await client.query<{ verdicts: string[] }>({ ...BEGIN, values: [leaseId, starts, 100] });
  expect(new Set(begun.rows[0]?.verdicts)).toEqual(new Set(['running']));
  const loaded = await client.query({ ...LOAD, values: [leaseId, ids, 1_000_000, 4] });
  expect(loaded.rows).toHaveLength(ids.length);
  const deltas = ids.map((id) => deltaText({ id, step: 0, startAt: 0, body: BODY }));
  await client.query({ ...WRITE_DELTAS, values: [leaseId, deltas] });
  await client.query({ ...WATCH, values: [leaseId, ids.map((id) => watchText(id, 'RUNNING', 0, 9))] });
  const ends = ids.map((id) =>
    endText({
      id,
      status: 'COMPLETED',
      n: 1,
      body: BODY,
      tokens: 3,
      leftOut: 0,
      errorCode: null,
      failure: null,
    }),
  );
  const ended = await client.query<{ ended: boolean[] }>({ ...FINISH, values: [leaseId, ends] });
  expect(new Set(ended.rows[0]?.ended)).toEqual(new Set([true]));
}

/** The index entries and rows of the growing tables that this transaction has read. */
async function entriesRead(): Promise<number> {
  const { rows } = await client.query<{ read: string }>(
    `SELECT (SELECT sum(pg_stat_get_xact_tuples_returned(i.indexrelid)) FROM pg_index i
             WHERE i.indrelid IN ('threads'::regclass, 'runs'::regclass, 'run_deltas'::regclass))
          + (SELECT sum(t.seq_tup_read) FROM pg_stat_xact_user_tables t
             WHERE t.relname IN ('threads', 'runs', 'thread_messages', 'run_deltas')) AS read`,
  );
  return Number(rows[0]?.read);
}

/** Many threads with a run each, and one with very many runs. */
async function grow(): Promise<void> {
  // Without the checks of foreign keys, which would take most of the test's time.
  await client.query("SET session_replication_role = 'replica'");
  await client.query(
    `INSERT INTO threads (id, tenant_id, owner, conversation_key, run_count)
     SELECT gen_random_uuid(), 'acme', 'tenant', 'other ' || n, 1 FROM generate_series(1, $1::int) AS n`,
    [THREADS],
  );
  await client.query(
    `INSERT INTO runs (id, tenant_id, thread_id, run_no, status, caller, request_id, ended_at)
     SELECT gen_random_uuid(), 'acme', t.id, n, 'COMPLETED', '{}', 'r', now()
     FROM threads t, generate_series(10, 9 + CASE t.conversation_key WHEN 'long' THEN $1::int ELSE 1 END) AS n`,
    [LONG],
  );
  await client.query("UPDATE threads SET run_count = 10 + $1::int WHERE conversation_key = 'long'", [LONG]);
  await client.query("SET session_replication_role = 'origin'");
}

it.each([
  ['one', 1, 'never analyzed'],
  ['one', 1, 'analyzed'],
  ['many at once', 96, 'never analyzed'],
  ['many at once', 96, 'analyzed'],
])(
  '%s, of new and of long threads, read few rows of many, by plans that were made while there were few (%#: %i, %s)',
  async (_what, size, known) => {
    if (known === 'analyzed') await client.query('ANALYZE');
    for (let plan = 0; plan < PLANS; plan += 1)
      await runIn(Array.from({ length: size }, (_, index) => (index === 0 ? 'long' : `early ${plan}.${index}`)));
    await grow();

    await client.query('BEGIN');
    const before = await entriesRead();
    // One long thread, some short ones, and new ones.
    const keyAt = (index: number): string => (index % 8 === 0 ? `other ${index}` : `late ${index}`);
    await runIn(Array.from({ length: size }, (_, index) => (index === 0 ? 'long' : keyAt(index))));
    const read = (await entriesRead()) - before;
    await client.query('COMMIT');
    expect(read).toBeLessThan(60 * size);
  },
);
