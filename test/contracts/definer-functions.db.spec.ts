/**
 * The functions that look before a tenant is known, or across tenants: each is called with one tenant's data, and shows
 * or changes nothing of another's beyond what its purpose says. A function without a test here fails the first one.
 */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';
import { onDatabase, rowsOf, seedTenant } from '../support/sql.js';

interface Tenant {
  readonly tenantId: string;
  readonly orgId: string;
  readonly ownerId: string;
  readonly keyId: string;
  readonly hash: Buffer;
  readonly leaseId: string;
  readonly recordId: string;
  readonly window: string;
  readonly claimWriteId: string;
}

let database: TestDatabase;
let app: pg.Client;
let a: Tenant;
let b: Tenant;

beforeAll(async () => {
  database = await createTestDatabase();
  const url = new URL(database.ownerUrl);
  url.searchParams.set('options', '-c role=gatehouse_app');
  app = new pg.Client(url.href);
  await app.connect();
});

afterAll(async () => {
  await app.end();
  await database.drop();
});

// A pair of tenants for each test, so that none sees what another did.
beforeEach(async () => {
  a = await makeTenant();
  b = await makeTenant();
});

async function makeTenant(): Promise<Tenant> {
  const { tenantId, orgId, ownerId } = await seedTenant(database.superuserUrl);
  const id = randomUUID();
  const tenant: Tenant = {
    tenantId,
    orgId,
    ownerId,
    keyId: `key_${id}`,
    hash: Buffer.from(id),
    leaseId: randomUUID(),
    recordId: randomUUID(),
    window: `key:${id}`,
    claimWriteId: randomUUID(),
  };
  await onDatabase(database.superuserUrl, async (client) => {
    await client.query(
      `INSERT INTO api_keys (id, tenant_id, type, name, key_prefix, hash, pepper_version, scopes, created_by)
       VALUES ($1, $2, 'SECRET', 'A key', 'sk_gh_', $3, 1, '{chat:write}', $4)`,
      [tenant.keyId, tenantId, tenant.hash, ownerId],
    );
    await client.query('INSERT INTO process_leases (id) VALUES ($1)', [tenant.leaseId]);
    await client.query(
      `INSERT INTO usage_records (id, tenant_id, key_id, request_id, provider, model, streamed, reserved_input_tokens,
                                  reserved_output_tokens, lease_id)
       VALUES ($1, $2, $3, 'req', 'openai', 'm', false, 10, 20, $4)`,
      [tenant.recordId, tenantId, tenant.keyId, tenant.leaseId],
    );
    await client.query('INSERT INTO rate_windows (key, opened_at, used) VALUES ($1, now(), 3)', [tenant.window]);
    await client.query(
      `INSERT INTO claim_writes (id, user_id, claims) VALUES ($1, $2, jsonb_build_object('tenant_id', $3::text))`,
      [tenant.claimWriteId, ownerId, tenantId],
    );
  });
  return tenant;
}

/** Everything that is a tenant's, in every table, as text. */
async function everythingOf(tenant: Tenant): Promise<string> {
  const [row] = await rowsOf<{ all: object }>(
    database.superuserUrl,
    `SELECT jsonb_build_array(
       (SELECT jsonb_agg(to_jsonb(u)) FROM users u WHERE u.id = $3),
       (SELECT jsonb_agg(to_jsonb(o)) FROM orgs o WHERE o.id = $2),
       (SELECT jsonb_agg(to_jsonb(t)) FROM tenants t WHERE t.org_id = $2),
       (SELECT jsonb_agg(to_jsonb(m)) FROM memberships m WHERE m.org_id = $2),
       (SELECT jsonb_agg(to_jsonb(k)) FROM api_keys k WHERE k.tenant_id = $1),
       (SELECT jsonb_agg(to_jsonb(r) ORDER BY r.id) FROM usage_records r WHERE r.tenant_id = $1),
       (SELECT jsonb_agg(to_jsonb(l)) FROM process_leases l WHERE l.id = $4),
       (SELECT jsonb_agg(to_jsonb(w)) FROM rate_windows w WHERE w.key = $5),
       (SELECT jsonb_agg(to_jsonb(c) ORDER BY c.id) FROM claim_writes c WHERE c.user_id = $3)
     ) AS all`,
    [tenant.tenantId, tenant.orgId, tenant.ownerId, tenant.leaseId, tenant.window],
  );
  return JSON.stringify(row!.all, null, 1);
}

