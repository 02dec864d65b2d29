import { eventually } from '../../../test/support/eventually.js';
import { furnish } from '../../../test/support/furnished-tenant.js';
import { createTestDatabase, type TestDatabase } from '../../../test/support/postgres.js';
import { onDatabase, rowsOf, seedKeyAndCall, seedTenant } from '../../../test/support/sql.js';

const ROWS = 20;
const USED_AT = new Date(1000);

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
  const tenant = await seedTenant(database.superuserUrl);
  await seedKeyAndCall(database.superuserUrl, tenant);
  await furnish(database.superuserUrl, tenant.tenantId);
});

afterAll(() => database.drop());

/** @returns the ids of new rows from the last to the first, as they stand in the table */
async function copied(table: string): Promise<string[]> {
  const rows = await rowsOf<{ id: string }>(
    database.superuserUrl,
    `INSERT INTO ${table} SELECT c.*
     FROM (SELECT k FROM ${table} k LIMIT 1) AS one, generate_series(${ROWS}, 1, -1) AS n,
       LATERAL jsonb_populate_record(one.k, jsonb_build_object(
         'id', 'copy_' || lpad(n::text, 3, '0'), 'name', n, 'hash', '\\x' || encode(sha256(n::text::bytea), 'hex'))) AS c
     RETURNING id`,
  );
  return rows.map(({ id }) => id);
}

describe.each(['api_keys', 'gateway_tokens'])('uses of %s', (table) => {
  it('are written in the order of ids, so that a batch which waits for one holds no later one', async () => {
    const ids = await copied(table);
    const [last, first] = [ids[0], ids.at(-1)];
    await onDatabase(database.superuserUrl, async (holder) => {
      await holder.query('BEGIN');
      await holder.query(`SELECT FROM ${table} WHERE id = $1 FOR UPDATE`, [first]);
      const written = rowsOf(database.superuserUrl, `SELECT touch_${table}($1, $2)`, [ids, ids.map(() => USED_AT)]);
      await eventually(async () => {
        const waiting = await rowsOf(
          database.superuserUrl,
          "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE $1",
          [`SELECT touch_${table}%`],
        );
        return waiting.length === 1;
      });
      const free = await holder.query(`SELECT id FROM ${table} WHERE id = $1 FOR UPDATE SKIP LOCKED`, [last]);
      expect(free.rows).toEqual([{ id: last }]);
      await holder.query('COMMIT');
      await written;
    });
    expect(
      await rowsOf(database.superuserUrl, `SELECT DISTINCT last_used_at FROM ${table} WHERE id = ANY ($1)`, [ids]),
    ).toEqual([{ last_used_at: USED_AT }]);
  });
});
