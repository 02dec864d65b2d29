/** A database that does not keep tenants apart as this build requires is reported line by line, and no service starts on it. */
import path from 'node:path';
import { createTestDatabase, type TestDatabase } from '../../../test/support/postgres.js';
import { rowsOf } from '../../../test/support/sql.js';
import { assertIsolation } from './isolation.js';

const PRISMA = path.join(process.cwd(), 'prisma');

let database: TestDatabase;

beforeEach(async () => {
  database = await createTestDatabase();
});

afterEach(() => database.drop());

const change = (sql: string): Promise<unknown> => rowsOf(database.superuserUrl, sql);

/** The lines of the refusal; none: the database is accepted. */
async function told(): Promise<string[]> {
  const error = await assertIsolation(database.ownerUrl, PRISMA, 'gatehouse').then(
    () => null,
    (thrown: unknown) => thrown as Error,
  );
  return error === null
    ? []
    : error.message
        .split('\n')
        .slice(1)
        .map((line) => line.trim());
}

it("a database as the migrations create it is accepted, and so are the operator's own additions", async () => {
  expect(await told()).toEqual([]);
  await change(
    `CREATE TABLE notes (tenant_id text, text text); CREATE ROLE r_${Date.now()}; GRANT SELECT ON notes TO gatehouse_app;
     CREATE FUNCTION of_the_operator() RETURNS text LANGUAGE sql AS $$ SELECT 'mine' $$`,
  );
  expect(await told()).toEqual([]);
});

it.each([
  [
    'a missing policy',
    'DROP POLICY tenant ON humans',
    [/^missing: table humans: policy tenant, command \*, for gatehouse_app/],
  ],
  [
    'a policy that shows more',
    'CREATE POLICY all_rows ON humans TO gatehouse_app USING (true)',
    [/^unexpected: table humans: policy all_rows, .* using true/],
  ],
  [
    'row-level security that does not bind the owner',
    'ALTER TABLE api_keys NO FORCE ROW LEVEL SECURITY',
    [
      /^missing: table api_keys: row-level security on, forced, owner the owner$/,
      /^unexpected: table api_keys: .*, not forced/,
    ],
  ],
  [
    'a partition that is open',
    `DO $$ BEGIN EXECUTE format('GRANT SELECT ON %I TO gatehouse_app',
       (SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r' LIMIT 1)); END $$`,
    [/^unexpected: partition of usage_records: gatehouse_app may SELECT$/],
  ],
  [
    'a function with a superuser for its owner, as a restore without the roles leaves it',
    'ALTER FUNCTION find_api_key OWNER TO postgres',
    [
      /^missing: function find_api_key: .* owner gatehouse_definer/,
      /^unexpected: function find_api_key: .* owner postgres/,
    ],
  ],
  [
    'another body of a function',
    `CREATE OR REPLACE FUNCTION current_tenant_id() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
       SET search_path = pg_catalog, pg_temp AS $$ SELECT 'another' $$`,
    [/^missing: function current_tenant_id: .* body /, /^unexpected: function current_tenant_id: .* body /],
  ],
  [
    'an additional right to a column',
    'GRANT UPDATE (created_by) ON api_keys TO gatehouse_app',
    [/^unexpected: table api_keys column created_by: gatehouse_app may UPDATE$/],
  ],
  ['a right for everybody', 'GRANT SELECT ON tenants TO PUBLIC', [/^unexpected: table tenants: PUBLIC may SELECT$/]],
  [
    'a function of the definer that is not ours',
    `CREATE FUNCTION back_door() RETURNS text LANGUAGE sql SECURITY DEFINER AS $$ SELECT '' $$;
     ALTER FUNCTION back_door OWNER TO gatehouse_definer`,
    [/^unexpected: function back_door: .* called by PUBLIC/],
  ],
  [
    'a trigger that does not fire',
    'ALTER TABLE api_keys DISABLE TRIGGER announce_change',
    [
      /^missing: table api_keys: trigger announce_change calls/,
      /^unexpected: table api_keys: trigger announce_change \(not enabled\)/,
    ],
  ],
])('%s is named', async (_what, sql, lines) => {
  await change(sql);
  const differences = await told();
  expect(differences).toHaveLength(lines.length);
  for (const [index, line] of lines.entries()) expect(differences[index]).toMatch(line);
});
