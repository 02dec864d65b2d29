/** Append-only by right: what Postgres refuses, whatever the service tries. */
import { createTestDatabase, type TestDatabase } from '../../test/support/postgres.js';
import { onDatabase, rowsOf, seedTenant, type SeededTenant } from '../../test/support/sql.js';

let postgres: TestDatabase;
let acme: SeededTenant;
let other: SeededTenant;

beforeAll(async () => {
  postgres = await createTestDatabase();
  acme = await seedTenant(postgres.superuserUrl);
  other = await seedTenant(postgres.superuserUrl);
  for (const { orgId, tenantId } of [acme, other]) {
    await rowsOf(postgres.superuserUrl, INSERT, [orgId, tenantId]);
    await rowsOf(postgres.superuserUrl, INSERT, [orgId, null]);
  }
});

afterAll(() => postgres.drop());

const INSERT = `INSERT INTO audit_events (id, org_id, tenant_id, action, actor_type, resource_type, resource_id)
                VALUES (gen_random_uuid(), $1, $2, 'a.b', 'user', 'r', 'r')`;
const INSUFFICIENT_PRIVILEGE = '42501';

/** As the service's role, in a transaction that sees acme, or no tenant. */
function asApp<T>(work: Parameters<typeof onDatabase<T>>[1], tenantId: string | null = acme.tenantId): Promise<T> {
  const url = new URL(postgres.ownerUrl);
  url.searchParams.set('options', '-c role=gatehouse_app');
  return onDatabase(url.href, async (client) => {
    await client.query('BEGIN');
    if (tenantId !== null) await client.query("SELECT set_config('app.tenant_id', $1, true)", [tenantId]);
    return work(client);
  });
}

/** Postgres' code for the refusal; null: it was done. */
const refusalOf = (text: string, values: unknown[] = [], tenantId?: string | null): Promise<string | null> =>
  asApp(
    (client) =>
      client.query(text, values).then(
        () => null,
        (error: unknown) => (error as { code: string }).code,
      ),
    tenantId,
  );

const everything = (): Promise<unknown[]> => rowsOf(postgres.superuserUrl, 'SELECT * FROM audit_events ORDER BY id');

it('a row is neither changed nor taken away by the service, its own tenant’s neither', async () => {
  const before = await everything();
  const columns = await rowsOf<{ name: string }>(
    postgres.superuserUrl,
    `SELECT attname AS name FROM pg_attribute
     WHERE attrelid = 'audit_events'::regclass AND attnum > 0 AND NOT attisdropped`,
  );
  const tried = [
    ...columns.map(({ name }) => `UPDATE audit_events SET ${name} = ${name}`),
    'DELETE FROM audit_events',
    'DELETE FROM audit_events WHERE false',
    'TRUNCATE audit_events',
    'SELECT 1 FROM audit_events FOR UPDATE',
    `MERGE INTO audit_events e USING (SELECT 1) s ON true WHEN MATCHED THEN DELETE`,
    `INSERT INTO audit_events SELECT * FROM audit_events LIMIT 1 ON CONFLICT (id) DO UPDATE SET action = 'x'`,
    'ALTER TABLE audit_events DISABLE ROW LEVEL SECURITY',
    'ALTER TABLE audit_events DISABLE TRIGGER ALL',
    'DROP TABLE audit_events',
  ];
  expect(tried.length).toBeGreaterThan(20);
  for (const text of tried)
    expect({ text, code: await refusalOf(text) }).toEqual({ text, code: INSUFFICIENT_PRIVILEGE });
  expect(await everything()).toEqual(before);
});

