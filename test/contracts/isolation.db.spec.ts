/**
 * Tenancy as a property of the database: what its catalogue says of every table, role, privilege and function. It also covers
 * future tables: one without a policy, or without an entry in the list below, fails here.
 */
import { readFile, writeFile } from 'node:fs/promises';
import pg from 'pg';
import { createEmptyDatabase, createTestDatabase, type TestDatabase } from '../support/postgres.js';
import { migrate } from '../../src/platform/database/index.js';
import { isolationFile, readIsolation } from '../../src/platform/database/isolation.js';
import { onDatabase, rowsOf, seedTenant, type SeededTenant } from '../support/sql.js';
import { differencesFrom } from './snapshot-file.js';

/** Tables that have no `tenant_id`, each with what keeps tenants apart there instead. */
const WITHOUT_TENANT: Readonly<Record<string, string>> = {
  users: 'People exist before and beside tenants; the app sees those who share an org with the tenant.',
  orgs: 'An org holds tenants; the app sees the one that the tenant belongs to.',
  tenants:
    'The tenant itself: its id is what others name; the app sees those of its org, whose people manage them all.',
  invitations: 'Places in an org are offered by the org; the app sees those of the org that the tenant belongs to.',
  memberships: 'Roles are per org; the app sees those of the org that the tenant belongs to.',
  claim_writes: 'An outbox about people before they have a tenant; the app has no right to it but by functions.',
  pepper_checks: 'Peppers are the installation’s; the app has no right to it but by functions.',
  process_leases: 'Processes serve all tenants; the app has no right to it but by functions.',
  sealed_revocations: 'What the operator revoked, of whichever tenant; the app has no right to it but by functions.',
  usage_months:
    'Which months of the ledger are on their way out, for all tenants; the app has no right to it but by functions.',
  rate_windows: 'Counts by opaque key, read on the hot path for many at once; the app has no right but by functions.',
};

/** Tables whose rows need not name a tenant, each with the rows that the app sees. */
const TENANT_OR_NONE: Readonly<Record<string, { readonly why: string; readonly condition: string | null }>> = {
  audit_events: {
    why: "Some events are the org's: the app sees those of its org, and its own tenant's.",
    condition:
      '((org_id = ( SELECT current_org_id() AS current_org_id)) AND ((tenant_id IS NULL) OR (tenant_id = current_tenant_id())))',
  },
  idempotency_keys: {
    why: 'Whoever makes an org has no tenant yet; the app has no right to it but by functions.',
    condition: null,
  },
};

/**
 * Only a table's owner can add a partition to it, detach or drop one, so these belong to the owner. The app calls the first,
 * which reads no row and takes no argument; only keep_usage_ledger calls the others.
 */
const OWNERS = ['prepare_usage_partitions()', 'drop_retired_usage(date)', 'retire_usage_partition(date)'];

/** Only triggers and other functions call these. */
const INNER = [
  'announce_human_prefix()',
  'announce_tenant()',
  'charge_budgets(budget_charge[],timestamp with time zone)',
  'drop_retired_usage(date)',
  'enqueue_webhook_event(text,text,text,jsonb)',
  'judge_calls(admission[],text[],bigint[],text[],uuid[],boolean,timestamp with time zone)',
  'lock_budgets(uuid[])',
  'promote_run(uuid,uuid)',
  'purge_tenant(text,uuid)',
  'retire_usage_partition(date)',
  'roll_up_reports(timestamp with time zone,integer)',
  'roll_up_usage(date,integer)',
  'tell_budgets(budget_event[])',
  'tell_run(uuid)',
  'tell_usage(uuid[])',
  'tell_usage_report()',
  'usage_months_due(timestamp with time zone)',
  'wanted_outputs(admission[])',
];

/** The applied migrations and functions. Only the owner has rights to these. */
const BOOKS = ['_prisma_migrations', '_gatehouse_functions'];
const APP = 'gatehouse_app';
const DEFINER = 'gatehouse_definer';

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});

afterAll(() => database.drop());

/** Settings of the planner do not affect isolation. */
const PLANNING = new Set([
  'lock_timeout=100ms',
  'plan_cache_mode=force_generic_plan',
  'enable_seqscan=off',
  'enable_hashjoin=off',
  'enable_mergejoin=off',
  'enable_material=off',
  'enable_bitmapscan=off',
  'enable_sort=off',
  'enable_incremental_sort=off',
  // The time that a batch waits for another transaction's budgets.
  'lock_timeout=100ms',
]);

const query = <Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> =>
  rowsOf<Row>(database.superuserUrl, text, values);

/** The view of the service: its role, with a tenant or without. */
function asApp<T>(tenantId: string | null, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const url = new URL(database.ownerUrl);
  url.searchParams.set('options', '-c role=gatehouse_app');
  return onDatabase(url.href, async (client) => {
    await client.query('BEGIN');
    if (tenantId !== null) await client.query("SELECT set_config('app.tenant_id', $1, true)", [tenantId]);
    return work(client);
  });
}

