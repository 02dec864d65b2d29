import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { createTestDatabase, type TestDatabase } from '../../../test/support/postgres.js';
import { onDatabase, rowsOf, seedKeyAndCall, seedTenant, type SeededTenant } from '../../../test/support/sql.js';
import { testSettings } from '../../../test/support/settings.js';
import { appConnection } from './connections.js';
import { Database } from './database.js';

let test: TestDatabase;
let database: Database;
let acme: SeededTenant;
let globex: SeededTenant;

beforeAll(async () => {
  test = await createTestDatabase();
  database = new Database(testSettings({ databaseUrl: test.ownerUrl }));
  acme = await seedTenant(test.superuserUrl);
  globex = await seedTenant(test.superuserUrl);
  for (const tenant of [acme, globex]) await seedKeyAndCall(test.superuserUrl, tenant);
});

afterAll(async () => {
  await database.close();
  await test.drop();
});

const once = (text: string): { name: string; text: string } => ({ name: `spec-${text.slice(0, 40)}`, text });

/** A connection as the service opens it. */
function asService<T>(work: (client: pg.Client) => Promise<T>, databaseAppUrl?: string): Promise<T> {
  const settings = testSettings({ databaseUrl: test.ownerUrl, databaseAppUrl });
  return withClient(new pg.Client(appConnection(settings)), work);
}

