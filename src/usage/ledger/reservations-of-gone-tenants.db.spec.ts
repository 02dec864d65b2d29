/** Reservations of a tenant that is gone, or is just being deleted: nothing of it may stay behind. */
import { uuidV7 } from '../../platform/crypto/index.js';
import { eventually, watch } from '../../../test/support/eventually.js';
import {
  makeLedgerTenant,
  reservation,
  startLedgerProcess,
  type LedgerProcess,
} from '../../../test/support/ledger-process.js';
import { createTestDatabase, type TestDatabase } from '../../../test/support/postgres.js';
import { connectionTo, rowsOf } from '../../../test/support/sql.js';
import { admissionsText } from './ledger-statements.js';
import type { Reservation } from './usage.types.js';

const IMPERSONATED = { route: 'POST /v1/chat/completions', address: '203.0.113.7' };
const UNAUTHENTICATED = { kind: 'unauthenticated', status: 401 };

let database: TestDatabase;
let running: LedgerProcess;

beforeEach(async () => {
  database = await createTestDatabase();
  await makeLedgerTenant(database.superuserUrl);
  running = await startLedgerProcess(database.ownerUrl);
});

afterEach(async () => {
  await running.stop();
  await database.drop();
});

const sql = <Row extends object>(text: string, values: unknown[] = []): Promise<Row[]> =>
  rowsOf<Row & Record<string, unknown>>(database.superuserUrl, text, values);

const tenantsIn = async (table: 'usage_records' | 'audit_events' | 'humans'): Promise<string[]> =>
  (await sql<{ tenant_id: string }>(`SELECT tenant_id FROM ${table} ORDER BY 1`)).map(({ tenant_id: id }) => id);

const reserve = (changes: Partial<Reservation>): Promise<unknown> => running.ledger.reserve(reservation(changes));
const impersonated = (changes: Partial<Reservation> = {}): Partial<Reservation> => ({
  human: 'ann',
  impersonated: IMPERSONATED,
  ...changes,
});

async function makeTenant(id: string): Promise<void> {
  await sql("INSERT INTO tenants (id, org_id, name) VALUES ($1, 'org_acme', 'Another')", [id]);
}

/** Statements on a connection of their own, in a transaction that `end` ends. */
async function transaction(
  ...statements: string[]
): Promise<{ pending: Promise<unknown>; end(how: 'COMMIT' | 'ROLLBACK'): Promise<void> }> {
  const client = connectionTo(database.superuserUrl);
  await client.connect();
  await client.query('BEGIN');
  const pending = statements.reduce<Promise<unknown>>(
    (before, text) => before.then(() => client.query(text)),
    Promise.resolve(),
  );
  return {
    pending,
    async end(how) {
      await pending;
      await client.query(how);
      await client.end();
    },
  };
}

/** Resolves once a statement with this text waits for a lock. */
const waitsForLock = (text: string): Promise<void> =>
  eventually(async () => {
    const waiting = await sql(
      `SELECT 1 FROM pg_stat_activity
       WHERE datname = current_database() AND wait_event_type = 'Lock' AND position($1 IN query) > 0`,
      [text],
    );
    return waiting.length === 1;
  });

it('a tenant that is gone gets nothing, and the others of its batch get theirs', async () => {
  await reserve({});
  const results = await Promise.allSettled([
    reserve({ requestId: 'before' }),
    reserve(impersonated({ tenantId: 'gone' })),
    reserve({ tenantId: 'gone' }),
    reserve(impersonated({ requestId: 'after' })),
  ]);
  expect(results.map((result) => (result.status === 'rejected' ? (result.reason as unknown) : null))).toEqual([
    null,
    expect.objectContaining(UNAUTHENTICATED),
    expect.objectContaining(UNAUTHENTICATED),
    null,
  ]);
  await expect(reserve(impersonated({ tenantId: 'gone' }))).rejects.toMatchObject(UNAUTHENTICATED);
  expect(await tenantsIn('usage_records')).toEqual(['acme', 'acme', 'acme']);
  expect(await tenantsIn('audit_events')).toEqual(['acme']);
  expect(await tenantsIn('humans')).toEqual(['acme']);
});

/** As the service's role, in the transaction that the deletion is. */
const deletion = (tenantId: string) =>
  transaction(
    'SET LOCAL ROLE gatehouse_app',
    "SELECT set_config('app.tenant_id', 'acme', true)",
    `SELECT delete_tenant('${tenantId}', 'Another', gen_random_uuid())`,
  );

const remains = () =>
  sql(
    `SELECT tenant_id FROM usage_records WHERE tenant_id = 'doomed'
     UNION ALL SELECT tenant_id FROM audit_events WHERE tenant_id = 'doomed'
     UNION ALL SELECT tenant_id FROM humans WHERE tenant_id = 'doomed'
     UNION ALL SELECT id FROM tenants WHERE id = 'doomed'`,
  );

it.each([1, 2])('no row is left behind, whichever of %i reservations and the deletion comes first', async (count) => {
  await makeTenant('doomed');
  await reserve({});
  const batch = (): Promise<PromiseSettledResult<unknown>[]> =>
    Promise.allSettled([
      reserve(impersonated({ tenantId: 'doomed' })),
      // Of a human who is mentioned for the first time: to write that one, nothing of the other tenant's is written.
      ...Array.from({ length: count - 1 }, () => reserve(impersonated({ human: uuidV7() }))),
    ]);
  // The reservation first: the deletion waits for its commit, and takes its rows too.
  const [lease] = await sql<{ id: string }>('SELECT id FROM process_leases');
  const early = await transaction(
    'SET LOCAL ROLE gatehouse_app',
    `SELECT * FROM admit_usage('${lease!.id}', '${admissionsText([reservation(impersonated({ tenantId: 'doomed' }))])}'::text[]::admission[], false, true)`,
  );
  await early.pending;
  const deleting = await deletion('doomed');
  await waitsForLock('delete_tenant');
  await early.end('COMMIT');
  await deleting.end('ROLLBACK');
  expect(await remains()).not.toEqual([]);
  // The deletion first: the reservation is refused, and no other tenant's waits.
  const again = await deletion('doomed');
  await again.pending;
  const [late, ...others] = await batch();
  expect(late).toMatchObject({ status: 'rejected', reason: UNAUTHENTICATED });
  expect(others.map(({ status }) => status)).toEqual(Array.from({ length: count - 1 }, () => 'fulfilled'));
  await again.end('COMMIT');
  expect(await remains()).toEqual([]);
});

it('while its deletion waits for a reservation, no other one of the tenant slips in', async () => {
  await makeTenant('doomed');
  const lock = await transaction('LOCK TABLE audit_events IN SHARE ROW EXCLUSIVE MODE');
  await lock.pending;
  const early = watch(reserve(impersonated({ tenantId: 'doomed' })));
  await waitsForLock('admit_usage');
  const deleting = await deletion('doomed');
  await waitsForLock('delete_tenant');
  const second = await startLedgerProcess(database.ownerUrl);
  try {
    await expect(second.ledger.reserve(reservation({ tenantId: 'doomed' }))).rejects.toMatchObject(UNAUTHENTICATED);
  } finally {
    await second.stop();
  }
  await lock.end('ROLLBACK');
  await deleting.end('COMMIT');
  await eventually(() => early.ending !== undefined);
  expect(await remains()).toEqual([]);
});