interface TableRow {
  readonly name: string;
  readonly kind: string;
  readonly enabled: boolean;
  readonly forced: boolean;
  readonly owner: string;
  readonly has_tenant: boolean;
  readonly partition: boolean;
}

/** All relations that hold rows: no indexes, and no row types of functions. */
const TABLES = `
  SELECT c.relname AS name, c.relkind AS kind, c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced,
         pg_get_userbyid(c.relowner) AS owner, c.relispartition AS partition,
         EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped)
           AS has_tenant
  FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind NOT IN ('i', 'I', 'c') ORDER BY c.relname`;

async function tables(): Promise<TableRow[]> {
  return (await query<TableRow>(TABLES)).filter(({ name }) => !BOOKS.includes(name));
}

describe('every table', () => {
  it('has row-level security enabled and forced, and belongs to neither role', async () => {
    const wrong = (await tables()).filter(
      ({ enabled, forced, owner }) => !enabled || !forced || [APP, DEFINER].includes(owner),
    );
    expect(wrong).toEqual([]);
    expect(await tables()).not.toEqual([]);
  });

  it('is a plain table, or a partitioned one: policies do not apply to a view or a sequence', async () => {
    expect((await tables()).filter(({ kind }) => !['r', 'p'].includes(kind))).toEqual([]);
  });

  it('names its tenant, or is in the list of exceptions, with a reason', async () => {
    const without = (await tables()).filter(({ has_tenant: hasTenant }) => !hasTenant).map(({ name }) => name);
    expect(without.sort()).toEqual(Object.keys(WITHOUT_TENANT).sort());
  });

  it('that names its tenant requires one, and limits reads and writes to the tenant of the transaction', async () => {
    const named = (await tables()).filter((table) => table.has_tenant && !table.partition).map(({ name }) => name);
    const rows = await query(
      `SELECT c.relname AS name, a.attnotnull AS required, pg_get_expr(p.polqual, p.polrelid) AS using,
              pg_get_expr(p.polwithcheck, p.polrelid) AS checked, p.polcmd AS command, p.polpermissive AS permissive
       FROM pg_class c
       JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
       JOIN pg_policy p ON p.polrelid = c.oid AND $1::regrole = ANY (p.polroles)
       WHERE c.relnamespace = 'public'::regnamespace ORDER BY 1`,
      [APP],
    );
    const expected = named.flatMap((name) => {
      const exception = TENANT_OR_NONE[name];
      const condition = exception === undefined ? '(tenant_id = current_tenant_id())' : exception.condition;
      const required = exception === undefined;
      return condition === null
        ? []
        : [{ name, required, using: condition, checked: condition, command: '*', permissive: true }];
    });
    expect(rows).toEqual(expected);
  });

  it('that is a partition has no policy and grants nothing: its rows can be reached only through its parent', async () => {
    const partitions = (await tables()).filter(({ partition }) => partition).map(({ name }) => name);
    expect(partitions.length).toBeGreaterThanOrEqual(3);
    const open = await query(
      `SELECT c.relname AS name FROM pg_class c
       WHERE c.relname = ANY ($1) AND c.relnamespace = 'public'::regnamespace
         AND (EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid)
              OR EXISTS (SELECT FROM aclexplode(c.relacl) a WHERE a.grantee <> c.relowner)
              OR EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attacl IS NOT NULL))`,
      [partitions],
    );
    expect(open).toEqual([]);
    for (const name of partitions) {
      const reading = asApp(null, (client) => client.query(`SELECT * FROM ${name}`));
      await expect(reading).rejects.toMatchObject({ code: '42501' });
    }
  });

  it('that refers to another by a foreign key includes the tenant in it, where both have one', async () => {
    // A foreign key's check ignores row-level security: without the tenant in the key, it would accept another tenant's row.
    const rows = await query<{ constraint: string; composite: boolean }>(
      `SELECT conname AS constraint,
              'tenant_id' = ANY (SELECT attname FROM pg_attribute WHERE attrelid = conrelid AND attnum = ANY (conkey)) AS composite
       FROM pg_constraint
       WHERE contype = 'f' AND connamespace = 'public'::regnamespace
         AND (SELECT count(DISTINCT attrelid) FROM pg_attribute
              WHERE attrelid IN (conrelid, confrelid) AND attname = 'tenant_id' AND NOT attisdropped) = 2`,
    );
    expect(rows.filter(({ composite }) => !composite)).toEqual([]);
  });

  it('has the policies that were reviewed, for the two roles only', async () => {
    const rows = await query<{
      table: string;
      policy: string;
      roles: string[];
      command: string;
      using: string;
      check: string;
    }>(
      `SELECT tablename AS table, policyname AS policy, roles::text[] AS roles, cmd AS command, qual AS using,
              with_check AS check FROM pg_policies WHERE schemaname = 'public' ORDER BY 1, 2`,
    );
    expect(rows.filter(({ roles }) => roles.length !== 1 || ![APP, DEFINER].includes(roles[0]!))).toEqual([]);
    const reviewed = Object.groupBy(rows, ({ table }) => table);
    expect(differencesFrom('isolation.policies.snapshot.json', withoutTable(reviewed))).toEqual([]);
  });
});

