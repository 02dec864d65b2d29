import { furnish } from '../../../test/support/furnished-tenant.js';
import { createTestDatabase, type TestDatabase } from '../../../test/support/postgres.js';
import { onDatabase, rowsOf, seedKeyAndCall, seedTenant } from '../../../test/support/sql.js';

/** Many rows, so that two batches are surely at work at once. */
const ROWS = 200;
const ROUNDS = 25;

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
  const tenant = await seedTenant(database.superuserUrl);
  await seedKeyAndCall(database.superuserUrl, tenant);
  await furnish(database.superuserUrl, tenant.tenantId);
});

afterAll(() => database.drop());

async function copied(table: string): Promise<string[]> {
  const rows = await rowsOf<{ id: string }>(
    database.superuserUrl,
    `INSERT INTO ${table} SELECT c.*
     FROM (SELECT k FROM ${table} k LIMIT 1) AS one, generate_series(1, ${ROWS}) AS n,
       LATERAL jsonb_populate_record(one.k, jsonb_build_object(
         'id', md5(n::text), 'name', n, 'hash', '\\x' || encode(sha256(n::text::bytea), 'hex'))) AS c
     RETURNING id`,
  );
  return rows.map(({ id }) => id);
}

describe.each(['api_keys', 'gateway_tokens'])('uses of %s', (table) => {
  it('are written by two processes at once without a deadlock, whatever their order', async () => {
    const ids = await copied(table);
    const touch = (of: readonly string[]): Promise<void> =>
      onDatabase(database.superuserUrl, async (client) => {
        for (let round = 1; round <= ROUNDS; round += 1)
          await client.query(`SELECT touch_${table}($1, $2)`, [of, of.map(() => new Date(round * 1000))]);
      });
    await Promise.all([touch(ids), touch(ids.toReversed())]);
    expect(
      await rowsOf(database.superuserUrl, `SELECT DISTINCT last_used_at FROM ${table} WHERE id = ANY ($1)`, [ids]),
    ).toEqual([{ last_used_at: new Date(ROUNDS * 1000) }]);
  });
});