/** How many rows each table has. */
async function sizes(): Promise<object> {
  const [row] = await rowsOf<{ sizes: object }>(
    database.superuserUrl,
    `SELECT jsonb_object_agg(relname, (xpath('/row/c/text()', query_to_xml(format('SELECT count(*) AS c FROM %I', relname),
                                       false, true, '')))[1]::text) AS sizes
     FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'`,
  );
  return row!.sizes;
}

/** Calls as the app does, outside of any tenant. */
async function call(text: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
  return (await app.query<Record<string, unknown>>(text, values)).rows;
}

/** What the call was refused with: SQLSTATE. */
async function refusal(text: string, values: unknown[]): Promise<string | undefined> {
  return call(text, values).then(
    () => undefined,
    (error: pg.DatabaseError) => error.code,
  );
}

const UNIQUE_VIOLATION = '23505';
const RESERVE = `SELECT reserve_usage($1, $2, $3, $4, '{null}', '{req}', '{openai}', '{m}', '{false}', '{7}', '{7}') AS alive`;
const SETTLE = `SELECT settle_usage($1, '{OK}', '{200}', '{1}', '{2}', '{false}', '{5}')`;
const CREATE_ORG = 'SELECT * FROM create_org($1, $2, $3, $4, $5, $6, $7, $8)';