function withoutTable(groups: Partial<Record<string, { table: string }[]>>): object {
  return Object.fromEntries(
    Object.entries(groups).map(([name, rows]) => [name, rows?.map(({ table: _table, ...rest }) => rest)]),
  );
}

describe('the roles', () => {
  it("can't do anything that would bypass policies", async () => {
    const rows = await query(
      `SELECT rolname AS role, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication, rolcanlogin
       FROM pg_roles WHERE rolname = ANY ($1) ORDER BY 1`,
      [[APP, DEFINER]],
    );
    const harmless = { rolsuper: false, rolbypassrls: false, rolcreaterole: false, rolcreatedb: false };
    expect(rows).toEqual(
      [APP, DEFINER].map((role) => ({ role, ...harmless, rolreplication: false, rolcanlogin: false })),
    );
  });

  it('own nothing, except that the definer owns its functions', async () => {
    const rows = await query(
      `SELECT r.rolname AS role, d.classid::regclass::text AS kind, count(*)::int
       FROM pg_shdepend d JOIN pg_roles r ON r.oid = d.refobjid
       WHERE d.refclassid = 'pg_authid'::regclass AND d.deptype = 'o' AND r.rolname = ANY ($1)
         AND d.dbid IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
       GROUP BY 1, 2`,
      [[APP, DEFINER]],
    );
    const [definers] = await query<{ count: number }>(
      "SELECT count(*)::int FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef AND oid <> ALL ($1::regprocedure[])",
      [OWNERS],
    );
    expect(rows).toEqual([{ role: DEFINER, kind: 'pg_proc', count: definers?.count }]);
  });

  it('are members of no role, so neither inherits a right', async () => {
    const rows = await query(
      'SELECT roleid::regrole::text AS granted FROM pg_auth_members WHERE member::regrole::text = ANY ($1)',
      [[APP, DEFINER]],
    );
    expect(rows).toEqual([]);
  });

  it('are not inherited: the owner has to become one of them to act as it', async () => {
    const rows = await query(
      `SELECT member::regrole::text AS member FROM pg_auth_members
       WHERE roleid::regrole::text = ANY ($1) AND inherit_option AND NOT (SELECT rolsuper FROM pg_roles WHERE oid = member)`,
      [[APP, DEFINER]],
    );
    expect(rows).toEqual([]);
  });

  it('have the privileges that were reviewed, and PUBLIC has none', async () => {
    // Tables and columns, the schema, and default privileges of future objects.
    const rows = await query<{ role: string; object: string; privileges: string[]; grantable: boolean }>(
      `WITH acls AS (
         SELECT 'table ' || c.relname AS object, a.* FROM pg_class c, aclexplode(c.relacl) a
           WHERE c.relnamespace = 'public'::regnamespace
         UNION ALL
         SELECT 'column ' || c.relname || '.' || t.attname, a.* FROM pg_class c
           JOIN pg_attribute t ON t.attrelid = c.oid, aclexplode(t.attacl) a WHERE c.relnamespace = 'public'::regnamespace
         UNION ALL
         SELECT 'schema ' || n.nspname, a.* FROM pg_namespace n, aclexplode(n.nspacl) a WHERE n.nspname = 'public'
         UNION ALL
         SELECT 'default ' || d.defaclobjtype::text, a.* FROM pg_default_acl d, aclexplode(d.defaclacl) a
       )
       SELECT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END AS role, object,
              array_agg(privilege_type ORDER BY privilege_type) AS privileges, bool_or(is_grantable) AS grantable
       FROM acls WHERE grantee = 0 OR grantee::regrole::text = ANY ($1)
       GROUP BY 1, 2 ORDER BY 1, 2`,
      [[APP, DEFINER]],
    );
    expect(rows.filter(({ grantable }) => grantable)).toEqual([]);
    const byRole: Record<string, Record<string, string>> = { PUBLIC: {}, [APP]: {}, [DEFINER]: {} };
    for (const { role, object, privileges } of rows) byRole[role]![object] = privileges.join(', ');
    expect(byRole['PUBLIC']).toEqual({ 'schema public': 'USAGE' });
    expect(differencesFrom('isolation.privileges.snapshot.json', byRole)).toEqual([]);
  });
});

