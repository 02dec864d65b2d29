import { randomUUID } from 'node:crypto';
import { eventually } from '../../test/support/eventually.js';
import { createTestDatabase, type TestDatabase } from '../../test/support/postgres.js';
import { connectionTo, rowsOf, seedTenant } from '../../test/support/sql.js';

let test: TestDatabase;

beforeAll(async () => {
  test = await createTestDatabase();
});

afterAll(() => test.drop());

const [LOW, HIGH] = ['00000000-0000-4000-8000-000000000001', 'ffffffff-ffff-4fff-bfff-ffffffffffff'];
const LOCK = 'SELECT 1 FROM budgets WHERE id = $1 FOR NO KEY UPDATE';

it('the deletion of a tenant locks its budgets in the order of their ids, as all others do', async () => {
  const { tenantId } = await seedTenant(test.superuserUrl);
  // The budget that others lock last comes first in the table and in its indexes, so an unordered deletion would lock it first.
  for (const [id, type] of [
    [HIGH, 'request_cnt'],
    [LOW, 'token_cnt'],
  ])
    await rowsOf(
      test.superuserUrl,
      `INSERT INTO budgets (id, tenant_id, holder, type, period, amount, starts_at)
       VALUES ($1, $2, 'tenant', $3, 'NONE', 1, now())`,
      [id, tenantId, type],
    );
  const other = connectionTo(test.superuserUrl);
  const deleting = connectionTo(test.superuserUrl);
  try {
    await Promise.all([other.connect(), deleting.connect()]);
    await other.query('BEGIN');
    await other.query(LOCK, [LOW]);
    const deleted = deleting.query('SELECT purge_tenant($1, $2)', [tenantId, randomUUID()]);
    const waiting = `SELECT 1 FROM pg_stat_activity
       WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'SELECT purge_tenant%'`;
    await eventually(async () => (await rowsOf(test.superuserUrl, waiting)).length === 1);
    await other.query(LOCK, [HIGH]);
    await other.query('COMMIT');
    await deleted;
  } finally {
    await Promise.all([other.end(), deleting.end()]);
  }
  expect(await rowsOf(test.superuserUrl, 'SELECT 1 FROM budgets WHERE tenant_id = $1', [tenantId])).toEqual([]);
});