async function withClient<T>(client: pg.Client, work: (client: pg.Client) => Promise<T>): Promise<T> {
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Creates a login with these memberships during `work`. Roles belong to the whole cluster. */
async function withLogin<T>(
  memberships: readonly string[],
  options: string,
  work: (url: string) => Promise<T>,
): Promise<T> {
  const role = `app_${randomUUID().slice(0, 8)}`;
  await rowsOf(
    test.superuserUrl,
    `CREATE ROLE ${role} LOGIN PASSWORD 'x' ${options} ${memberships.length > 0 ? `IN ROLE ${memberships.join(', ')}` : ''}`,
  );
  const url = new URL(test.ownerUrl);
  url.username = role;
  url.password = 'x';
  try {
    return await work(url.href);
  } finally {
    await onDatabase(test.superuserUrl, (client) => client.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`));
  }
}

describe("the service's role", () => {
  const FORBIDDEN = [
    'UPDATE api_keys SET tenant_id = tenant_id',
    'UPDATE api_keys SET type = type',
    'UPDATE api_keys SET last_used_at = now()',
    'UPDATE api_keys SET created_by = created_by',
    'DELETE FROM api_keys',
    'TRUNCATE api_keys',
    'INSERT INTO usage_records SELECT * FROM usage_records',
    'UPDATE usage_records SET output_tokens = 0',
    'DELETE FROM usage_records',
    'TRUNCATE usage_records',
    'UPDATE memberships SET org_id = org_id',
    'INSERT INTO memberships SELECT * FROM memberships',
    'UPDATE users SET email = email',
    'UPDATE tenants SET org_id = org_id',
    'DELETE FROM tenants',
    'UPDATE orgs SET created_by = created_by',
    "UPDATE humans SET human = 'another'",
    "UPDATE humans SET id = 'hum_another'",
    'UPDATE usage_reports SET micro_units = 0',
    'DELETE FROM usage_reports',
    'DELETE FROM usage_tokens',
    'SELECT charge_budgets(NULL, now())',
    "SELECT enqueue_webhook_event('other', 'run.failed', NULL, '{}')",
    'UPDATE invitations SET accepted_by = invited_by',
    'UPDATE audit_events SET action = action',
    'DELETE FROM audit_events',
    'TRUNCATE audit_events',
    'SELECT * FROM idempotency_keys',
    'SELECT * FROM claim_writes',
    'SELECT * FROM process_leases',
    'UPDATE process_leases SET renewed_at = now()',
    'SELECT * FROM rate_windows',
    'DELETE FROM rate_windows',
    'SELECT announce_api_key()',
    'CREATE TABLE public.mine (id int)',
    'CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$',
    'CREATE SCHEMA mine',
    'CREATE ROLE mine',
    'ALTER TABLE api_keys DISABLE ROW LEVEL SECURITY',
    'ALTER TABLE api_keys NO FORCE ROW LEVEL SECURITY',
    'CREATE POLICY mine ON api_keys USING (true)',
    'DROP POLICY tenant ON api_keys',
    'DROP TABLE api_keys',
    'ALTER TABLE api_keys DISABLE TRIGGER ALL',
    'ALTER FUNCTION find_api_key(bytea[]) SECURITY INVOKER',
    'SELECT * FROM _prisma_migrations',
    'SET row_security = off; SELECT * FROM api_keys',
    'SET session_replication_role = replica',
    "COPY api_keys TO PROGRAM 'cat'",
    "SELECT pg_read_file('/etc/passwd')",
  ];

  it.each(FORBIDDEN)('may not: %s', async (statement) => {
    await asService(async (client) => {
      await client.query("SELECT set_config('app.tenant_id', $1, false)", [acme.tenantId]);
      const error: unknown = await client.query(statement).then(
        () => null,
        (thrown: unknown) => thrown,
      );
      expect(error).toMatchObject({ code: '42501' });
    });
  });

  it('is not left by RESET ROLE', async () => {
    await asService(async (client) => {
      await client.query('RESET ROLE');
      expect((await client.query('SELECT current_user AS role')).rows).toEqual([{ role: 'gatehouse_app' }]);
      await client.query('RESET ALL');
      expect((await client.query('SELECT current_user AS role')).rows).toEqual([{ role: 'gatehouse_app' }]);
    });
  });

  it.each([
    'SET ROLE gatehouse_definer',
    'SET ROLE gatehouse',
    'SET SESSION AUTHORIZATION gatehouse',
    'SET SESSION AUTHORIZATION gatehouse_definer',
  ])('under a login of its own has no way to: %s', async (statement) => {
    await withLogin(['gatehouse_app'], 'INHERIT', (url) =>
      asService(async (client) => {
        await expect(client.query(statement)).rejects.toMatchObject({ code: '42501' });
      }, url),
    );
  });

  it('under a login of its own sees the same: nothing outside a tenant, and its own rows inside', async () => {
    await withLogin(['gatehouse_app'], 'INHERIT', async (url) => {
      const service = new Database(testSettings({ databaseUrl: test.ownerUrl, databaseAppUrl: url }));
      try {
        await service.assertConfined();
        expect(await service.call(once('SELECT * FROM api_keys'), [])).toEqual([]);
        const keys = await service.withTenant(acme.tenantId, (tx) => tx.apiKey.findMany());
        expect(keys.map(({ tenantId }) => tenantId)).toEqual([acme.tenantId]);
      } finally {
        await service.close();
      }
    });
  });

  it("can't mislead a function that reads across tenants by a table or function of its own", async () => {
    await asService(async (client) => {
      await client.query(
        'CREATE TEMPORARY TABLE api_keys (id text, tenant_id text, type text, hash bytea, pepper_version int, scopes text[], requests_per_minute int, expires_at timestamptz, revoked_at timestamptz)',
      );
      await client.query(
        "INSERT INTO pg_temp.api_keys VALUES ('mine', 'mine', 'SECRET', '\\x01', 1, '{}', null, null, null)",
      );
      await client.query('CREATE TEMPORARY TABLE memberships (org_id text, user_id text, role text)');
      expect((await client.query("SELECT id FROM find_api_key(ARRAY['\\x01'::bytea])")).rows).toEqual([{ id: null }]);
      await client.query('SET search_path = pg_temp, public');
      expect((await client.query("SELECT id FROM find_api_key(ARRAY['\\x01'::bytea])")).rows).toEqual([{ id: null }]);
      expect(
        (await client.query('SELECT role FROM find_membership($1, $2)', [acme.tenantId, acme.ownerId])).rows,
      ).toEqual([{ role: 'owner' }]);
    });
  });
});

describe('the service refuses to run', () => {
  async function refusal(databaseAppUrl: string): Promise<string | null> {
    const service = new Database(testSettings({ databaseUrl: test.ownerUrl, databaseAppUrl }));
    try {
      return await service.assertConfined().then(
        () => null,
        (error: unknown) => (error as Error).message,
      );
    } finally {
      await service.close();
    }
  }

  it('as a superuser, and as the owner of the tables, with one plain sentence', async () => {
    for (const url of [test.superuserUrl, test.ownerUrl])
      expect(await refusal(url)).toMatch(/^[^\n]*gatehouse_app[^\n]*\.$/);
  });

  it('as a login that may bypass row-level security', async () => {
    await withLogin(['gatehouse_app'], 'BYPASSRLS', async (url) => expect(await refusal(url)).toContain('BYPASSRLS'));
  });

  it('as a login that may become the owner', async () => {
    await withLogin(['gatehouse_app', 'gatehouse'], 'INHERIT', async (url) =>
      expect(await refusal(url)).not.toBeNull(),
    );
  });

  it('as a login with the rights of the role that reads across tenants', async () => {
    await withLogin(['gatehouse_app', 'gatehouse_definer'], 'INHERIT', async (url) =>
      expect(await refusal(url)).not.toBeNull(),
    );
  });

  it('but not as its intended login', async () => {
    await expect(database.assertConfined()).resolves.toBeUndefined();
    await withLogin(['gatehouse_app'], 'INHERIT', async (url) => expect(await refusal(url)).toBeNull());
  });
});