describe('the functions', () => {
  interface FunctionRow {
    readonly signature: string;
    readonly answers: string;
    readonly definer: boolean;
    readonly owner: string;
    readonly volatility: string;
    readonly settings: string[] | null;
    readonly executable_by: string[];
    readonly body: string;
  }
  const functions = (): Promise<FunctionRow[]> =>
    query<FunctionRow>(
      `SELECT p.oid::regprocedure::text AS signature, pg_get_function_result(p.oid) AS answers, p.prosecdef AS definer,
              CASE WHEN pg_get_userbyid(p.proowner) = ANY ($1) THEN pg_get_userbyid(p.proowner) ELSE 'the owner' END AS owner,
              CASE p.provolatile WHEN 'v' THEN 'volatile' WHEN 's' THEN 'stable' ELSE 'immutable' END AS volatility,
              p.proconfig AS settings,
              -- Without an entry of its own a function is executable by everybody.
              (SELECT coalesce(array_agg(CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END
                                         ORDER BY 1), '{}')
               FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
               WHERE a.grantee <> p.proowner) AS executable_by,
              encode(sha256(convert_to(p.prosrc, 'UTF8')), 'hex') AS body
       FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace ORDER BY 1`,
      [[APP, DEFINER]],
    );

  it('that read across tenants belong to the definer, fix their search path, and only the app may call them', async () => {
    const wrong = (await functions())
      .filter(({ definer }) => definer)
      .filter(
        ({ signature, owner, settings, executable_by: callers }) =>
          owner !== (OWNERS.includes(signature) ? 'the owner' : DEFINER) ||
          settings?.filter((setting) => !PLANNING.has(setting)).join() !== 'search_path=pg_catalog, public, pg_temp' ||
          callers.join() !== (OWNERS.slice(1).includes(signature) ? DEFINER : INNER.includes(signature) ? '' : APP),
      );
    expect(wrong).toEqual([]);
  });

  it('all have a fixed search path, and PUBLIC may call none of them', async () => {
    const wrong = (await functions()).filter(
      ({ signature, settings, executable_by: callers }) =>
        callers.includes('PUBLIC') ||
        // An aggregate can have none. This one adds by Postgres' own function.
        (signature !== 'sum_bigint(bigint)' &&
          !settings?.some((setting) => /^search_path=pg_catalog, (public, )?pg_temp$/.test(setting))),
    );
    expect(wrong).toEqual([]);
  });

  it('are those that were reviewed', async () => {
    const reviewed = Object.fromEntries((await functions()).map(({ signature, ...rest }) => [signature, rest]));
    expect(differencesFrom('isolation.functions.snapshot.json', reviewed)).toEqual([]);
  });

  it('are in a schema in which neither role can create an object that a definer function would then use', async () => {
    const rows = await query<{ role: string; may: boolean }>(
      "SELECT role, has_schema_privilege(role, 'public', 'CREATE') AS may FROM unnest($1::text[]) AS role",
      [[APP, DEFINER]],
    );
    expect(rows.filter(({ may }) => may)).toEqual([]);
  });
});

it('each start of the service checks the database against the state that the migrations create', async () => {
  const lines = await onDatabase(database.ownerUrl, (client) => readIsolation(client, 'gatehouse'));
  const file = isolationFile('prisma');
  if (process.env['UPDATE_CONTRACTS'] === '1') await writeFile(file, `${lines.join('\n')}\n`);
  expect((await readFile(file, 'utf8')).trimEnd().split('\n')).toEqual(lines);
});