/** By the function's name: leaves everything of `b` as it is, and shows none of it. */
const CROSS_TENANT: Readonly<Record<string, () => Promise<void>>> = {
  async find_api_key() {
    // Purpose: from a hash, which only who holds the key knows, to that one key.
    const rows = await call('SELECT * FROM find_api_key($1)', [[a.hash]]);
    expect(rows.map(({ id, tenant_id: tenantId }) => ({ id, tenantId }))).toEqual([
      { id: a.keyId, tenantId: a.tenantId },
    ]);
    expect(Object.keys(rows[0]!).sort()).toEqual(
      [
        'expires_at',
        'hash',
        'id',
        'pepper_version',
        'requests_per_minute',
        'revoked_at',
        'scopes',
        'tenant_id',
        'type',
      ].sort(),
    );
    expect(await call('SELECT * FROM find_api_key($1)', [[a.hash, b.hash]])).toHaveLength(1);
    expect(await call('SELECT * FROM find_api_key($1)', [[]])).toEqual([]);
    expect(await call('SELECT * FROM find_api_key(NULL)')).toEqual([]);
    expect(await call('SELECT * FROM find_api_key($1)', [[Buffer.alloc(0), Buffer.from('unknown')]])).toEqual([]);
  },

  async rehash_api_key() {
    // Purpose: one key, by the hash that it has, to another hash of the same key.
    const moved = Buffer.from(randomUUID());
    await call('SELECT rehash_api_key($1, $2, 2)', [a.hash, moved]);
    expect(await call('SELECT id FROM find_api_key($1)', [[moved]])).toEqual([{ id: a.keyId }]);
    // Another key's hash is taken.
    expect(await refusal('SELECT rehash_api_key($1, $2, 2)', [moved, b.hash])).toBe(UNIQUE_VIOLATION);
    expect(await call('SELECT id FROM find_api_key($1)', [[b.hash]])).toEqual([{ id: b.keyId }]);
    await call('SELECT rehash_api_key(NULL, $1, 2)', [Buffer.from(randomUUID())]);
  },

  async touch_api_keys() {
    // Purpose: the time of last use of the keys that are named, and nothing else of them.
    const before = await everythingOf(a);
    await call('SELECT touch_api_keys($1, $2)', [
      [a.keyId, 'no-such-key'],
      ['2030-01-01T00:00:00Z', '2030-01-01T00:00:00Z'],
    ]);
    const after = await everythingOf(a);
    expect(after).not.toBe(before);
    expect(after.replace(/"last_used_at": "2030-01-01T00:00:00\+00:00"/, '"last_used_at": null')).toBe(before);
    await call('SELECT touch_api_keys($1, $2)', [[], []]);
  },

  async find_membership() {
    // Purpose: the one membership of a person in the org of a tenant.
    const find = (tenant: Tenant, user: Tenant) =>
      call('SELECT * FROM find_membership($1, $2)', [tenant.tenantId, user.ownerId]);
    expect(await find(a, a)).toEqual([{ org_id: a.orgId, role: 'owner' }]);
    expect(await find(a, b)).toEqual([]);
    expect(await find(b, a)).toEqual([]);
    expect(await call('SELECT * FROM find_membership(NULL, $1)', [b.ownerId])).toEqual([]);
    expect(await call('SELECT * FROM find_membership($1, NULL)', [b.tenantId])).toEqual([]);
    expect(await call("SELECT * FROM find_membership('%', '%')")).toEqual([]);
  },

  async create_org() {
    // Purpose: a new org of a person who has none.
    const id = randomUUID();
    const fresh = (over: Partial<Record<'user' | 'orgId' | 'tenantId' | 'name' | 'slug', string>> = {}): unknown[] => [
      over.user ?? `user-${id}`,
      null,
      false,
      over.orgId ?? `org_${id}`,
      over.tenantId ?? `tenant-${id}`,
      over.name ?? 'A name',
      over.slug ?? `slug-${id}`,
      randomUUID(),
    ];
    const [their] = await rowsOf<{ slug: string; name: string }>(
      database.superuserUrl,
      'SELECT * FROM orgs WHERE id = $1',
      [b.orgId],
    );
    const before = await sizes();
    const NOTHING = { org_id: null, tenant_id: null, name: null, slug: null, created_at: null, role: null };
    // What is taken is told as taken, and no more than that.
    expect(await call(CREATE_ORG, fresh({ slug: their!.slug }))).toEqual([{ result: 'slug_taken', ...NOTHING }]);
    expect(await refusal(CREATE_ORG, fresh({ orgId: b.orgId }))).toBe(UNIQUE_VIOLATION);
    expect(await refusal(CREATE_ORG, fresh({ tenantId: b.tenantId }))).toBe(UNIQUE_VIOLATION);
    // Another org's name gives nobody that org, nor does being its member without having made it.
    expect(await call(CREATE_ORG, fresh({ user: a.ownerId, name: their!.name }))).toEqual([
      { result: 'has_org', ...NOTHING },
    ]);
    expect(await sizes()).toEqual(before);
    const [made] = await call(CREATE_ORG, fresh({ name: their!.name }));
    expect(made).toMatchObject({ result: 'created', org_id: `org_${id}`, tenant_id: `tenant-${id}`, role: 'owner' });
    const [repeated] = await call(
      CREATE_ORG,
      fresh({ name: their!.name, orgId: 'other', tenantId: 'other', slug: 'other' }),
    );
    expect(repeated).toEqual({ ...made, result: 'repeated' });
  },

  async take_claim_writes() {
    // Purpose: whoever works the outbox gets writes of all, each to one worker; nothing but the outbox is touched.
    await rowsOf(database.superuserUrl, "UPDATE claim_writes SET next_attempt_at = now() + interval '1 hour'");
    await rowsOf(database.superuserUrl, 'UPDATE claim_writes SET next_attempt_at = now() WHERE id = $1', [
      a.claimWriteId,
    ]);
    expect(await call('SELECT * FROM take_claim_writes(10)')).toEqual([
      { id: a.claimWriteId, user_id: a.ownerId, claims: { tenant_id: a.tenantId }, attempts: 1 },
    ]);
    expect(await call('SELECT * FROM take_claim_writes(10)')).toEqual([]);
    // As b's write was moved by this test itself.
    await rowsOf(database.superuserUrl, 'UPDATE claim_writes SET next_attempt_at = created_at WHERE id = $1', [
      b.claimWriteId,
    ]);
  },

  async finish_claim_write() {
    // Purpose: one write, by its id, is done.
    const before = (await sizes()) as { claim_writes: string };
    await call('SELECT finish_claim_write($1)', [a.claimWriteId]);
    await call('SELECT finish_claim_write($1)', [randomUUID()]);
    await call('SELECT finish_claim_write(NULL)');
    expect(await sizes()).toEqual({ ...before, claim_writes: String(Number(before.claim_writes) - 1) });
  },

  async reserve_usage() {
    // Purpose: new records of any tenants, under a lease that lives.
    const reserve = (leaseId: string, id: string, tenant: Tenant) =>
      call(RESERVE, [leaseId, [id], [tenant.tenantId], [tenant.keyId]]);
    // An id that is there already stays whose it is.
    expect(await reserve(a.leaseId, b.recordId, a)).toEqual([{ alive: true }]);
    expect(await reserve(randomUUID(), randomUUID(), b)).toEqual([{ alive: false }]);
    const before = JSON.parse(await everythingOf(a)) as unknown[][];
    expect(await reserve(a.leaseId, randomUUID(), a)).toEqual([{ alive: true }]);
    const after = JSON.parse(await everythingOf(a)) as unknown[][];
    expect(after[5]).toHaveLength(before[5]!.length + 1);
  },

  async settle_usage() {
    // Purpose: the records that are named, once each.
    await call(SETTLE, [[a.recordId]]);
    await call(SETTLE, [[randomUUID()]]);
    const settled = async (tenant: Tenant) =>
      rowsOf(database.superuserUrl, 'SELECT state, kind FROM usage_records WHERE tenant_id = $1 ORDER BY kind', [
        tenant.tenantId,
      ]);
    expect(await settled(a)).toEqual([{ state: 'SETTLED', kind: 'CALL' }]);
    // A correction belongs to the tenant of the record that it corrects.
    await rowsOf(database.superuserUrl, "UPDATE usage_records SET state = 'SWEPT' WHERE id = $1", [a.recordId]);
    await call(SETTLE, [[a.recordId]]);
    expect(await settled(a)).toEqual([
      { state: 'SETTLED', kind: 'ADJUSTMENT' },
      { state: 'SWEPT', kind: 'CALL' },
    ]);
  },

  async renew_lease() {
    // Purpose: one process's lease, by its id.
    const id = randomUUID();
    expect(await call('SELECT renew_lease($1, NULL) AS alive', [id])).toEqual([{ alive: true }]);
    expect(await call('SELECT renew_lease($1, 1000) AS alive', [a.leaseId])).toEqual([{ alive: true }]);
    await call('SELECT end_lease($1)', [id]);
    expect(await call('SELECT renew_lease($1, NULL) AS alive', [id])).toEqual([{ alive: null }]);
  },

  async end_lease() {
    // Purpose: one process's lease, by its id; nobody's calls.
    await call('SELECT end_lease($1)', [a.leaseId]);
    await call('SELECT end_lease(NULL)');
    expect(await everythingOf(a)).toContain('"state": "RESERVED"');
  },

  async sweep_usage() {
    // Purpose: the open calls of dead processes, of whatever tenant; here a's process is dead, b's lives.
    await rowsOf(
      database.superuserUrl,
      "UPDATE process_leases SET renewed_at = now() - interval '1 minute' WHERE id = $1",
      [a.leaseId],
    );
    await rowsOf(
      database.superuserUrl,
      'UPDATE process_leases SET ended_at = now(), swept_at = now() WHERE id <> ALL ($1)',
      [[a.leaseId, b.leaseId]],
    );
    await rowsOf(database.superuserUrl, "UPDATE usage_records SET state = 'SETTLED' WHERE tenant_id <> ALL ($1)", [
      [a.tenantId, b.tenantId],
    ]);
    expect(await call("SELECT sweep_usage('20 seconds') AS swept")).toEqual([{ swept: 1 }]);
    expect(await everythingOf(a)).toContain('"state": "SWEPT"');
  },

  async take_rate_windows() {
    // Purpose: the windows that are named.
    const rows = await call("SELECT key, before, used FROM take_rate_windows($1, '{2}', '{4}', '1 hour')", [
      [a.window],
    ]);
    expect(rows).toEqual([{ key: a.window, before: 3, used: 4 }]);
    expect(await call("SELECT * FROM take_rate_windows('{}', '{}', '{}', '1 hour')")).toEqual([]);
  },

  async prune_rate_windows() {
    // Purpose: windows that closed, whoever's; here a's did.
    await rowsOf(
      database.superuserUrl,
      "UPDATE rate_windows SET opened_at = now() - interval '3 minutes' WHERE key = $1",
      [a.window],
    );
    await call("SELECT prune_rate_windows('1 minute')");
    expect(
      await rowsOf(database.superuserUrl, 'SELECT key FROM rate_windows WHERE key = ANY ($1)', [[a.window, b.window]]),
    ).toEqual([{ key: b.window }]);
  },
};