it('no function of the service changes a row; a deleted org or tenant takes its rows along, retention those of 30 days ago', async () => {
  const functions = await rowsOf<{ name: string; source: string; app: boolean }>(
    postgres.superuserUrl,
    `SELECT proname AS name, prosrc AS source, has_function_privilege('gatehouse_app', oid, 'EXECUTE') AS app
     FROM pg_proc WHERE pronamespace = 'public'::regnamespace`,
  );
  const named = (pattern: RegExp): string[] =>
    functions
      .filter(({ source }) => pattern.test(source))
      .map(({ name }) => name)
      .sort();
  expect(named(/(?:UPDATE|TRUNCATE|MERGE\s+INTO)(?:\s+TABLE|\s+ONLY)*\s+audit_events/i)).toEqual([]);
  expect(named(/DELETE\s+FROM(?:\s+ONLY)?\s+audit_events/i)).toEqual([
    'delete_org',
    'prune_audit_events',
    'purge_tenant',
  ]);
  expect(named(/purge_tenant\(/)).toEqual(['delete_org', 'delete_tenant']);
  expect(functions.find(({ name }) => name === 'purge_tenant')).toMatchObject({ app: false });
  // Nothing hides in a text that is run: these name the ledger's partitions alone.
  expect(named(/\bEXECUTE\b/i)).toEqual(['add_usage_partition', 'drop_retired_usage', 'retire_usage_partition']);
  expect(functions.length).toBeGreaterThan(20);
});

it('the role of those functions has no right to change a row either', async () => {
  const [row] = await rowsOf(
    postgres.superuserUrl,
    `SELECT has_table_privilege('gatehouse_definer', 'audit_events', 'UPDATE') AS updates,
            has_any_column_privilege('gatehouse_definer', 'audit_events', 'UPDATE') AS updates_columns,
            has_table_privilege('gatehouse_definer', 'audit_events', 'TRUNCATE') AS truncates,
            has_any_column_privilege('gatehouse_app', 'audit_events', 'UPDATE') AS app_updates_columns`,
  );
  expect(row).toEqual({ updates: false, updates_columns: false, truncates: false, app_updates_columns: false });
});

it('another tenant’s row, or another org’s, is neither seen nor written', async () => {
  const seen = await asApp(
    async (client) => (await client.query<{ org_id: string; tenant_id: string }>('SELECT * FROM audit_events')).rows,
  );
  expect(seen.map(({ org_id: org, tenant_id: tenant }) => [org, tenant]).sort()).toEqual(
    [
      [acme.orgId, acme.tenantId],
      [acme.orgId, null],
    ].sort(),
  );
  for (const values of [
    [other.orgId, other.tenantId],
    [other.orgId, null],
    [acme.orgId, other.tenantId],
    [other.orgId, acme.tenantId],
  ]) {
    expect(await refusalOf(INSERT, values)).toBe(INSUFFICIENT_PRIVILEGE);
  }
  expect(await refusalOf(INSERT, [acme.orgId, acme.tenantId])).toBeNull();
  // Without a tenant there is nothing, to read or to write to.
  expect(await refusalOf(INSERT, [acme.orgId, null], null)).toBe(INSUFFICIENT_PRIVILEGE);
  expect(await asApp(async (client) => (await client.query('SELECT 1 FROM audit_events')).rowCount, null)).toBe(0);
});

it('a tenant’s deletion takes its rows, and leaves one tombstone without a person’s name', async () => {
  const { superuserUrl } = postgres;
  const doomed = await seedTenant(superuserUrl);
  const spare = `${doomed.tenantId}-spare`;
  await rowsOf(superuserUrl, "INSERT INTO tenants (id, org_id, name) VALUES ($1, $2, 'Spare')", [spare, doomed.orgId]);
  await rowsOf(superuserUrl, INSERT, [doomed.orgId, doomed.tenantId]);
  await rowsOf(superuserUrl, INSERT, [doomed.orgId, spare]);
  await asApp(async (client) => {
    await client.query("SELECT record_impersonation(gen_random_uuid(), $1, 'key_1', 'ann', 'r', 'req', '192.0.2.1')", [
      doomed.tenantId,
    ]);
    await client.query("SELECT delete_tenant($1, 'Production', gen_random_uuid())", [doomed.tenantId]);
    await client.query('COMMIT');
  }, spare);
  const rows = await rowsOf(
    superuserUrl,
    'SELECT tenant_id, action, actor_id, human_id, resource_id, request_id, address, details FROM audit_events WHERE org_id = $1 ORDER BY action',
    [doomed.orgId],
  );
  expect(rows).toEqual([
    expect.objectContaining({ tenant_id: spare, action: 'a.b' }),
    {
      tenant_id: null,
      action: 'tenant.deleted',
      actor_id: null,
      human_id: null,
      resource_id: doomed.tenantId,
      request_id: null,
      address: null,
      details: {},
    },
  ]);
});