describe('the app', () => {
  let a: SeededTenant;
  let b: SeededTenant;

  beforeAll(async () => {
    a = await seedTenant(database.superuserUrl);
    b = await seedTenant(database.superuserUrl);
    for (const { tenantId, orgId, ownerId } of [a, b]) {
      await query(
        `INSERT INTO api_keys (id, tenant_id, type, name, key_prefix, hash, pepper_version, scopes, created_by)
         VALUES ('key-of-' || $1::text, $1, 'SECRET', 'A key', 'sk_gh_', sha256($1::bytea), 1, '{}', $2)`,
        [tenantId, ownerId],
      );
      await query(
        `INSERT INTO usage_records (id, tenant_id, request_id, provider, model, streamed, reserved_input_tokens,
                                    reserved_output_tokens, lease_id)
         VALUES (adjustment_id(usage_id_floor(now())), $1, 'req', 'openai', 'm', false, 1, 1, gen_random_uuid())`,
        [tenantId],
      );
      await query(
        `INSERT INTO usage_records_retired (id, tenant_id, kind, state, provider, model, operation, requests, input_tokens,
                                            output_tokens, cached_input_tokens, cache_write_tokens, reasoning_tokens, created_at)
         VALUES (gen_random_uuid(), $1, 'CALL', 'SETTLED', 'openai', 'm', 'chat', 1, 1, 1, 0, 0, 0, now())`,
        [tenantId],
      );
      await query('INSERT INTO usage_rollups (tenant_id, bucket, calls) VALUES ($1, now(), 1)', [tenantId]);
      await query("INSERT INTO claim_writes (id, user_id, claims) VALUES (gen_random_uuid(), $1, '{}')", [ownerId]);
      await query(
        `INSERT INTO api_key_retired_secrets (hash, tenant_id, key_id, pepper_version, expires_at)
         VALUES (sha256(('old' || $1::text)::bytea), $1, 'key-of-' || $1::text, 1, now())`,
        [tenantId],
      );
      await query("INSERT INTO humans (tenant_id, human, id) VALUES ($1, 'bea', 'hum_' || $1)", [tenantId]);
      await query(
        `WITH made AS (
           INSERT INTO budgets (id, tenant_id, holder, type, period, amount, starts_at)
           VALUES (gen_random_uuid(), $1, 'tenant', 'request_cnt', 'NONE', 1, now()) RETURNING id, tenant_id)
         INSERT INTO budget_epochs (budget_id, epoch, tenant_id, starts_at, ended_at, amount, used, held)
         SELECT id, 0, tenant_id, now(), now(), 1, 0, 0 FROM made`,
        [tenantId],
      );
      await query(
        `INSERT INTO sealed_quotas (tenant_id, holder, used, ends_at) VALUES ($1, 'api', '{0,0,0}', '{now,now,now}')`,
        [tenantId],
      );
      await query(
        `INSERT INTO usage_tokens (id, tenant_id, key_id, human_id, expires_at)
         SELECT 'ut_' || $1, $1, k.id, 'hum_' || $1, now() FROM api_keys k WHERE k.tenant_id = $1`,
        [tenantId],
      );
      await query(
        `INSERT INTO usage_reports (id, tenant_id, human_id, type, micro_units, idempotency_key)
         VALUES (gen_random_uuid(), $1, 'hum_' || $1, 'conversational_seconds', 1, 'k')`,
        [tenantId],
      );
      await query(
        `INSERT INTO invitations (id, org_id, email, role, token_hash, invited_by, expires_at)
         VALUES ('inv-' || $1::text, $1, 'new@example.org', 'viewer', sha256($1::bytea), $2, now())`,
        [orgId, ownerId],
      );
      await query(
        `INSERT INTO audit_events (id, org_id, tenant_id, action, actor_type, resource_type, resource_id)
         VALUES (gen_random_uuid(), $1, $2, 'key.created', 'user', 'key', 'x')`,
        [orgId, tenantId],
      );
      await query(
        "INSERT INTO webhook_endpoints (id, tenant_id, url, created_by) VALUES ('webhook-of-' || $1::text, $1, 'https://a', 'b')",
        [tenantId],
      );
      await query(
        "INSERT INTO webhook_subscriptions (tenant_id, endpoint_id, type) VALUES ($1, 'webhook-of-' || $1::text, 'run.failed')",
        [tenantId],
      );
      await query(
        `INSERT INTO webhook_secrets (id, tenant_id, endpoint_id, envelope, key_version)
         VALUES (gen_random_uuid(), $1, 'webhook-of-' || $1::text, '\\x00', 1)`,
        [tenantId],
      );
      await query(
        `WITH event AS (
           INSERT INTO webhook_events (id, tenant_id, type, payload) VALUES (gen_random_uuid(), $1, 'run.failed', '{}')
           RETURNING id)
         INSERT INTO webhook_deliveries (id, tenant_id, endpoint_id, event_id)
         SELECT gen_random_uuid(), $1, 'webhook-of-' || $1::text, id FROM event`,
        [tenantId],
      );
      await query(
        "INSERT INTO tenant_data_keys (tenant_id, id, envelope, key_version) VALUES ($1, gen_random_uuid(), '\\x00', 1)",
        [tenantId],
      );
      await query(
        `WITH thread AS (
           INSERT INTO threads (id, tenant_id, owner, conversation_key) VALUES (gen_random_uuid(), $1, 'tenant', 'k') RETURNING id),
         run AS (
           INSERT INTO runs (id, tenant_id, thread_id, run_no, status, caller, request_id, ended_at)
           SELECT gen_random_uuid(), $1, id, 1, 'FAILED', '{}', 'req', now() FROM thread RETURNING id, thread_id),
         message AS (
           INSERT INTO thread_messages (run_id, n, tenant_id, thread_id, run_no, role, body, tokens)
           SELECT id, 0, $1, thread_id, 1, 'user', '\\x00', 1 FROM run)
         INSERT INTO run_deltas (run_id, step, start_at, tenant_id, body) SELECT id, 0, 0, $1, '\\x00' FROM run`,
        [tenantId],
      );
      await query(
        `INSERT INTO llm_providers (id, tenant_id, name, kind, created_by)
         VALUES ('provider-of-' || $1::text, $1, 'one', 'openai', 'somebody')`,
        [tenantId],
      );
      await query(
        `WITH made AS (
           INSERT INTO llm_contexts (id, tenant_id, owner) VALUES (gen_random_uuid(), $1, 'tenant') RETURNING id)
         INSERT INTO llm_context_messages (id, tenant_id, context_id, place, content)
         SELECT gen_random_uuid(), $1, id, 1, '\\x00' FROM made`,
        [tenantId],
      );
      await query(
        "INSERT INTO llm_responses (tenant_id, response_hash, owner, model) VALUES ($1, sha256('resp'), 'tenant', 'm')",
        [tenantId],
      );
      await query("INSERT INTO llm_model_overrides (tenant_id, model, context_tokens) VALUES ($1, 'm', 1)", [tenantId]);
      await query(
        `WITH route AS (
           INSERT INTO llm_routes (id, tenant_id, name, strategy, attempts, retry_on, created_by)
           VALUES ('route-of-' || $1::text, $1, 'one', 'FALLBACK', 1, '{}', 'somebody') RETURNING id)
         INSERT INTO llm_route_targets (tenant_id, route_id, place, provider_id, model, weight)
         SELECT $1, id, 0, 'provider-of-' || $1::text, 'm', 1 FROM route`,
        [tenantId],
      );
      await query(
        `WITH gateway AS (
           INSERT INTO gateways (id, tenant_id, name, cache_max_bytes, created_by)
           VALUES ('gateway-of-' || $1::text, $1, 'one', 1, 'somebody') RETURNING id)
         INSERT INTO gateway_tokens (id, tenant_id, gateway_id, name, hash, pepper_version, created_by)
         SELECT 'token-of-' || $1::text, $1, id, 'one', sha256(convert_to($1, 'UTF8')), 1, 'somebody' FROM gateway`,
        [tenantId],
      );
      await query(
        `WITH entry AS (
           INSERT INTO gateway_cache_entries (tenant_id, gateway_id, key, answer, bytes, created_at, expires_at)
           VALUES ($1, 'gateway-of-' || $1::text, '\\x00', '\\x00', 1, now(), now())),
         size AS (
           INSERT INTO gateway_cache_sizes (tenant_id, gateway_id, bytes) VALUES ($1, 'gateway-of-' || $1::text, 1))
         INSERT INTO gateway_call_bodies (id, tenant_id, gateway_id, request, expires_at)
         VALUES (gen_random_uuid(), $1, 'gateway-of-' || $1::text, '\\x00', now())`,
        [tenantId],
      );
      await query("INSERT INTO idempotency_keys (owner, key, tenant_id, request_hash) VALUES ($1, 'k', $1, 'h')", [
        tenantId,
      ]);
    }
    await query("INSERT INTO usage_months (month) VALUES ('2026-01-01')");
    await query("INSERT INTO process_leases (id, term) VALUES (gen_random_uuid(), '1 minute')");
    await query("INSERT INTO sealed_revocations (id, token_hash) VALUES (gen_random_uuid(), 'x')");
    await query("INSERT INTO pepper_checks (version, hash) VALUES (1, '\\x00')");
    await query("INSERT INTO rate_windows (key, opened_at, used) VALUES ('key:x', now(), 1)");
  });

  /** The number of rows of each table, or the error's code. */
  const counts = (tenantId: string | null): Promise<Record<string, number | string>> =>
    asApp(tenantId, async (client) => {
      const seen: Record<string, number | string> = {};
      for (const { name } of await tables()) {
        await client.query('SAVEPOINT s');
        seen[name] = await client.query<{ count: number }>(`SELECT count(*)::int FROM ${name}`).then(
          ({ rows }) => rows[0]!.count,
          (error: pg.DatabaseError) => error.code ?? 'no code',
        );
        await client.query('ROLLBACK TO s');
      }
      return seen;
    });

  const DENIED = '42501';
  const BY_FUNCTIONS_ALONE = {
    claim_writes: DENIED,
    gateway_cache_entries: DENIED,
    gateway_cache_sizes: DENIED,
    idempotency_keys: DENIED,
    llm_responses: DENIED,
    tenant_data_keys: DENIED,
    pepper_checks: DENIED,
    process_leases: DENIED,
    rate_windows: DENIED,
    sealed_quotas: DENIED,
    sealed_revocations: DENIED,
    usage_months: DENIED,
  };

  it("is tested with rows of two tenants in every table, so that seeing one tenant's means something", async () => {
    for (const { name, has_tenant: hasTenant, partition } of await tables()) {
      // A partition's rows are counted as its parent's.
      if (partition) continue;
      const [row] = await query<{ count: number }>(
        `SELECT ${hasTenant ? 'count(DISTINCT tenant_id)' : 'count(*)'}::int AS count FROM ${name}`,
      );
      expect({
        name,
        enough:
          row!.count >=
          (['pepper_checks', 'process_leases', 'rate_windows', 'sealed_revocations', 'usage_months'].includes(name)
            ? 1
            : 2),
      }).toEqual({
        name,
        enough: true,
      });
    }
  });

  it('sees nothing without a tenant, with an empty one, and with one that does not exist', async () => {
    const nothing = Object.fromEntries((await tables()).map(({ name, partition }) => [name, partition ? DENIED : 0]));
    for (const tenantId of [null, '', 'no-such-tenant']) {
      expect({ tenantId, seen: await counts(tenantId) }).toEqual({
        tenantId,
        seen: { ...nothing, ...BY_FUNCTIONS_ALONE },
      });
    }
  });

  it('sees one tenant: its rows, its org, its people', async () => {
    const own = Object.fromEntries((await tables()).map(({ name, partition }) => [name, partition ? DENIED : 1]));
    expect(await counts(a.tenantId)).toEqual({ ...own, ...BY_FUNCTIONS_ALONE });
    const ids = await asApp(a.tenantId, async (client) => {
      const { rows } = await client.query<{ id: string }>(
        'SELECT id FROM users UNION ALL SELECT id FROM orgs UNION ALL SELECT id FROM tenants UNION ALL SELECT tenant_id FROM api_keys UNION ALL SELECT tenant_id FROM usage_records',
      );
      return rows.map(({ id }) => id);
    });
    expect(ids).toEqual([a.ownerId, a.orgId, a.tenantId, a.tenantId, a.tenantId]);
  });

  it("never sees another tenant's row, whatever the query", async () => {
    const their = `key-of-${b.tenantId}`;
    const answers = await asApp(a.tenantId, async (client) => {
      const read = await client.query('SELECT * FROM api_keys WHERE id = $1 OR tenant_id = $2', [their, b.tenantId]);
      const changed = await client.query("UPDATE api_keys SET name = 'Ours now' WHERE id = $1", [their]);
      const all = await client.query("UPDATE api_keys SET description = 'x'");
      return [read.rowCount, changed.rowCount, all.rowCount];
    });
    expect(answers).toEqual([0, 0, 1]);
  });

  it.each<[string, (other: string) => [string, unknown[]]]>([
    [
      'make a row of another tenant',
      (other) => [
        `INSERT INTO api_keys (id, tenant_id, type, name, key_prefix, hash, pepper_version, scopes, created_by)
         VALUES ('planted', $1, 'SECRET', 'x', 'sk_gh_', 'x', 1, '{}', 'x')`,
        [other],
      ],
    ],
    ['move a row to another tenant', (other) => ['UPDATE api_keys SET tenant_id = $1', [other]]],
    ["change a key's kind", () => ["UPDATE api_keys SET type = 'PUBLISHABLE'", []]],
    ['delete a key', () => ['DELETE FROM api_keys', []]],
    ['write the ledger', () => ['UPDATE usage_records SET input_tokens = 0', []]],
    ['empty a table', () => ['TRUNCATE usage_records', []]],
    [
      'join an org',
      (other) => [
        "INSERT INTO memberships (org_id, user_id, role) SELECT org_id, 'x', 'owner' FROM tenants WHERE id = $1",
        [other],
      ],
    ],
    ['move a member to another org', (other) => ['UPDATE memberships SET org_id = $1', [other]]],
    ['move a tenant to another org', (other) => ['UPDATE tenants SET org_id = $1', [other]]],
    ['delete a tenant except by the function', () => ['DELETE FROM tenants', []]],
    ['delete an org except by the function', () => ['DELETE FROM orgs', []]],
    ['accept an invitation except by the function', () => ["UPDATE invitations SET accepted_by = 'x'", []]],
    ['change an event of the audit log', () => ["UPDATE audit_events SET action = 'nothing'", []]],
    ['delete a row of the audit log', () => ['DELETE FROM audit_events', []]],
    ["write the result of a webhook's delivery", () => ["UPDATE webhook_deliveries SET status = 'DELIVERED'", []]],
    ["delete a webhook's deliveries", () => ['DELETE FROM webhook_deliveries', []]],
    ['change the payload of an event', () => ["UPDATE webhook_events SET payload = '{}'", []]],
    ['move a provider to another tenant', (other) => ['UPDATE llm_providers SET tenant_id = $1', [other]]],
    ['move a route to another tenant', (other) => ['UPDATE llm_routes SET tenant_id = $1', [other]]],
    ['change the model of a target', () => ["UPDATE llm_route_targets SET model = 'x'", []]],
    ['change the kind of a provider', () => ["UPDATE llm_providers SET kind = 'anthropic'", []]],
    ["replace a webhook's secret", () => ["UPDATE webhook_secrets SET envelope = '\\x01'", []]],
    [
      "send an event to another tenant's webhooks",
      (other) => ["SELECT enqueue_webhook_event($1, 'run.failed', NULL, '{}')", [other]],
    ],
    [
      "send an event to another tenant's endpoint",
      (other) => [
        `INSERT INTO webhook_deliveries (id, tenant_id, endpoint_id, event_id)
         SELECT gen_random_uuid(), $1, 'webhook-of-' || $1::text, id FROM webhook_events`,
        [other],
      ],
    ],
    ['change a message of a thread', () => ["UPDATE thread_messages SET role = 'user'", []]],
    ['end a run except by the functions', () => ["UPDATE runs SET status = 'COMPLETED'", []]],
    ['empty the audit log', () => ['TRUNCATE audit_events', []]],
    [
      "write into another tenant's audit log",
      (other) => [
        `INSERT INTO audit_events (id, org_id, tenant_id, action, actor_type, resource_type, resource_id)
         VALUES (gen_random_uuid(), current_org_id(), $1, 'x', 'user', 'x', 'x')`,
        [other],
      ],
    ],
    [
      "write into another org's audit log",
      () => [
        `INSERT INTO audit_events (id, org_id, action, actor_type, resource_type, resource_id)
         VALUES (gen_random_uuid(), 'another', 'x', 'user', 'x', 'x')`,
        [],
      ],
    ],
    ["make another tenant's human", (tenantId) => ["INSERT INTO humans VALUES ($1, 'x', 'x')", [tenantId]]],
    [
      'purge a tenant, which only other functions may do',
      (other) => ['SELECT purge_tenant($1, gen_random_uuid())', [other]],
    ],
    ['switch the policies off', () => ['ALTER TABLE api_keys DISABLE ROW LEVEL SECURITY', []]],
    ['drop a policy', () => ['DROP POLICY tenant ON api_keys', []]],
    ['make a table', () => ['CREATE TABLE planted (id int)', []]],
    [
      'replace a function',
      () => ["CREATE OR REPLACE FUNCTION current_tenant_id() RETURNS text LANGUAGE sql AS $$ SELECT 'x' $$", []],
    ],
    ['read the list of applied migrations', () => [`SELECT * FROM ${BOOKS[0]}`, []]],
    ['read the list of applied functions', () => [`SELECT * FROM ${BOOKS[1]}`, []]],
    ['read the hashes of passwords', () => ['SELECT * FROM pg_authid', []]],
  ])('may not %s', async (_what, statement) => {
    const [text, values] = statement(b.tenantId);
    const error = await asApp(a.tenantId, (client) => client.query(text, values)).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(pg.DatabaseError);
    expect((error as pg.DatabaseError).code).toBe(DENIED);
  });

  it('has no tenant in the next transaction on the same connection', async () => {
    await asApp(a.tenantId, async (client) => {
      for (const end of ['COMMIT', 'ROLLBACK']) {
        await client.query(end);
        const { rows } = await client.query(
          'SELECT current_tenant_id() AS tenant, (SELECT count(*)::int FROM api_keys) AS keys',
        );
        expect({ end, rows }).toEqual({ end, rows: [{ tenant: null, keys: 0 }] });
        await client.query("BEGIN; SELECT set_config('app.tenant_id', 'another', true)");
      }
    });
  });

  it('keeps its role and rows after RESET ROLE, which leads back to the app and not to the owner', async () => {
    await asApp(a.tenantId, async (client) => {
      await client.query('RESET ROLE');
      const { rows } = await client.query('SELECT current_user AS role, (SELECT count(*)::int FROM api_keys) AS keys');
      expect(rows).toEqual([{ role: APP, keys: 1 }]);
    });
  });

  it('is not the only one bound: the owner, who is not a superuser, sees no rows, since policies are forced', async () => {
    const rows = await rowsOf(
      database.ownerUrl,
      `SELECT (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user) AS above,
              (SELECT count(*)::int FROM api_keys) AS keys, (SELECT count(*)::int FROM usage_records) AS records`,
    );
    expect(rows).toEqual([{ above: false, keys: 0, records: 0 }]);
  });
});