it('each such function of the database has a test here', async () => {
  const functions = await rowsOf<{ name: string }>(
    database.superuserUrl,
    "SELECT DISTINCT proname AS name FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef ORDER BY 1",
  );
  expect(functions.map(({ name }) => name)).toEqual(Object.keys(CROSS_TENANT).sort());
});

it.each(Object.entries(CROSS_TENANT))("%s leaves another tenant's rows as they are", async (_name, test) => {
  const before = await everythingOf(b);
  for (const part of ['users', 'A key', 'RESERVED', 'renewed_at', 'opened_at', 'claims'])
    expect(before).toContain(part === 'users' ? b.ownerId : part);
  await test();
  expect(await everythingOf(b)).toBe(before);
});

it.each(Object.keys(CROSS_TENANT))('%s can be called by nobody but the app', async (name) => {
  const [row] = await rowsOf<{ everybody: boolean; owner: boolean; app: boolean }>(
    database.superuserUrl,
    `SELECT bool_or(has_function_privilege('public', oid, 'EXECUTE')) AS everybody,
            bool_and(has_function_privilege('gatehouse_app', oid, 'EXECUTE')) AS app
     FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND proname = $1`,
    [name],
  );
  expect(row).toEqual({ everybody: false, app: true });
});

it('none of them is led astray by what a caller puts before it: temporary tables, a search path, a tenant', async () => {
  // A temporary table of the caller's, by the name of ours, is what a search path without pg_temp at its end would find.
  await onDatabase(database.superuserUrl, async (client) => {
    await client.query(
      'CREATE TEMP TABLE tenants (id text, org_id text); CREATE TEMP TABLE memberships (org_id text, user_id text, role text)',
    );
    await client.query(
      "INSERT INTO tenants VALUES ('planted', 'planted'); INSERT INTO memberships VALUES ('planted', 'x', 'owner')",
    );
    await client.query('GRANT ALL ON tenants, memberships TO gatehouse_app, gatehouse_definer; SET ROLE gatehouse_app');
    await client.query("SET search_path = pg_temp, public; SET app.tenant_id = 'planted'");
    expect((await client.query("SELECT * FROM find_membership('planted', 'x')")).rows).toEqual([]);
    const { rows } = await client.query('SELECT * FROM find_membership($1, $2)', [a.tenantId, a.ownerId]);
    expect(rows).toEqual([{ org_id: a.orgId, role: 'owner' }]);
  });
});
