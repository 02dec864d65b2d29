import { eventually } from '../../test/support/eventually.js';
import { createTestDatabase, type TestDatabase } from '../../test/support/postgres.js';
import { testSettings } from '../../test/support/settings.js';
import { connectionTo, rowsOf, seedTenant } from '../../test/support/sql.js';
import { Database } from '../platform/database/index.js';
import { HumansRepository } from './humans.repository.js';

let test: TestDatabase;
let database: Database;

beforeAll(async () => {
  test = await createTestDatabase();
  database = new Database(testSettings({ databaseUrl: test.ownerUrl }));
});

afterAll(async () => {
  await database.close();
  await test.drop();
});

it('the erasure of a human waits for a transaction that sets its budget, and locks no budget before', async () => {
  const { tenantId } = await seedTenant(test.superuserUrl);
  const [{ id } = { id: '' }] = await rowsOf<{ id: string }>(
    test.superuserUrl,
    "INSERT INTO humans (tenant_id, human, id) VALUES ($1, 'ann', 'hum_ann') RETURNING id",
    [tenantId],
  );
  await rowsOf(
    test.superuserUrl,
    `INSERT INTO budgets (id, tenant_id, holder, type, period, amount, starts_at)
     VALUES (gen_random_uuid(), $1, $2, 'token_cnt', 'NONE', 1, now())`,
    [tenantId, `human:${id}`],
  );
  const humans = new HumansRepository(database);
  const setting = connectionTo(test.superuserUrl);
  await setting.connect();
  try {
    await setting.query('BEGIN');
    await setting.query("SELECT set_config('app.tenant_id', $1, true)", [tenantId]);
    await setting.query("SELECT ensure_human('ann', NULL)");
    const erased = humans.change(tenantId, (own) => humans.delete(own, 'ann'));
    const waiting = `SELECT 1 FROM pg_stat_activity
       WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%humans%'`;
    await eventually(async () => (await rowsOf(test.superuserUrl, waiting)).length === 1);
    await setting.query(`SELECT set_budget($1, 'token_cnt', 'NONE', 'UTC', NULL, 5, NULL, NULL, NULL)`, [
      `human:${id}`,
    ]);
    await setting.query('COMMIT');
    expect(await erased).toBe(id);
  } finally {
    await setting.end();
  }
  expect(await rowsOf(test.superuserUrl, 'SELECT 1 FROM budgets WHERE tenant_id = $1', [tenantId])).toEqual([]);
});