describe('a database that its owner, who is not a superuser, migrates from nothing', () => {
  it('has every table under the same policies, functions and privileges', async () => {
    const fresh = await createEmptyDatabase();
    try {
      const { applied } = await migrate(fresh.ownerUrl, 'prisma');
      expect(applied.length).toBeGreaterThan(0);
      await rowsOf(fresh.ownerUrl, 'SELECT prepare_usage_partitions()');
      const [owner] = await rowsOf<{ above: boolean }>(
        fresh.ownerUrl,
        'SELECT rolsuper OR rolbypassrls AS above FROM pg_roles WHERE rolname = current_user',
      );
      expect(owner).toEqual({ above: false });
      const catalogue = `
        SELECT (SELECT jsonb_agg(to_jsonb(p) ORDER BY p.tablename, p.policyname) FROM pg_policies p) AS policies,
               (SELECT jsonb_agg(jsonb_build_array(relname, relrowsecurity, relforcerowsecurity, relacl::text) ORDER BY relname)
                FROM pg_class WHERE relnamespace = 'public'::regnamespace) AS tables,
               (SELECT jsonb_agg(jsonb_build_array(oid::regprocedure::text, prosecdef, proowner::regrole, proacl::text,
                                                   proconfig) ORDER BY oid::regprocedure::text)
                FROM pg_proc WHERE pronamespace = 'public'::regnamespace) AS functions`;
      expect(await rowsOf(fresh.superuserUrl, catalogue)).toEqual(await query(catalogue));
    } finally {
      await fresh.drop();
    }
  });
});
