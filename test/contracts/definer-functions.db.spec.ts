/**
 * The functions that read before a tenant is known, or across tenants. Each is called with one tenant's data, and shows or
 * changes nothing of another's beyond its purpose. A function without a test here fails the first test.
 */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { uuidV7 } from '../../src/platform/crypto/index.js';
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
  readonly retiredHash: Buffer;
  readonly invitationHash: Buffer;
  readonly human: string;
  readonly endpointId: string;
  readonly secretId: string;
  readonly deliveryId: string;
  readonly usageTokenId: string;
  readonly dataKeyId: string;
  readonly threadId: string;
  readonly runId: string;
  readonly waitingRunId: string;
  readonly providerId: string;
  readonly gatewayId: string;
  readonly gatewayTokenId: string;
  readonly gatewayTokenHash: Buffer;
}

interface QueueRow {
  readonly depth: number;
  readonly oldest_seconds: number;
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

// A pair of tenants for each test, so that no test sees changes of another.
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
    recordId: uuidV7(),
    window: `key:${id}`,
    claimWriteId: randomUUID(),
    retiredHash: Buffer.from(`retired-${id}`),
    invitationHash: Buffer.from(`invitation-${id}`),
    human: `human-${id}`,
    endpointId: `webhook_${id}`,
    secretId: randomUUID(),
    deliveryId: randomUUID(),
    usageTokenId: `ut_${id}`,
    dataKeyId: randomUUID(),
    threadId: randomUUID(),
    runId: randomUUID(),
    waitingRunId: randomUUID(),
    providerId: `provider_${id}`,
    gatewayId: `gateway_${id}`,
    gatewayTokenId: `gateway_token_${id}`,
    gatewayTokenHash: Buffer.from(`hash of a token of ${id}`),
  };
  await onDatabase(database.superuserUrl, async (client) => {
    await client.query(
      `INSERT INTO api_keys (id, tenant_id, type, name, key_prefix, hash, pepper_version, scopes, created_by)
       VALUES ($1, $2, 'SECRET', 'A key', 'sk_gh_', $3, 1, '{chat:write}', $4)`,
      [tenant.keyId, tenantId, tenant.hash, ownerId],
    );
    await client.query("INSERT INTO process_leases (id, term) VALUES ($1, '20 seconds')", [tenant.leaseId]);
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
    await client.query(
      `INSERT INTO api_key_retired_secrets (hash, tenant_id, key_id, pepper_version, expires_at)
       VALUES ($1, $2, $3, 1, now() + interval '1 hour')`,
      [tenant.retiredHash, tenantId, tenant.keyId],
    );
    await client.query("INSERT INTO humans (tenant_id, human, id) VALUES ($1, $2, 'hum_' || $2)", [
      tenantId,
      tenant.human,
    ]);
    await client.query(
      `INSERT INTO usage_tokens (id, tenant_id, key_id, human_id, expires_at)
       VALUES ($1, $2, $3, 'hum_' || $4, now() + interval '1 hour')`,
      [tenant.usageTokenId, tenantId, tenant.keyId, tenant.human],
    );
    await client.query(
      `INSERT INTO usage_reports (id, tenant_id, human_id, key_id, type, micro_units, idempotency_key)
       VALUES ($1, $2, 'hum_' || $3, $4, 'conversational_seconds', 1, 'k')`,
      [randomUUID(), tenantId, tenant.human, tenant.keyId],
    );
    await client.query(
      `INSERT INTO invitations (id, org_id, email, role, token_hash, invited_by, expires_at)
       VALUES ($1, $2, 'new@example.org', 'viewer', $3, $4, now() + interval '1 hour')`,
      [`inv-${id}`, orgId, tenant.invitationHash, ownerId],
    );
    await client.query(
      `INSERT INTO audit_events (id, org_id, tenant_id, action, actor_type, actor_id, resource_type, resource_id)
       VALUES ($1, $2, $3, 'key.created', 'user', $4, 'key', $5)`,
      [randomUUID(), orgId, tenantId, ownerId, tenant.keyId],
    );
    await client.query(
      "INSERT INTO idempotency_keys (owner, key, tenant_id, request_hash, response) VALUES ($1, 'k', $2, 'h', '{}')",
      [`${tenantId}:user:${ownerId}`, tenantId],
    );
    await client.query(
      "INSERT INTO webhook_endpoints (id, tenant_id, url, created_by) VALUES ($1, $2, 'https://hooks.invalid/', 'somebody')",
      [tenant.endpointId, tenantId],
    );
    await client.query(
      "INSERT INTO webhook_subscriptions (tenant_id, endpoint_id, type) SELECT $1, $2, unnest('{usage.tracked,run.failed}'::text[])",
      [tenantId, tenant.endpointId],
    );
    await client.query(
      'INSERT INTO webhook_secrets (id, tenant_id, endpoint_id, envelope, key_version) VALUES ($1, $2, $3, $4, 1)',
      [tenant.secretId, tenantId, tenant.endpointId, Buffer.from(`envelope ${id}`)],
    );
    await client.query('INSERT INTO tenant_data_keys (tenant_id, id, envelope, key_version) VALUES ($1, $2, $3, 1)', [
      tenantId,
      tenant.dataKeyId,
      Buffer.from(`data key ${id}`),
    ]);
    await client.query(
      `INSERT INTO threads (id, tenant_id, owner, conversation_key, created_at, updated_at)
       VALUES ($1, $2, 'human:hum_' || $3, 'A thread', now() - interval '2 days', now() - interval '2 days')`,
      [tenant.threadId, tenantId, tenant.human],
    );
    await client.query(
      `INSERT INTO runs (id, tenant_id, thread_id, run_no, status, lease_id, caller, request_id)
       VALUES ($1, $2, $3, 1, 'RUNNING', $4, jsonb_build_object('keyId', $5::text), 'req'),
              ($6, $2, $3, 2, 'WAITING', NULL, jsonb_build_object('keyId', $5::text), 'req')`,
      [tenant.runId, tenantId, tenant.threadId, tenant.leaseId, tenant.keyId, tenant.waitingRunId],
    );
    await client.query(
      `INSERT INTO thread_messages (run_id, n, tenant_id, thread_id, run_no, role, body, tokens)
       VALUES ($1, 0, $2, $3, 1, 'user', 'said', 1), ($4, 0, $2, $3, 2, 'user', 'said', 1)`,
      [tenant.runId, tenantId, tenant.threadId, tenant.waitingRunId],
    );
    await client.query(
      "INSERT INTO run_deltas (run_id, step, start_at, tenant_id, body) VALUES ($1, 0, 0, $2, 'piece')",
      [tenant.runId, tenantId],
    );
    await client.query(
      "INSERT INTO llm_providers (id, tenant_id, name, kind, created_by) VALUES ($1, $2, 'one', 'openai', 'somebody')",
      [tenant.providerId, tenantId],
    );
    await client.query(
      `INSERT INTO llm_routes (id, tenant_id, name, strategy, attempts, retry_on, created_by)
       VALUES ($1, $2, 'one', 'FALLBACK', 1, '{}', 'somebody')`,
      [`route_${id}`, tenantId],
    );
    await client.query(
      `INSERT INTO llm_route_targets (tenant_id, route_id, place, provider_id, model, weight)
       VALUES ($2, $1, 0, $3, 'm', 1)`,
      [`route_${id}`, tenantId, tenant.providerId],
    );
    await client.query(
      "INSERT INTO gateways (id, tenant_id, name, cache_max_bytes, created_by) VALUES ($1, $2, 'one', 1000, 'somebody')",
      [tenant.gatewayId, tenantId],
    );
    await client.query(
      `INSERT INTO gateway_tokens (id, tenant_id, gateway_id, name, hash, pepper_version, created_by)
       VALUES ($1, $2, $3, 'one', $4, 1, 'somebody')`,
      [tenant.gatewayTokenId, tenantId, tenant.gatewayId, tenant.gatewayTokenHash],
    );
    await client.query(
      `INSERT INTO llm_providers (id, tenant_id, gateway_id, name, kind, created_by)
       VALUES ($1, $2, $3, 'one', 'openai', 'somebody')`,
      [`provider-of-${tenant.gatewayId}`, tenantId, tenant.gatewayId],
    );
    await client.query(
      `INSERT INTO llm_responses (tenant_id, response_hash, owner, model, created_at)
       VALUES ($1, sha256('resp'), 'human:hum_' || $2, 'm', now() - interval '29 days')`,
      [tenantId, tenant.human],
    );
    await client.query(
      `INSERT INTO gateway_cache_entries (tenant_id, gateway_id, key, answer, bytes, created_at, expires_at)
       VALUES ($1, $2, 'key', 'kept', 7, now(), now() + interval '1 hour')`,
      [tenantId, tenant.gatewayId],
    );
    await client.query('INSERT INTO gateway_cache_sizes (tenant_id, gateway_id, bytes) VALUES ($1, $2, 7)', [
      tenantId,
      tenant.gatewayId,
    ]);
    await client.query(
      `INSERT INTO gateway_call_bodies (id, tenant_id, gateway_id, request, expires_at)
       VALUES (gen_random_uuid(), $1, $2, 'asked', now() + interval '1 hour')`,
      [tenantId, tenant.gatewayId],
    );
    // Due: a claim takes both a's and b's, so b's is made to be in progress already.
    await client.query(
      `WITH event AS (
         INSERT INTO webhook_events (id, tenant_id, type, payload) VALUES ($1, $2, 'run.failed', '{"run": 1}') RETURNING id)
       INSERT INTO webhook_deliveries (id, tenant_id, endpoint_id, event_id, attempts, next_attempt_at, ready)
       SELECT $1, $2, $3, id, 1, now() + interval '1 hour', false FROM event`,
      [tenant.deliveryId, tenantId, tenant.endpointId],
    );
  });
  return tenant;
}

/** All rows of a tenant, in every table, as text. */
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
       (SELECT jsonb_agg(to_jsonb(c) ORDER BY c.id) FROM claim_writes c WHERE c.user_id = $3),
       (SELECT jsonb_agg(to_jsonb(s)) FROM api_key_retired_secrets s WHERE s.tenant_id = $1),
       (SELECT jsonb_agg(to_jsonb(h)) FROM humans h WHERE h.tenant_id = $1),
       (SELECT jsonb_agg(to_jsonb(i)) FROM invitations i WHERE i.org_id = $2),
       (SELECT jsonb_agg(to_jsonb(e) ORDER BY e.id) FROM audit_events e WHERE e.org_id = $2),
       (SELECT jsonb_agg(to_jsonb(k)) FROM idempotency_keys k WHERE k.tenant_id = $1),
       (SELECT jsonb_agg(to_jsonb(u) ORDER BY u.id) FROM usage_tokens u WHERE u.tenant_id = $1),
       (SELECT jsonb_agg(to_jsonb(r) ORDER BY r.id) FROM usage_reports r WHERE r.tenant_id = $1),
       (SELECT jsonb_agg(to_jsonb(k)) FROM tenant_data_keys k WHERE k.tenant_id = $1),
       (SELECT jsonb_agg(to_jsonb(t) ORDER BY t.id) FROM threads t WHERE t.tenant_id = $1),
       (SELECT jsonb_agg(to_jsonb(r) ORDER BY r.id) FROM runs r WHERE r.tenant_id = $1),
       (SELECT jsonb_agg(to_jsonb(m) ORDER BY m.run_id, m.n) FROM thread_messages m WHERE m.tenant_id = $1),
       (SELECT jsonb_agg(to_jsonb(d) ORDER BY d.run_id, d.start_at) FROM run_deltas d WHERE d.tenant_id = $1),
       (SELECT jsonb_agg(to_jsonb(p) ORDER BY p.id) FROM llm_providers p WHERE p.tenant_id = $1),
       (SELECT jsonb_agg(to_jsonb(g)) FROM gateways g WHERE g.tenant_id = $1),
       (SELECT jsonb_agg(to_jsonb(e)) FROM gateway_cache_entries e WHERE e.tenant_id = $1),
       (SELECT jsonb_agg(to_jsonb(s)) FROM gateway_cache_sizes s WHERE s.tenant_id = $1),
       (SELECT jsonb_agg(to_jsonb(b)) FROM gateway_call_bodies b WHERE b.tenant_id = $1),
       (SELECT jsonb_agg(to_jsonb(t)) FROM gateway_tokens t WHERE t.tenant_id = $1),
       (SELECT jsonb_agg(to_jsonb(r)) FROM llm_routes r WHERE r.tenant_id = $1),
       (SELECT jsonb_agg(to_jsonb(t)) FROM llm_route_targets t WHERE t.tenant_id = $1),
       (SELECT jsonb_agg(to_jsonb(r) ORDER BY r.id) FROM usage_records_retired r WHERE r.tenant_id = $1),
       (SELECT jsonb_agg(to_jsonb(r) ORDER BY r.id) FROM usage_rollups r WHERE r.tenant_id = $1),
       (SELECT jsonb_agg(to_jsonb(e)) FROM webhook_endpoints e WHERE e.tenant_id = $1),
       (SELECT jsonb_agg(to_jsonb(s) ORDER BY s.type) FROM webhook_subscriptions s WHERE s.tenant_id = $1),
       (SELECT jsonb_agg(to_jsonb(s)) FROM webhook_secrets s WHERE s.tenant_id = $1),
       (SELECT jsonb_agg(to_jsonb(e) ORDER BY e.id) FROM webhook_events e WHERE e.tenant_id = $1),
       (SELECT jsonb_agg(to_jsonb(d) ORDER BY d.id) FROM webhook_deliveries d WHERE d.tenant_id = $1),
       (SELECT jsonb_agg(to_jsonb(b) ORDER BY b.id) FROM budgets b WHERE b.tenant_id = $1),
       (SELECT jsonb_agg(to_jsonb(e) ORDER BY e.budget_id, e.epoch) FROM budget_epochs e WHERE e.tenant_id = $1)
     ) AS all`,
    [tenant.tenantId, tenant.orgId, tenant.ownerId, tenant.leaseId, tenant.window],
  );
  return JSON.stringify(row!.all, null, 1);
}

/** The number of rows of each table. */
async function sizes(): Promise<object> {
  const [row] = await rowsOf<{ sizes: object }>(
    database.superuserUrl,
    `SELECT jsonb_object_agg(relname, (xpath('/row/c/text()', query_to_xml(format('SELECT count(*) AS c FROM %I', relname),
                                       false, true, '')))[1]::text) AS sizes
     FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'`,
  );
  return row!.sizes;
}

/** Calls as the app does without a tenant. */
async function queueOf(text: string): Promise<QueueRow | undefined> {
  const [row] = await call(text);
  return row as unknown as QueueRow | undefined;
}

async function call(text: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
  return (await app.query<Record<string, unknown>>(text, values)).rows;
}

/** Calls as the app does for a request of this tenant. */
async function callAs(tenant: Tenant, text: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
  await app.query('BEGIN');
  try {
    await app.query("SELECT set_config('app.tenant_id', $1, true)", [tenant.tenantId]);
    return (await app.query<Record<string, unknown>>(text, values)).rows;
  } finally {
    await app.query('COMMIT');
  }
}

/** The SQLSTATE of a refused call. */
async function refusal(text: string, values: unknown[]): Promise<string | undefined> {
  return call(text, values).then(
    () => undefined,
    (error: pg.DatabaseError) => error.code,
  );
}

const TERM = '20 seconds';
const UNIQUE_VIOLATION = '23505';
const ADMIT = `SELECT * FROM admit_usage($1, ARRAY[($2::uuid, $3::text, $5::text, $4::text, NULL, NULL, NULL, 'req', 'openai',
  'm', false, 7, 7, NULL, NULL, 1, false, 1, 1, $6::text, '192.0.2.1',
  NULL, 'chat', NULL, 1, false)::admission], true, true)`;
const ANSWERED = ADMIT.replace('admit_usage', 'admit_answered').replace(', true, true)', ", '{5}', true, true)");
const SETTLE = `SELECT * FROM settle_usage(
  ARRAY[($1::uuid, $2::text, 'OK', 200, 1, 1, 2, 0, 1, false, 5, 0, 0)::settlement], true)`;
/** A budget of the tenant itself, of each type that its calls can use. */
const BUDGET = `INSERT INTO budgets (id, tenant_id, holder, type, period, amount, starts_at)
  VALUES ($2, $1, 'tenant', 'token_cnt', 'NONE', 1e15, now() - interval '1 hour')`;
const CREATE_ORG = 'SELECT * FROM create_org($1, $2, $3, $4, $5, $6, $7, $8)';

/** By the function's name: leaves everything of `b` unchanged, and shows nothing of it. */
const CROSS_TENANT: Readonly<Record<string, () => Promise<void>>> = {
  async find_api_key() {
    // Purpose: from a hash, which only the holder of the key knows, to that one key.
    const rows = await call('SELECT * FROM find_api_key($1)', [[a.hash]]);
    expect(rows.map(({ id, tenant_id: tenantId }) => ({ id, tenantId }))).toEqual([
      { id: a.keyId, tenantId: a.tenantId },
    ]);
    expect(Object.keys(rows[0]!).sort()).toEqual(
      [
        'allowed_origins',
        'expired',
        'expires_at',
        'hash',
        'human_prefix',
        'id',
        'oidc_audience',
        'oidc_issuer',
        'oidc_jwks_uri',
        'other_human_prefixes',
        'pepper_version',
        'requests_per_minute',
        'requests_per_minute_per_human',
        'scopes',
        'tenant_id',
        'type',
      ].sort(),
    );
    expect(await call('SELECT id FROM find_api_key($1)', [[a.retiredHash]])).toEqual([{ id: a.keyId }]);
    expect(await call('SELECT * FROM find_api_key($1)', [[a.hash, b.hash]])).toHaveLength(1);
    // An unknown hash gives one empty row, so that all unknown hashes are answered alike.
    for (const unknown of [[], null, [Buffer.alloc(0), Buffer.from('unknown')]]) {
      const [row, ...more] = await call('SELECT * FROM find_api_key($1)', [unknown]);
      expect([Object.values(row!).every((value) => value === null), more]).toEqual([true, []]);
    }
    // The prefixes of the tenant's other issuers are its own data.
    await rowsOf(
      database.superuserUrl,
      `UPDATE api_keys SET type = 'PUBLISHABLE', oidc_issuer = 'https://i.example', oidc_audience = 'x',
                           human_prefix = tenant_id WHERE id = $1`,
      [a.keyId],
    );
    expect(await call('SELECT human_prefix, other_human_prefixes FROM find_api_key($1)', [[a.hash]])).toEqual([
      { human_prefix: a.tenantId, other_human_prefixes: [] },
    ]);
  },

  async rehash_api_key() {
    // Purpose: give one key, found by its current hash, another hash.
    const moved = Buffer.from(randomUUID());
    await call('SELECT rehash_api_key($1, $2, 2)', [a.hash, moved]);
    expect(await call('SELECT id FROM find_api_key($1)', [[moved]])).toEqual([{ id: a.keyId }]);
    // The hash of another key is taken.
    expect(await refusal('SELECT rehash_api_key($1, $2, 2)', [moved, b.hash])).toBe(UNIQUE_VIOLATION);
    expect(await call('SELECT id FROM find_api_key($1)', [[b.hash]])).toEqual([{ id: b.keyId }]);
    await call('SELECT rehash_api_key(NULL, $1, 2)', [Buffer.from(randomUUID())]);
    const retired = Buffer.from(randomUUID());
    await call('SELECT rehash_api_key($1, $2, 2)', [a.retiredHash, retired]);
    expect(await call('SELECT id FROM find_api_key($1)', [[retired]])).toEqual([{ id: a.keyId }]);
    expect(await call('SELECT id FROM find_api_key($1)', [[b.retiredHash]])).toEqual([{ id: b.keyId }]);
  },

  async touch_api_keys() {
    // Purpose: set the time of last use of the given keys, and nothing else of them.
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

  async find_org_of_tenant() {
    expect(await call('SELECT find_org_of_tenant($1) AS org', [a.tenantId])).toEqual([{ org: a.orgId }]);
    expect(await call('SELECT find_org_of_tenant($1) AS org', ['nowhere'])).toEqual([{ org: null }]);
  },

  async find_membership() {
    // Purpose: one person's membership in the org of a tenant.
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
    // Purpose: create an org for a person who has none.
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
    // For a taken slug the answer is only that it is taken.
    expect(await call(CREATE_ORG, fresh({ slug: their!.slug }))).toEqual([{ result: 'slug_taken', ...NOTHING }]);
    expect(await refusal(CREATE_ORG, fresh({ orgId: b.orgId }))).toBe(UNIQUE_VIOLATION);
    expect(await refusal(CREATE_ORG, fresh({ tenantId: b.tenantId }))).toBe(UNIQUE_VIOLATION);
    // Naming another org's name gives no access to that org, and neither does membership in an org that another user made.
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

  async create_org_for_invitee() {
    // Purpose: create an org without a member, or find the one that was created so by the same name for the same address.
    const id = randomUUID();
    const create = 'SELECT * FROM create_org_for_invitee($1, $2, $3, $4, $5)';
    const [their] = await rowsOf<{ slug: string; name: string }>(
      database.superuserUrl,
      'SELECT * FROM orgs WHERE id = $1',
      [b.orgId],
    );
    // The address is that of an invitation to b's org, which has this name.
    const fresh = (over: Partial<Record<'orgId' | 'tenantId' | 'slug', string>> = {}): unknown[] => [
      'new@example.org',
      over.orgId ?? `org_${id}`,
      over.tenantId ?? `tenant-${id}`,
      their!.name,
      over.slug ?? `slug-${id}`,
    ];
    const before = await sizes();
    expect(await call(create, fresh({ slug: their!.slug }))).toEqual([
      { result: 'slug_taken', org_id: null, tenant_id: null },
    ]);
    expect(await refusal(create, fresh({ orgId: b.orgId }))).toBe(UNIQUE_VIOLATION);
    expect(await refusal(create, fresh({ tenantId: b.tenantId }))).toBe(UNIQUE_VIOLATION);
    expect(await sizes()).toEqual(before);
    const made = { org_id: `org_${id}`, tenant_id: `tenant-${id}` };
    expect(await call(create, fresh())).toEqual([{ result: 'created', ...made }]);
    await rowsOf(
      database.superuserUrl,
      `INSERT INTO invitations (id, org_id, email, role, token_hash, invited_by, expires_at)
       VALUES ($1, $2, 'new@example.org', 'owner', $3, '', now() + interval '1 hour')`,
      [`inv-first-${id}`, made.org_id, Buffer.from(`first-${id}`)],
    );
    const others = { orgId: 'other', tenantId: 'other', slug: 'other' };
    expect(await call(create, fresh(others))).toEqual([{ result: 'repeated', ...made }]);
    await rowsOf(database.superuserUrl, 'UPDATE invitations SET accepted_at = now() WHERE id = $1', [
      `inv-first-${id}`,
    ]);
    expect(await call(create, fresh(others))).toEqual([{ result: 'accepted', ...made }]);
  },

  async take_claim_writes() {
    // Purpose: the outbox's workers get the writes of all tenants, each write by one worker; only the outbox is touched.
    await rowsOf(database.superuserUrl, "UPDATE claim_writes SET next_attempt_at = now() + interval '1 hour'");
    await rowsOf(
      database.superuserUrl,
      "UPDATE claim_writes SET next_attempt_at = now() - interval '1 second' WHERE id = $1",
      [a.claimWriteId],
    );
    expect(await call('SELECT * FROM take_claim_writes(10)')).toEqual([
      { id: a.claimWriteId, user_id: a.ownerId, claims: { tenant_id: a.tenantId }, attempts: 1 },
    ]);
    expect(await call('SELECT * FROM take_claim_writes(10)')).toEqual([]);
    // This test itself moved b's write.
    await rowsOf(database.superuserUrl, 'UPDATE claim_writes SET next_attempt_at = created_at WHERE id = $1', [
      b.claimWriteId,
    ]);
  },

  async finish_claim_write() {
    // Purpose: mark one write as done, by its id.
    const before = (await sizes()) as { claim_writes: string };
    await call('SELECT finish_claim_write($1)', [a.claimWriteId]);
    await call('SELECT finish_claim_write($1)', [randomUUID()]);
    await call('SELECT finish_claim_write(NULL)');
    expect(await sizes()).toEqual({ ...before, claim_writes: String(Number(before.claim_writes) - 1) });
  },

  async admit_usage() {
    // Purpose: add new records of any tenants under a live lease, with the human and the audit row that belong to each.
    const reserve = (leaseId: string, id: string, tenant: Tenant, human: string | null = null) =>
      call(ADMIT, [leaseId, id, tenant.tenantId, tenant.keyId, human, human === null ? null : 'a route']);
    const WRITTEN = [{ alive: true, verdicts: null, granted: [null], blamed: null, rooms: null }];
    // An existing id keeps its owner.
    expect(await reserve(a.leaseId, b.recordId, a)).toEqual(WRITTEN);
    const DEAD = [{ alive: false, verdicts: null, granted: null, blamed: null, rooms: null }];
    expect(await reserve(randomUUID(), uuidV7(), b)).toEqual(DEAD);
    const before = JSON.parse(await everythingOf(a)) as unknown[][];
    // Another tenant's human of the same name is another human.
    expect(await reserve(a.leaseId, uuidV7(), a, b.human)).toEqual([{ ...WRITTEN[0], rooms: [null] }]);
    const after = JSON.parse(await everythingOf(a)) as unknown[][];
    expect(after[5]).toHaveLength(before[5]!.length + 1);
    expect(after[10]).toHaveLength(before[10]!.length + 1);
    expect(after[12]).toHaveLength(before[12]!.length + 1);
    // A deleted tenant gets no record.
    const id = uuidV7();
    const gone = { ...a, tenantId: 'no-such-tenant' };
    expect(await reserve(a.leaseId, id, gone, 'somebody')).toEqual([
      { alive: true, verdicts: ['gone'], granted: [null], blamed: null, rooms: null },
    ]);
    expect(JSON.parse(await everythingOf(a))).toEqual(after);
  },

  async admit_answered() {
    // Purpose: like admit_usage, for calls that are settled at once: one request of each, and nothing else.
    const record = (id: string, tenant: Tenant) =>
      call(ANSWERED, [a.leaseId, id, tenant.tenantId, tenant.keyId, null, null]);
    const before = await everythingOf(b);
    expect(await record(b.recordId, a)).toMatchObject([{ alive: true, verdicts: null }]);
    const id = uuidV7();
    expect(await record(id, a)).toMatchObject([{ alive: true, verdicts: null }]);
    expect(await record(uuidV7(), { ...a, tenantId: 'no-such-tenant' })).toMatchObject([{ verdicts: ['gone'] }]);
    expect(await everythingOf(b)).toBe(before);
    expect(
      await rowsOf(
        database.superuserUrl,
        'SELECT tenant_id, state, outcome, requests, input_tokens::int, latency_ms FROM usage_records WHERE id = $1',
        [id],
      ),
    ).toEqual([
      { tenant_id: a.tenantId, state: 'SETTLED', outcome: 'OK', requests: 1, input_tokens: 0, latency_ms: 5 },
    ]);
  },

  async count_used() {
    // Purpose: how much the current tenant's calls used of one of its budgets. Without a tenant, or for another tenant's
    // budget, nothing.
    const [own, theirs] = [randomUUID(), randomUUID()];
    await rowsOf(database.superuserUrl, BUDGET, [a.tenantId, own]);
    await rowsOf(database.superuserUrl, BUDGET, [b.tenantId, theirs]);
    const before = await everythingOf(b);
    await call('SELECT count_used($1)', [theirs]);
    await app.query('BEGIN');
    await app.query("SELECT set_config('app.tenant_id', $1, true)", [a.tenantId]);
    await app.query('SELECT count_used($1)', [theirs]);
    await app.query('SELECT count_used($1)', [own]);
    await app.query('COMMIT');
    expect(await everythingOf(b)).toBe(before);
    const held = await rowsOf(database.superuserUrl, 'SELECT id, held::text FROM budgets WHERE id = ANY ($1)', [
      [own, theirs],
    ]);
    expect(held).toEqual(
      expect.arrayContaining([
        { id: own, held: '30000000' },
        { id: theirs, held: '0' },
      ]),
    );
    await rowsOf(database.superuserUrl, 'DELETE FROM budgets WHERE id = $1', [theirs]);
  },

  async prune_budget_epochs() {
    // Purpose: delete epochs that ended long ago, of any tenant; here one of a's did.
    const id = randomUUID();
    await rowsOf(database.superuserUrl, BUDGET, [a.tenantId, id]);
    await rowsOf(
      database.superuserUrl,
      `INSERT INTO budget_epochs (budget_id, epoch, tenant_id, starts_at, ended_at, amount, used, held)
       SELECT $1, days, $2, now() - interval '1 year', now() - days * interval '1 day', 1, 1, days % 2
       FROM unnest('{1,4,5,40,41}'::integer[]) AS days`,
      [id, a.tenantId],
    );
    expect(await call('SELECT prune_budget_epochs(100) AS pruned')).toEqual([{ pruned: 3 }]);
    const left = await rowsOf(
      database.superuserUrl,
      'SELECT epoch FROM budget_epochs WHERE budget_id = $1 ORDER BY 1',
      [id],
    );
    // An epoch that open calls still hold part of stays for a month.
    expect(left).toEqual([{ epoch: 1 }, { epoch: 5 }]);
  },

  async settle_usage() {
    // Purpose: settle the given records with their tenants, once each.
    await call(SETTLE, [a.recordId, a.tenantId]);
    await call(SETTLE, [uuidV7(), a.tenantId]);
    await call(SETTLE, [b.recordId, a.tenantId]);
    const settled = async (tenant: Tenant) =>
      rowsOf(database.superuserUrl, 'SELECT state, kind FROM usage_records WHERE tenant_id = $1 ORDER BY kind', [
        tenant.tenantId,
      ]);
    expect(await settled(a)).toEqual([{ state: 'SETTLED', kind: 'CALL' }]);
    // A correction belongs to the tenant of the record that it corrects.
    await rowsOf(database.superuserUrl, "UPDATE usage_records SET state = 'SWEPT' WHERE id = $1", [a.recordId]);
    await call(SETTLE, [a.recordId, a.tenantId]);
    expect(await settled(a)).toEqual([
      { state: 'SETTLED', kind: 'ADJUSTMENT' },
      { state: 'SWEPT', kind: 'CALL' },
    ]);
  },

  async prepare_usage_partitions() {
    // Purpose: add partitions of the ledger, which hold no row yet; it takes no argument.
    await call('SELECT prepare_usage_partitions()');
  },

  async find_current_tenant() {
    // Purpose: one person's tenant, by their id.
    await rowsOf(database.superuserUrl, 'UPDATE users SET claimed_tenant_id = $1 WHERE id = $2', [
      a.tenantId,
      a.ownerId,
    ]);
    const of = (userId: string) => call('SELECT find_current_tenant($1) AS tenant', [userId]);
    expect(await of(a.ownerId)).toEqual([{ tenant: a.tenantId }]);
    expect(await of('nobody')).toEqual([{ tenant: null }]);
  },

  async keep_usage_ledger() {
    // Purpose: drop months of the ledger, of all tenants, that are older than the operator keeps them; younger ones stay.
    expect(await call("SELECT did FROM keep_usage_ledger('1 second', 1000)")).toEqual([{ did: 'nothing' }]);
  },

  async ledger_queue_state() {
    // Purpose: two numbers over all tenants together.
    expect(await call('SELECT depth FROM ledger_queue_state(1)')).toEqual([{ depth: 0 }]);
  },

  async dropped_usage_months() {
    // Purpose: the dropped months, of whichever tenants' calls.
    expect(await call('SELECT dropped_usage_months() AS months')).toEqual([{ months: null }]);
  },

  async prune_audit_events() {
    // Purpose: delete events of the audit log from long ago, of any tenant; here a's, and its org's.
    const age = (days: number) =>
      rowsOf(
        database.superuserUrl,
        'UPDATE audit_events SET occurred_at = now() - make_interval(days => $2) WHERE org_id = $1',
        [a.orgId, days],
      );
    const left = () => rowsOf(database.superuserUrl, 'SELECT 1 FROM audit_events WHERE org_id = $1', [a.orgId]);
    for (const [audited, tenantId] of [
      ['of the tenant', a.tenantId],
      ['of the org', null],
    ])
      await rowsOf(
        database.superuserUrl,
        `INSERT INTO audit_events (id, org_id, tenant_id, action, actor_type, resource_type, resource_id)
         VALUES (gen_random_uuid(), $1, $2, 'key.created', 'user', 'key', $3)`,
        [a.orgId, tenantId, audited],
      );
    const count = (await left()).length;
    await age(29);
    expect(await call("SELECT prune_audit_events('1 second', 1000) AS pruned")).toEqual([{ pruned: 0 }]);
    await age(31);
    expect(await call("SELECT prune_audit_events('32 days', 1000) AS pruned")).toEqual([{ pruned: 0 }]);
    expect(await call("SELECT prune_audit_events('30 days', 1) AS pruned")).toEqual([{ pruned: 1 }]);
    expect(await call("SELECT prune_audit_events('30 days', 1000) AS pruned")).toEqual([{ pruned: count - 1 }]);
    expect(await left()).toEqual([]);
  },

  async renew_lease() {
    // Purpose: renew one process's lease, by its id.
    const id = randomUUID();
    expect(await call('SELECT renew_lease($1, NULL, $2) AS alive', [id, TERM])).toEqual([{ alive: true }]);
    expect(await call('SELECT renew_lease($1, 1000, $2) AS alive', [a.leaseId, TERM])).toEqual([{ alive: true }]);
    await call('SELECT end_lease($1)', [id]);
    expect(await call('SELECT renew_lease($1, NULL, $2) AS alive', [id, TERM])).toEqual([{ alive: null }]);
  },

  async end_lease() {
    // Purpose: end one process's lease, by its id, and no calls.
    await call('SELECT end_lease($1)', [a.leaseId]);
    await call('SELECT end_lease(NULL)');
    expect(await everythingOf(a)).toContain('"state": "RESERVED"');
  },

  async sweep_usage() {
    // Purpose: charge the open calls of dead processes, of any tenant; here a's process is dead, and b's lives.
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
    expect(await call("SELECT sweep_usage('20 seconds', '1 day') AS swept")).toEqual([{ swept: 1 }]);
    expect(await everythingOf(a)).toContain('"state": "SWEPT"');
  },

  async take_rate_windows() {
    // Purpose: take from the given windows.
    const rows = await call("SELECT key, before, used FROM take_rate_windows($1, '{2}', '{4}', '1 hour')", [
      [a.window],
    ]);
    expect(rows).toEqual([{ key: a.window, before: 3, used: 4 }]);
    expect(await call("SELECT * FROM take_rate_windows('{}', '{}', '{}', '1 hour')")).toEqual([]);
  },

  async peek_rate_windows() {
    // Purpose: read the given windows.
    const rows = await call("SELECT key, used FROM peek_rate_windows($1, '1 hour')", [[a.window]]);
    expect(rows).toEqual([{ key: a.window, used: 3 }]);
    expect(await call("SELECT * FROM peek_rate_windows('{}', '1 hour')")).toEqual([]);
  },

  async release_rate_windows() {
    // Purpose: give back to the given windows, where they are still the same ones.
    const peek = () => call("SELECT used, resets_at FROM peek_rate_windows($1, '1 hour')", [[a.window]]);
    const [window] = await peek();
    await call("SELECT release_rate_windows($1, $2, '{1}', '1 hour')", [[a.window], [window!['resets_at']]]);
    await call("SELECT release_rate_windows($1, $2, '{1}', '1 hour')", [[b.window], [new Date(0)]]);
    expect(await peek()).toEqual([{ ...window, used: 2 }]);
  },

  async current_org_id() {
    // Purpose: the org of the transaction's own tenant.
    expect(await callAs(a, 'SELECT current_org_id() AS id')).toEqual([{ id: a.orgId }]);
    expect(await call('SELECT current_org_id() AS id')).toEqual([{ id: null }]);
  },

  async queue_claims() {
    // Purpose: set one user's claims to what their memberships say.
    const queue = (user: string) => call('SELECT * FROM queue_claims($1, $2)', [user, randomUUID()]);
    expect(await queue(a.ownerId)).toEqual([{ tenant_id: a.tenantId, role: 'owner' }]);
    expect(await queue('no-such-user')).toEqual([{ tenant_id: null, role: null }]);
    expect(
      await rowsOf(database.superuserUrl, 'SELECT claims FROM claim_writes WHERE user_id = $1', [a.ownerId]),
    ).toEqual([{ claims: { tenant_id: a.tenantId, role: 'owner' } }]);
  },

  async find_claim_write() {
    // Purpose: read one write of the outbox, by its id.
    expect(await call('SELECT * FROM find_claim_write($1)', [a.claimWriteId])).toEqual([
      { claims: { tenant_id: a.tenantId } },
    ]);
    expect(await call('SELECT * FROM find_claim_write($1)', [randomUUID()])).toEqual([]);
  },

  async list_orgs() {
    // Purpose: list the orgs that a user belongs to.
    const orgs = await call('SELECT id, tenants FROM list_orgs($1, NULL, NULL, 10)', [a.ownerId]);
    expect(orgs).toEqual([{ id: a.orgId, tenants: [{ id: a.tenantId, name: 'Production' }] }]);
    expect(await call("SELECT id FROM list_orgs('%', NULL, NULL, 10)")).toEqual([]);
  },

  async switch_tenant() {
    // Purpose: set a user's claims to a tenant where the user is a member.
    const choose = (tenant: Tenant) =>
      call('SELECT org_id, tenant_id, role FROM switch_tenant($1, $2, $3)', [a.ownerId, tenant.tenantId, randomUUID()]);
    expect(await choose(b)).toEqual([]);
    expect(await choose(a)).toEqual([{ org_id: a.orgId, tenant_id: a.tenantId, role: 'owner' }]);
  },

  async accept_invitation() {
    // Purpose: make a member of the user who holds the token and the invited address.
    const user = `user-${randomUUID()}`;
    const accept = (hash: Buffer, email: string) =>
      call('SELECT result, org_id, role FROM accept_invitation($1, $2, $3, true, $4)', [
        [hash],
        user,
        email,
        randomUUID(),
      ]);
    const before = await sizes();
    expect(await accept(b.invitationHash, 'other@example.org')).toEqual([
      { result: 'wrong_email', org_id: null, role: null },
    ]);
    expect(await accept(Buffer.from('unknown'), 'new@example.org')).toEqual([
      { result: 'not_found', org_id: null, role: null },
    ]);
    expect(await sizes()).toEqual(before);
    expect(await accept(a.invitationHash, 'New@Example.ORG')).toEqual([
      { result: 'accepted', org_id: a.orgId, role: 'viewer' },
    ]);
  },

  async delete_tenant() {
    // Purpose: delete a tenant of the org of the transaction's own tenant.
    const remove = (tenantId: string, name = 'Production') =>
      callAs(a, 'SELECT delete_tenant($1, $2, $3) AS result', [tenantId, name, randomUUID()]);
    expect(await remove(b.tenantId)).toEqual([{ result: 'not_found' }]);
    expect(await remove(a.tenantId)).toEqual([{ result: 'last_tenant' }]);
    await rowsOf(database.superuserUrl, "INSERT INTO tenants (id, org_id, name) VALUES ($1, $2, 'Spare')", [
      `spare-${a.tenantId}`,
      a.orgId,
    ]);
    expect(await remove(`spare-${a.tenantId}`, 'spare')).toEqual([{ result: 'wrong_name' }]);
    expect(await remove(`spare-${a.tenantId}`, 'Spare')).toEqual([{ result: 'deleted' }]);
    expect(await call('SELECT delete_tenant($1, $2, $3) AS result', [b.tenantId, 'Production', randomUUID()])).toEqual([
      { result: 'not_found' },
    ]);
  },

  async delete_org() {
    // Purpose: delete the org of the transaction's own tenant.
    expect(await callAs(a, "SELECT delete_org('Wrong') AS result")).toEqual([{ result: 'wrong_name' }]);
    expect(await call("SELECT delete_org('Wrong') AS result")).toEqual([{ result: 'wrong_name' }]);
    const [org] = await rowsOf<{ name: string }>(database.superuserUrl, 'SELECT name FROM orgs WHERE id = $1', [
      a.orgId,
    ]);
    expect(await callAs(a, 'SELECT delete_org($1) AS result', [org!.name])).toEqual([{ result: 'deleted' }]);
    const left = JSON.parse(await everythingOf(a)) as (unknown[] | null)[];
    // The user stays, with a pending write of empty claims. So do lease and window, which belong to no tenant, and a tombstone.
    expect(left.flatMap((rows, index) => (rows === null ? [] : [index]))).toEqual([0, 6, 7, 8, 12]);
    expect(left[12]).toEqual([
      expect.objectContaining({ action: 'tenant.deleted', resource_id: a.tenantId, tenant_id: null, actor_id: null }),
    ]);
  },

  async claim_idempotency_key() {
    // Purpose: claim one owner's idempotency key.
    const claim = (owner: string, key: string) =>
      call("SELECT * FROM claim_idempotency_key($1, $2, NULL, 'other')", [owner, key]);
    const theirs = `${b.tenantId}:user:${b.ownerId}`;
    expect(await claim(theirs, 'k')).toEqual([{ claimed: false, same_request: false, response: {} }]);
    expect(await claim(`${a.tenantId}:user:${b.ownerId}`, 'k')).toEqual([
      { claimed: true, same_request: true, response: null },
    ]);
  },

  async finish_idempotency_key() {
    // Purpose: finish one owner's idempotency key.
    await call(`SELECT finish_idempotency_key($1, 'k', NULL, '{"done":true}')`, [`${a.tenantId}:user:${a.ownerId}`]);
    await call(`SELECT finish_idempotency_key(NULL, 'k', NULL, '{"done":true}')`);
    expect(await everythingOf(a)).toContain('"done": true');
  },

  async prune_idempotency_keys() {
    // Purpose: delete keys that are older than a day, of any tenant; here a's is.
    await rowsOf(
      database.superuserUrl,
      "UPDATE idempotency_keys SET created_at = now() - interval '25 hours' WHERE tenant_id = $1",
      [a.tenantId],
    );
    await call('SELECT prune_idempotency_keys()');
    const left = await rowsOf(
      database.superuserUrl,
      'SELECT tenant_id FROM idempotency_keys WHERE tenant_id = ANY ($1)',
      [[a.tenantId, b.tenantId]],
    );
    expect(left).toEqual([{ tenant_id: b.tenantId }]);
  },

  async find_usage_token() {
    // Purpose: from a token's id, which is in a token that we signed, to that token, its human and its key.
    const find = (id: unknown) => call('SELECT * FROM find_usage_token($1)', [id]);
    const set = (text: string) => rowsOf(database.superuserUrl, text, [a.usageTokenId]);
    const [row, ...more] = await find(a.usageTokenId);
    expect(more).toEqual([]);
    expect(row).toEqual({
      id: a.usageTokenId,
      tenant_id: a.tenantId,
      key_id: a.keyId,
      human_id: `hum_${a.human}`,
      human: a.human,
      scopes: ['chat:write'],
      requests_per_minute_per_human: null,
      expires_at: expect.any(Date),
      expired: false,
    });
    for (const unknown of [null, '', '%', `${a.usageTokenId}%`]) expect(await find(unknown)).toEqual([]);
    // The token ends with its key, if the key ends first.
    const end = new Date(Date.now() - 1000);
    await rowsOf(database.superuserUrl, 'UPDATE api_keys SET expires_at = $1 WHERE id = $2', [end, a.keyId]);
    expect(await find(a.usageTokenId)).toEqual([{ ...row, expires_at: end, expired: true }]);
    await rowsOf(database.superuserUrl, 'UPDATE api_keys SET expires_at = NULL WHERE id = $1', [a.keyId]);
    await set("UPDATE usage_tokens SET expires_at = now() - interval '1 second' WHERE id = $1");
    expect(await find(a.usageTokenId)).toMatchObject([{ expired: true }]);
    await set("UPDATE usage_tokens SET revoked_at = now(), expires_at = now() + interval '1 hour' WHERE id = $1");
    expect(await find(a.usageTokenId)).toEqual([]);
    await set('UPDATE usage_tokens SET revoked_at = NULL WHERE id = $1');
    await rowsOf(database.superuserUrl, 'UPDATE api_keys SET revoked_at = now() WHERE id = $1', [a.keyId]);
    expect(await find(a.usageTokenId)).toEqual([]);
  },

  async find_sealed_token() {
    // Purpose: whether a token's facts still hold: its tenant, its key, and that it is not revoked.
    const find = (...values: unknown[]) => call('SELECT * FROM find_sealed_token($1, $2, $3, $4)', values);
    const issued = new Date();
    const [hash, good] = [`hash of ${a.keyId}`, [{ expires_at: null }]];
    expect(await find(a.tenantId, a.keyId, hash, issued)).toEqual(good);
    expect(await find(a.tenantId, null, hash, issued)).toEqual(good);
    for (const [tenantId, keyId] of [
      [a.tenantId, b.keyId],
      [a.tenantId, ''],
      ['', null],
      [null, null],
      ['%', null],
    ]) {
      expect(await find(tenantId, keyId, hash, issued)).toEqual([]);
    }
    const revoke = (tokenHash: string | null, before: Date | null) =>
      call('SELECT revoke_sealed_tokens($1, $2, $3)', [randomUUID(), tokenHash, before]);
    await revoke(hash, null);
    expect(await find(a.tenantId, a.keyId, hash, issued)).toEqual([]);
    expect(await find(a.tenantId, a.keyId, `${hash}2`, issued)).toEqual(good);
    await revoke(null, issued);
    expect(await find(a.tenantId, a.keyId, `${hash}2`, new Date(issued.getTime() - 1000))).toEqual([]);
    expect(await find(a.tenantId, a.keyId, `${hash}2`, issued)).toEqual(good);
    await rowsOf(database.superuserUrl, "UPDATE api_keys SET scopes = '{usage:read}' WHERE id = $1", [a.keyId]);
    expect(await find(a.tenantId, a.keyId, `${hash}2`, issued)).toEqual([]);
    await rowsOf(
      database.superuserUrl,
      "UPDATE api_keys SET scopes = '{chat:write}', revoked_at = now() WHERE id = $1",
      [a.keyId],
    );
    expect(await find(a.tenantId, a.keyId, `${hash}2`, issued)).toEqual([]);
  },

  async revoke_sealed_tokens() {
    // Purpose: the operator revokes tokens, either one token or all of a time; naming both or neither is refused.
    const revoke = (...values: unknown[]) => call('SELECT revoke_sealed_tokens($1, $2, $3)', values);
    await revoke(randomUUID(), 'somebody’s', null);
    await expect(revoke(randomUUID(), null, null)).rejects.toThrow('check constraint');
    await expect(revoke(randomUUID(), 'x', new Date())).rejects.toThrow('check constraint');
  },

  async take_sealed_quotas() {
    // Purpose: take from the given quotas of the given tenants.
    const take = (tenantIds: string[], holders: string[], count: number) =>
      call('SELECT granted, blamed FROM take_sealed_quotas($1, $2, $3, $4, $5)', [
        tenantIds,
        holders,
        [count],
        [1, 0, 0, 0],
        [4, 9, 9, ...Array<number>(9).fill(0)],
      ]);
    expect(await take([a.tenantId], ['api'], 6)).toEqual([{ granted: [4], blamed: [1] }]);
    expect(await take([a.tenantId], ['api'], 1)).toEqual([{ granted: [0], blamed: [1] }]);
    expect(await take(['gone'], ['api'], 1)).toEqual([{ granted: [-1], blamed: null }]);
  },

  async prune_sealed_quotas() {
    // Purpose: delete quotas that have ended, of any tenant; here a's did.
    await rowsOf(
      database.superuserUrl,
      "INSERT INTO sealed_quotas (tenant_id, holder, used, ends_at) SELECT $1, h, '{1,1,1}', ARRAY[now() - interval '1 day', e, e] FROM (VALUES ('over', now() - interval '2 minutes'), ('open', now() + interval '1 hour')) AS v (h, e)",
      [a.tenantId],
    );
    await call('SELECT prune_sealed_quotas()');
    const left = await rowsOf(
      database.superuserUrl,
      'SELECT holder FROM sealed_quotas WHERE tenant_id = $1 AND holder <> $2',
      [a.tenantId, 'api'],
    );
    expect(left).toEqual([{ holder: 'open' }]);
  },

  async prune_usage_tokens() {
    // Purpose: delete tokens that ended an hour ago, of any tenant; here a's did, and another of a's ended just now.
    const recent = `${a.usageTokenId}-recent`;
    await rowsOf(
      database.superuserUrl,
      `INSERT INTO usage_tokens (id, tenant_id, key_id, human_id, expires_at)
       SELECT $2, tenant_id, key_id, human_id, now() - interval '59 minutes' FROM usage_tokens WHERE id = $1`,
      [a.usageTokenId, recent],
    );
    await rowsOf(
      database.superuserUrl,
      "UPDATE usage_tokens SET expires_at = now() - interval '61 minutes' WHERE id = $1",
      [a.usageTokenId],
    );
    await call('SELECT prune_usage_tokens()');
    const left = await rowsOf<{ id: string }>(
      database.superuserUrl,
      'SELECT id FROM usage_tokens WHERE tenant_id = ANY ($1)',
      [[a.tenantId, b.tenantId]],
    );
    expect(left.map(({ id }) => id).sort()).toEqual([recent, b.usageTokenId].sort());
  },

  async record_impersonation() {
    // Purpose: write one human and one audit row of the given tenant.
    const record = (tenantId: string, human: string) =>
      call("SELECT record_impersonation($1, $2, 'key', $3, 'a route', 'req', '192.0.2.1')", [
        randomUUID(),
        tenantId,
        human,
      ]);
    await record(a.tenantId, b.human);
    await record('no-such-tenant', b.human);
    const all = JSON.parse(await everythingOf(a)) as unknown[][];
    expect([all[10]!.length, all[12]!.length]).toEqual([2, 2]);
  },

  async check_peppers() {
    // Purpose: count the live secrets under a version that is missing or was changed, and show nothing else of them.
    const check = (versions: number[], hash: string) =>
      call('SELECT * FROM check_peppers($1, $2)', [versions, versions.map(() => Buffer.from(hash))]);
    // Other tests move keys to other versions.
    const ofOne = async (versions: number[], hash: string) =>
      (await check(versions, hash)).filter(({ version }) => version === 1);
    expect(await ofOne([1], 'one')).toEqual([]);
    const changed = await ofOne([1], 'other');
    expect(changed).toEqual([{ version: 1, secrets: expect.any(Number) as number, configured: true }]);
    expect(await ofOne([1], 'one')).toEqual([]);
    expect(await ofOne([200], 'two')).toEqual([{ ...changed[0], configured: false }]);
  },

  async prune_rate_windows() {
    // Purpose: delete windows that closed, of any tenant; here a's did.
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

  async tell_webhooks() {
    // Purpose: notify the endpoints of the transaction's own tenant, or of the tenants of its own org.
    const tell = (ofOrg: boolean) => callAs(a, "SELECT tell_webhooks('run.failed', NULL, '{}', $1)", [ofOrg]);
    const told = () =>
      rowsOf(database.superuserUrl, 'SELECT DISTINCT tenant_id FROM webhook_events WHERE created_at > $1', [before]);
    const [{ now: before }] = (await rowsOf(database.superuserUrl, 'SELECT clock_timestamp() AS now')) as [
      { now: Date },
    ];
    await tell(false);
    await tell(true);
    expect(await told()).toEqual([{ tenant_id: a.tenantId }]);
    // Without a tenant no endpoint is notified.
    const counted = await sizes();
    await call("SELECT tell_webhooks('run.failed', NULL, '{}', false)");
    await call("SELECT tell_webhooks('run.failed', NULL, '{}', true)");
    expect(await sizes()).toEqual(counted);
  },

  async claim_webhook_deliveries() {
    // Purpose: claim due deliveries of any tenant, with the data to send them; here only a's is due.
    const human = `hum_${a.human}`;
    await rowsOf(database.superuserUrl, 'UPDATE webhook_events SET human_id = $1 WHERE id = $2', [human, a.deliveryId]);
    const claim = (busy: string[] = []) =>
      call("SELECT * FROM claim_webhook_deliveries(10, $1, 4, '', '1 minute') WHERE tenant_id = ANY ($2)", [
        busy,
        [a.tenantId, b.tenantId],
      ]);
    expect(await claim()).toEqual([]);
    await makeDue(a);
    const [row] = await claim();
    expect(row).toMatchObject({
      id: a.deliveryId,
      tenant_id: a.tenantId,
      endpoint_id: a.endpointId,
      attempt: 2,
      secret_ids: [a.secretId],
    });
    expect(JSON.parse(String(row!['payload']))).toEqual({ run: 1, human: a.human });
    expect(await claim()).toEqual([]);
    // A human of the same id in another tenant is another one.
    await rowsOf(database.superuserUrl, 'UPDATE webhook_events SET human_id = $1 WHERE id = $2', [
      `hum_${b.human}`,
      a.deliveryId,
    ]);
    await makeDue(a);
    expect(JSON.parse(String((await claim())[0]!['payload']))).toEqual({ run: 1 });
  },

  async finish_webhook_delivery() {
    // Purpose: end one attempt, by the delivery's id and the attempt's number, and disable its endpoint after the last failure
    // allowed.
    const finish = (id: string, attempt: number) =>
      call("SELECT * FROM finish_webhook_delivery($1, $2, 410, 'GONE', NULL, '3 days')", [id, attempt]);
    expect(await finish(b.deliveryId, 2)).toEqual([]);
    expect(await finish(randomUUID(), 1)).toEqual([]);
    expect(await finish(a.deliveryId, 1)).toEqual([
      { endpoint_id: a.endpointId, tenant_id: a.tenantId, disabled_reason: 'GONE' },
    ]);
    expect(await finish(a.deliveryId, 1)).toEqual([]);
  },

  async prune_webhook_events() {
    // Purpose: delete old events without pending deliveries, and secrets past their end, of any tenant; here a's.
    await rowsOf(
      database.superuserUrl,
      "UPDATE webhook_deliveries SET status = 'DELIVERED', next_attempt_at = NULL, ended_at = now() WHERE tenant_id = $1",
      [a.tenantId],
    );
    await rowsOf(
      database.superuserUrl,
      "UPDATE webhook_events SET created_at = now() - interval '31 days' WHERE tenant_id = $1",
      [a.tenantId],
    );
    await rowsOf(
      database.superuserUrl,
      "UPDATE webhook_secrets SET expires_at = now() - interval '1 second' WHERE tenant_id = $1",
      [a.tenantId],
    );
    expect(await call("SELECT prune_webhook_events('30 days', 1000) AS pruned")).toEqual([{ pruned: 1 }]);
    const left = JSON.parse(await everythingOf(a)) as (unknown[] | null)[];
    expect(left.slice(-3)).toEqual([null, null, null]);
  },

  async find_webhook_secrets_to_rewrap() {
    // Purpose: move envelopes of any tenant from an older key to the newest.
    await rowsOf(database.superuserUrl, 'UPDATE webhook_secrets SET key_version = 7 WHERE id = $1', [a.secretId]);
    const find = (version: number) =>
      call(
        "SELECT id, tenant_id FROM find_webhook_secrets_to_rewrap($1, '00000000-0000-0000-0000-000000000000', 1000)",
        [version],
      );
    expect(await find(1)).toEqual([{ id: a.secretId, tenant_id: a.tenantId }]);
    expect(await find(7)).not.toContainEqual({ id: a.secretId, tenant_id: a.tenantId });
  },

  async webhook_queue_state() {
    // Purpose: two numbers over all tenants together.
    const due = (due: boolean, at: string) =>
      rowsOf(
        database.superuserUrl,
        `UPDATE webhook_deliveries SET ready = $2, next_attempt_at = now() + $3::interval WHERE id = $1 AND status = 'PENDING'`,
        [a.deliveryId, due, at],
      );
    await due(false, '1 hour');
    const before = await queueOf('SELECT * FROM webhook_queue_state()');
    for (const ready of [true, false]) {
      await due(ready, '-25 hours');
      const after = await queueOf('SELECT * FROM webhook_queue_state()');
      expect((after?.depth ?? 0) - (before?.depth ?? 0)).toBe(1);
      expect(after?.oldest_seconds).toBeGreaterThanOrEqual(86_400);
    }
  },

  async run_queue_state() {
    // Purpose: two numbers over all tenants together.
    const before = await queueOf('SELECT * FROM run_queue_state()');
    await rowsOf(database.superuserUrl, 'DELETE FROM runs WHERE id = $1', [a.waitingRunId]);
    const after = await queueOf('SELECT * FROM run_queue_state()');
    expect((before?.depth ?? 0) - (after?.depth ?? 0)).toBe(1);
  },

  async claim_queue_state() {
    // Purpose: two numbers over all tenants together.
    const before = await queueOf('SELECT * FROM claim_queue_state()');
    await rowsOf(database.superuserUrl, 'DELETE FROM claim_writes WHERE id = $1', [a.claimWriteId]);
    const after = await queueOf('SELECT * FROM claim_queue_state()');
    expect((before?.depth ?? 0) - (after?.depth ?? 0)).toBe(1);
  },

  async api_key_pepper_versions() {
    // Purpose: count the secrets under each pepper, of all tenants together.
    await rowsOf(database.superuserUrl, 'UPDATE api_keys SET pepper_version = 71 WHERE id = $1', [a.keyId]);
    expect(await call('SELECT * FROM api_key_pepper_versions()', [])).toContainEqual({ version: 71, secrets: 1 });
    await rowsOf(database.superuserUrl, 'UPDATE api_keys SET revoked_at = now() WHERE id = $1', [a.keyId]);
    expect(await call('SELECT * FROM api_key_pepper_versions()', [])).not.toContainEqual({ version: 71, secrets: 1 });
    await rowsOf(database.superuserUrl, 'UPDATE api_keys SET pepper_version = 1 WHERE id = $1', [a.keyId]);
  },

  async gateway_token_pepper_versions() {
    // Purpose: count the tokens under each pepper, of all tenants together.
    await rowsOf(database.superuserUrl, 'UPDATE gateway_tokens SET pepper_version = 71 WHERE id = $1', [
      a.gatewayTokenId,
    ]);
    expect(await call('SELECT * FROM gateway_token_pepper_versions()', [])).toContainEqual({ version: 71, secrets: 1 });
    await rowsOf(database.superuserUrl, 'UPDATE gateway_tokens SET pepper_version = 1 WHERE id = $1', [
      a.gatewayTokenId,
    ]);
  },

  async tenant_data_key_versions() {
    // Purpose: count the data keys under each version, of all tenants together.
    await rowsOf(database.superuserUrl, 'UPDATE tenant_data_keys SET key_version = 71 WHERE tenant_id = $1', [
      a.tenantId,
    ]);
    expect(await call('SELECT * FROM tenant_data_key_versions()', [])).toContainEqual({ version: 71, secrets: 1 });
    await rowsOf(database.superuserUrl, 'UPDATE tenant_data_keys SET key_version = 1 WHERE tenant_id = $1', [
      a.tenantId,
    ]);
  },

  async webhook_secret_key_versions() {
    // Purpose: count the secrets under each version, of all tenants together.
    await rowsOf(database.superuserUrl, 'UPDATE webhook_secrets SET key_version = 71 WHERE id = $1', [a.secretId]);
    expect(await call('SELECT * FROM webhook_secret_key_versions()', [])).toContainEqual({ version: 71, secrets: 1 });
    await rowsOf(database.superuserUrl, 'UPDATE webhook_secrets SET key_version = 1 WHERE id = $1', [a.secretId]);
  },

  async rewrap_webhook_secret() {
    // Purpose: replace one secret's envelope, for a caller that has the old one.
    const [{ envelope }] = (await rowsOf(database.superuserUrl, 'SELECT envelope FROM webhook_secrets WHERE id = $1', [
      a.secretId,
    ])) as [{ envelope: Buffer }];
    const rewrap = (id: string) => call("SELECT rewrap_webhook_secret($1, $2, '\\x01', 2)", [id, envelope]);
    await rewrap(b.secretId);
    await rewrap(a.secretId);
    expect(
      await rowsOf(database.superuserUrl, 'SELECT key_version FROM webhook_secrets WHERE id = $1', [a.secretId]),
    ).toEqual([{ key_version: 2 }]);
  },

  async find_key_models() {
    // Purpose: the allowed models of one key, for a call of any tenant.
    const find = (tenantId: string | null) => call('SELECT * FROM find_key_models($1, $2)', [tenantId, a.keyId]);
    expect(await find(a.tenantId)).toEqual([{ models: [] }]);
    expect(await find(b.tenantId)).toEqual([]);
    expect(await find(null)).toEqual([]);
  },

  async find_model_overrides() {
    // Purpose: one tenant's own settings of models, for a call of any tenant.
    const insert = "INSERT INTO llm_model_overrides (tenant_id, model, context_tokens) VALUES ($1, 'm', 5)";
    await rowsOf(database.superuserUrl, insert, [a.tenantId]);
    const find = (tenantId: string | null) =>
      call('SELECT model, context_tokens FROM find_model_overrides($1)', [tenantId]);
    expect(await find(a.tenantId)).toEqual([{ model: 'm', context_tokens: 5 }]);
    expect(await find(b.tenantId)).toEqual([]);
    expect(await find(null)).toEqual([]);
  },

  async find_tenant_data_key() {
    // Purpose: one tenant's data key, encrypted, for calls of any tenant.
    const find = (tenantId: string | null) => call('SELECT id FROM find_tenant_data_key($1)', [tenantId]);
    expect(await find(a.tenantId)).toEqual([{ id: a.dataKeyId }]);
    expect(await find('no-such-tenant')).toEqual([]);
    expect(await find(null)).toEqual([]);
  },

  async find_tenant_data_keys_to_rewrap() {
    // Purpose: move data keys of any tenant from an older key to the newest.
    await rowsOf(database.superuserUrl, 'UPDATE tenant_data_keys SET key_version = 7 WHERE tenant_id = $1', [
      a.tenantId,
    ]);
    const find = (version: number) =>
      call("SELECT id, tenant_id FROM find_tenant_data_keys_to_rewrap($1, '', 1000)", [version]);
    expect(await find(1)).toEqual([{ id: a.dataKeyId, tenant_id: a.tenantId }]);
    expect(await find(7)).not.toContainEqual({ id: a.dataKeyId, tenant_id: a.tenantId });
  },

  async rewrap_tenant_data_key() {
    // Purpose: replace one data key's envelope, for a caller that has the old one.
    const [{ envelope }] = (await rowsOf(
      database.superuserUrl,
      'SELECT envelope FROM tenant_data_keys WHERE tenant_id = $1',
      [a.tenantId],
    )) as [{ envelope: Buffer }];
    const rewrap = (id: string) => call("SELECT rewrap_tenant_data_key($1, $2, '\\x01', 2)", [id, envelope]);
    await rewrap(b.dataKeyId);
    await rewrap(a.dataKeyId);
    expect(
      await rowsOf(database.superuserUrl, 'SELECT key_version FROM tenant_data_keys WHERE tenant_id = $1', [
        a.tenantId,
      ]),
    ).toEqual([{ key_version: 2 }]);
  },

  async find_gateway() {
    // Purpose: from a gateway's id, which its callers know, to that one gateway.
    const find = (id: string | null) => call('SELECT id, tenant_id FROM find_gateway($1)', [id]);
    expect(await find(a.gatewayId)).toEqual([{ id: a.gatewayId, tenant_id: a.tenantId }]);
    for (const unknown of ['', null, '%']) expect(await find(unknown)).toEqual([]);
  },

  async find_gateway_answer() {
    // Purpose: the answer that the call's own gateway keeps for one request.
    const find = (tenantId: string, gatewayId: string, key = 'key') =>
      call('SELECT answer FROM find_gateway_answer($1, $2, $3)', [tenantId, gatewayId, Buffer.from(key)]);
    expect(await find(a.tenantId, a.gatewayId)).toEqual([{ answer: Buffer.from('kept') }]);
    expect(await find(a.tenantId, a.gatewayId, 'another')).toEqual([]);
    expect(await find(a.tenantId, b.gatewayId)).toEqual([]);
    expect(await find(b.tenantId, a.gatewayId)).toEqual([]);
  },

  async keep_gateway_answer() {
    // Purpose: store one answer of one gateway, while the gateway is unchanged.
    await rowsOf(database.superuserUrl, 'UPDATE gateways SET cache_ttl_seconds = 60 WHERE id = $1', [a.gatewayId]);
    const [gateway] = await call('SELECT revision FROM find_gateway($1)', [a.gatewayId]);
    const keep = (tenantId: string, gatewayId: string, revision: unknown) =>
      call('SELECT keep_gateway_answer($1, $2, $3, $4, $5)', [
        ...[tenantId, gatewayId, revision, Buffer.from('other'), Buffer.from('answer')],
      ]);
    await keep(a.tenantId, b.gatewayId, gateway!['revision']);
    await keep(b.tenantId, a.gatewayId, gateway!['revision']);
    await keep(a.tenantId, a.gatewayId, 'another');
    const kept = () =>
      rowsOf(database.superuserUrl, 'SELECT bytes FROM gateway_cache_entries WHERE tenant_id = $1', [a.tenantId]);
    expect(await kept()).toHaveLength(1);
    await keep(a.tenantId, a.gatewayId, gateway!['revision']);
    expect(await kept()).toHaveLength(2);
  },

  async clear_gateway_answers() {
    // Purpose: delete the answers that a gateway of this transaction's tenant keeps.
    await callAs(a, 'SELECT clear_gateway_answers($1)', [b.gatewayId]);
    await callAs(a, 'SELECT clear_gateway_answers($1)', [a.gatewayId]);
    expect(
      await rowsOf(database.superuserUrl, 'SELECT 1 FROM gateway_cache_entries WHERE tenant_id = $1', [a.tenantId]),
    ).toEqual([]);
  },

  async keep_gateway_bodies() {
    // Purpose: store the bodies of one call of one gateway, where the gateway keeps bodies.
    const keep = (tenantId: string, gatewayId: string) =>
      call("SELECT keep_gateway_bodies($1, $2, $3, 'asked', NULL)", [randomUUID(), tenantId, gatewayId]);
    const kept = () =>
      rowsOf(database.superuserUrl, 'SELECT 1 FROM gateway_call_bodies WHERE tenant_id = $1', [a.tenantId]);
    await keep(a.tenantId, a.gatewayId);
    expect(await kept()).toHaveLength(1);
    await rowsOf(database.superuserUrl, 'UPDATE gateways SET body_retention_days = 1 WHERE id = $1', [a.gatewayId]);
    await keep(a.tenantId, b.gatewayId);
    await keep(b.tenantId, a.gatewayId);
    expect(await kept()).toHaveLength(1);
    await keep(a.tenantId, a.gatewayId);
    expect(await kept()).toHaveLength(2);
  },

  async prune_gateways() {
    // Purpose: delete expired entries, of any tenant.
    for (const table of ['gateway_cache_entries', 'gateway_call_bodies'])
      await rowsOf(
        database.superuserUrl,
        `UPDATE ${table} SET expires_at = now() - interval '1 second' WHERE tenant_id = $1`,
        [a.tenantId],
      );
    expect(await call('SELECT prune_gateways(100) AS pruned')).toEqual([{ pruned: 2 }]);
    expect(
      await rowsOf(database.superuserUrl, 'SELECT bytes FROM gateway_cache_sizes WHERE tenant_id = $1', [a.tenantId]),
    ).toEqual([{ bytes: '0' }]);
  },

  async find_gateway_token() {
    // Purpose: from a hash, which only the holder of the token knows, to that one token.
    const [own, other] = [a.gatewayTokenHash, b.gatewayTokenHash];
    const find = (hashes: Buffer[] | null) => call('SELECT gateway_id FROM find_gateway_token($1)', [hashes]);
    expect(await find([own])).toEqual([{ gateway_id: a.gatewayId }]);
    expect(await find([other])).toEqual([{ gateway_id: b.gatewayId }]);
    for (const unknown of [[], null, [Buffer.alloc(0)]]) expect(await find(unknown)).toEqual([]);
  },

  async rehash_gateway_token() {
    // Purpose: give the one token whose hash the caller knows another hash.
    await call('SELECT rehash_gateway_token($1, $2, 2)', [a.gatewayTokenHash, Buffer.from('another')]);
    expect(await call('SELECT pepper_version FROM find_gateway_token($1)', [[Buffer.from('another')]])).toEqual([
      { pepper_version: 2 },
    ]);
    await call('SELECT rehash_gateway_token($1, $2, 2)', [null, Buffer.from('a third')]);
    expect(await refusal('SELECT rehash_gateway_token($1, $2, 2)', [Buffer.from('another'), b.gatewayTokenHash])).toBe(
      UNIQUE_VIOLATION,
    );
  },

  async touch_gateway_tokens() {
    // Purpose: set the time of last use of the given tokens; never back in time.
    await call('SELECT touch_gateway_tokens($1, $2)', [
      [a.gatewayTokenId, 'unknown'],
      [new Date(1000), new Date(2000)],
    ]);
    await call('SELECT touch_gateway_tokens($1, $2)', [[a.gatewayTokenId], [new Date(500)]]);
    expect(
      await rowsOf(database.superuserUrl, 'SELECT last_used_at FROM gateway_tokens WHERE tenant_id = $1', [a.tenantId]),
    ).toEqual([{ last_used_at: new Date(1000) }]);
  },

  async touch_humans() {
    // Purpose: set when the given humans of the given tenants were last seen; never back in time.
    const seen = async (): Promise<unknown> =>
      rowsOf(
        database.superuserUrl,
        'SELECT last_seen_at FROM humans WHERE tenant_id = ANY ($1) AND human = $2 ORDER BY 1',
        [[a.tenantId, b.tenantId], a.human],
      );
    const touch = (tenantId: string, at: number) =>
      call('SELECT touch_humans($1, $2)', [
        [`${tenantId}:${a.human}`, 'unknown'],
        [new Date(at), new Date(at)],
      ]);
    await touch(b.tenantId, 9000);
    const before = await seen();
    await touch(a.tenantId, 1000);
    await touch(a.tenantId, 500);
    expect(await seen()).not.toEqual(before);
    expect(await seen()).toEqual(expect.arrayContaining([{ last_seen_at: new Date(1000) }]));
  },

  async find_gateway_providers() {
    // Purpose: the enabled providers of one gateway of the tenant that makes the call.
    const find = (tenantId: string | null, gatewayId: string | null) =>
      call('SELECT id FROM find_gateway_providers($1, $2)', [tenantId, gatewayId]);
    expect(await find(a.tenantId, a.gatewayId)).toEqual([{ id: `provider-of-${a.gatewayId}` }]);
    for (const [tenantId, gatewayId] of [
      [a.tenantId, b.gatewayId],
      [b.tenantId, a.gatewayId],
      [a.tenantId, null],
    ] as const)
      expect(await find(tenantId, gatewayId)).toEqual([]);
  },

  async find_llm_routes() {
    // Purpose: the routes of the tenant that makes the call, with their targets.
    const find = (tenantId: string | null) => call('SELECT name, targets FROM find_llm_routes($1)', [tenantId]);
    const target = { model: 'm', weight: 1, providerId: a.providerId };
    expect(await find(a.tenantId)).toEqual([{ name: 'one', targets: [target] }]);
    expect(await find(null)).toEqual([]);
  },

  async routes_of_provider() {
    // Purpose: the names of routes to a provider, of this transaction's tenant.
    const names = (providerId: string) => callAs(a, 'SELECT routes_of_provider($1) AS names', [providerId]);
    expect(await names(a.providerId)).toEqual([{ names: ['one'] }]);
    expect(await names(b.providerId)).toEqual([{ names: [] }]);
  },

  async find_llm_providers() {
    // Purpose: the enabled providers of the tenant that makes the call.
    const find = (tenantId: string | null) => call('SELECT id FROM find_llm_providers($1)', [tenantId]);
    expect(await find(a.tenantId)).toEqual([{ id: a.providerId }]);
    expect(await find(null)).toEqual([]);
    await rowsOf(database.superuserUrl, 'UPDATE llm_providers SET enabled = false WHERE id = $1', [a.providerId]);
    expect(await find(a.tenantId)).toEqual([]);
  },

  async add_tenant_data_key() {
    // Purpose: add a data key for a tenant that has none; an existing one stays.
    const add = (tenantId: string) =>
      call("SELECT id FROM add_tenant_data_key($1, $2, '\\x01', 1)", [tenantId, randomUUID()]);
    expect(await add(a.tenantId)).toEqual([{ id: a.dataKeyId }]);
    expect(await add(b.tenantId)).toEqual([{ id: b.dataKeyId }]);
    expect(await add('no-such-tenant')).toEqual([]);
  },

  async begin_runs() {
    // Purpose: add a message to a thread of the given tenant and owner, under the given lease.
    const begin = (tenant: Tenant, tenantId: string, human: string, key: string) =>
      call(
        "SELECT * FROM begin_runs($1, ARRAY[ROW($2, $3, $4, NULL, $5, NULL, $6, '{}', 'req', NULL, 'said', 1, NULL, NULL, NULL)]::run_start[], 100)",
        [tenant.leaseId, randomUUID(), randomUUID(), tenantId, human, key],
      );
    // In a's tenant, b's human and thread key name another human and thread.
    expect(await begin(a, a.tenantId, b.human, 'A thread')).toMatchObject([{ alive: true, verdicts: ['running'] }]);
    expect(await begin(a, a.tenantId, a.human, 'A thread')).toMatchObject([{ verdicts: ['busy'] }]);
    expect(await begin(a, 'no-such-tenant', a.human, 'A thread')).toMatchObject([{ verdicts: ['gone'] }]);
    const counted = await sizes();
    expect(await begin({ ...a, leaseId: randomUUID() }, a.tenantId, a.human, 'New')).toMatchObject([{ alive: false }]);
    expect(await sizes()).toEqual(counted);
  },

  async load_runs() {
    // Purpose: the data to start runs, for the process that holds their lease.
    const load = (leaseId: string, runId: string) =>
      call('SELECT * FROM load_runs($1, $2, 1000, 10)', [leaseId, [runId]]);
    expect(await load(a.leaseId, a.runId)).toMatchObject([
      { id: a.runId, tenant_id: a.tenantId, total: 1, roles: ['user'], bodies: [Buffer.from('said')], may: true },
    ]);
    for (const runId of [b.runId, a.waitingRunId, randomUUID()]) expect(await load(a.leaseId, runId)).toEqual([]);
  },

  async finish_runs() {
    // Purpose: end a run of the process that holds its lease, and start the next one of its thread.
    const finish = (runId: string) =>
      call("SELECT * FROM finish_runs($1, ARRAY[ROW($2, 'COMPLETED', 1, 'said', 1, 0, NULL, NULL)]::run_end[])", [
        a.leaseId,
        runId,
      ]);
    expect(await finish(b.runId)).toEqual([{ ended: [false], next_ids: [null] }]);
    expect(await finish(a.runId)).toEqual([{ ended: [true], next_ids: [a.waitingRunId] }]);
    expect(await finish(a.runId)).toEqual([{ ended: [false], next_ids: [null] }]);
  },

  async write_run_deltas() {
    // Purpose: store pieces of runs of the process that holds their lease; it learns which runs it does not hold.
    expect(
      await call(
        "SELECT write_run_deltas($1, ARRAY[ROW($2, 0, 5, 'piece'), ROW($3, 0, 5, 'piece')]::run_delta[]) AS lost",
        [a.leaseId, a.runId, b.runId],
      ),
    ).toEqual([{ lost: [b.runId] }]);
  },

  async watch_runs() {
    // Purpose: the news of the given runs, by ids that their readers were shown, and which of its own runs must end.
    const watch = (runId: string) =>
      call("SELECT * FROM watch_runs($1, ARRAY[ROW($2, 'RUNNING', 0, 0)]::run_watch[])", [a.leaseId, runId]);
    expect(await watch(a.runId)).toMatchObject([{ id: a.runId, cancel: false, body: Buffer.from('piece') }]);
    await rowsOf(database.superuserUrl, 'UPDATE runs SET cancel_requested = true WHERE id = $1', [a.runId]);
    const heard = await watch(randomUUID());
    expect(heard).toHaveLength(2);
    expect(heard).toContainEqual(expect.objectContaining({ id: a.runId, cancel: true }));
    expect(heard).toContainEqual(expect.objectContaining({ status: 'GONE', body: null }));
    expect((await watch(a.runId)).every(({ id }) => id === a.runId)).toBe(true);
  },

  async cancel_run() {
    // Purpose: cancel a run of the transaction's own tenant.
    const cancel = (runId: string) => callAs(a, 'SELECT * FROM cancel_run($1, $2)', [a.leaseId, runId]);
    for (const runId of [b.runId, b.waitingRunId, randomUUID()]) expect(await cancel(runId)).toEqual([]);
    expect(await call('SELECT * FROM cancel_run($1, $2)', [a.leaseId, a.runId])).toEqual([]);
    expect(await cancel(a.waitingRunId)).toEqual([{ status: 'CANCELLED', next_id: null }]);
    expect(await cancel(a.runId)).toEqual([{ status: 'RUNNING', next_id: null }]);
  },

  async continue_run() {
    // Purpose: resume a run of the transaction's own tenant that waits for the outputs of tools.
    await rowsOf(database.superuserUrl, "UPDATE runs SET status = 'ACTION', lease_id = NULL WHERE id = $1", [a.runId]);
    const proceed = (runId: string) =>
      callAs(a, "SELECT continue_run($1, $2, 1, ARRAY['said'::bytea], ARRAY[1]) AS continued", [a.leaseId, runId]);
    for (const runId of [b.runId, a.waitingRunId]) expect(await proceed(runId)).toEqual([{ continued: false }]);
    expect(await proceed(a.runId)).toEqual([{ continued: true }]);
  },

  async sweep_runs() {
    // Purpose: move or fail runs of dead processes, of any tenant; here a's is dead, and b's process sweeps.
    await rowsOf(database.superuserUrl, 'UPDATE process_leases SET ended_at = now() WHERE id = $1', [a.leaseId]);
    // Other tests also left dead processes behind.
    const sweep = (known: string[]) =>
      call("SELECT id FROM sweep_runs($1, $2, '1 minute', 1000) AS id WHERE id = ANY ($3)", [
        b.leaseId,
        known,
        [a.runId, a.waitingRunId, b.runId],
      ]);
    // The run had not begun: it moves to the other process, once.
    expect(await sweep([b.runId])).toEqual([{ id: a.runId }]);
    await rowsOf(database.superuserUrl, 'UPDATE runs SET lease_id = $1 WHERE id = $2', [a.leaseId, a.runId]);
    expect(await sweep([b.runId])).toEqual([{ id: a.waitingRunId }]);
    const [failed] = await rowsOf(database.superuserUrl, 'SELECT status, error_code FROM runs WHERE id = $1', [
      a.runId,
    ]);
    expect(failed).toEqual({ status: 'FAILED', error_code: 'process_died' });
    // It learns of its own runs that it does not know.
    expect(await sweep([a.waitingRunId])).toEqual([{ id: b.runId }]);
    expect(await call("SELECT sweep_runs($1, '{}', '1 minute', 1000)", [a.leaseId])).toEqual([]);
  },

  async keep_response() {
    // Purpose: store who owns a response of this tenant; the row of another owner stays unchanged.
    const keep = (tenant: Tenant, id: string, owner: string | null, tokens: number) =>
      call("SELECT keep_response($1, sha256(convert_to($2, 'UTF8')), $3, $4, NULL, 'm', $5)", [
        tenant.tenantId,
        id,
        owner,
        owner === null ? tenant.human : null,
        tokens,
      ]);
    const rows = ({ tenantId }: Tenant) =>
      rowsOf(
        database.superuserUrl,
        'SELECT owner, tokens FROM llm_responses WHERE tenant_id = $1 ORDER BY created_at',
        [tenantId],
      );
    await keep(a, 'resp', 'tenant', 5);
    expect(await rows(a)).toEqual([{ owner: `human:hum_${a.human}`, tokens: null }]);
    await keep(a, 'resp', null, 6);
    await keep(a, 'other', 'tenant', 7);
    expect(await rows(a)).toEqual([
      { owner: `human:hum_${a.human}`, tokens: 6 },
      { owner: 'tenant', tokens: 7 },
    ]);
    expect(await rows(b)).toEqual([{ owner: `human:hum_${b.human}`, tokens: null }]);
    // Nothing is written for a human who does not exist.
    await call("SELECT keep_response($1, sha256('third'), NULL, $2, NULL, 'm', 1)", [a.tenantId, b.human]);
    expect(await rows(a)).toHaveLength(2);
  },

  async find_response() {
    // Purpose: find one response of one owner.
    const find = ({ tenantId }: Tenant, owner: string | null, human: string | null) =>
      call("SELECT model FROM find_response($1, sha256('resp'), $2, $3)", [tenantId, owner, human]);
    expect(await find(a, null, a.human)).toEqual([{ model: 'm' }]);
    for (const [owner, human] of [
      ['tenant', null],
      [null, b.human],
      [null, null],
    ] as const)
      expect(await find(a, owner, human)).toEqual([]);
    expect(await find(b, null, a.human)).toEqual([]);
  },

  async forget_response() {
    // Purpose: delete one response of one tenant.
    await call("SELECT forget_response($1, sha256('resp'))", [a.tenantId]);
    const left = await rowsOf(database.superuserUrl, 'SELECT tenant_id FROM llm_responses WHERE tenant_id = ANY ($1)', [
      [a.tenantId, b.tenantId],
    ]);
    expect(left).toEqual([{ tenant_id: b.tenantId }]);
  },

  async prune_responses() {
    // Purpose: delete responses that are older than thirty days, of any tenant; here a's is.
    await rowsOf(
      database.superuserUrl,
      "UPDATE llm_responses SET created_at = created_at - interval '2 days' WHERE tenant_id = $1",
      [a.tenantId],
    );
    expect(await call('SELECT prune_responses(1000) AS count')).toEqual([{ count: 1 }]);
    const left = await rowsOf(database.superuserUrl, 'SELECT tenant_id FROM llm_responses WHERE tenant_id = ANY ($1)', [
      [a.tenantId, b.tenantId],
    ]);
    expect(left).toEqual([{ tenant_id: b.tenantId }]);
  },

  async prune_threads() {
    // Purpose: delete threads that are older than their tenant keeps them; here a's is.
    await rowsOf(database.superuserUrl, 'UPDATE tenants SET thread_retention_days = 1 WHERE id = $1', [a.tenantId]);
    await call('SELECT prune_threads(1000)');
    const [{ count }] = (await rowsOf(database.superuserUrl, 'SELECT count(*)::int FROM threads WHERE tenant_id = $1', [
      a.tenantId,
    ])) as [{ count: number }];
    // A thread with an open run is in use.
    expect(count).toBe(1);
    await rowsOf(
      database.superuserUrl,
      "UPDATE runs SET status = 'FAILED', lease_id = NULL, ended_at = now() WHERE tenant_id = $1",
      [a.tenantId],
    );
    await call('SELECT prune_threads(1000)');
    const left = await rowsOf(database.superuserUrl, 'SELECT 1 FROM threads WHERE tenant_id = $1', [a.tenantId]);
    expect(left).toEqual([]);
  },
};

/** Makes a's delivery ready to be claimed again. The column keeps milliseconds, and would round now() into the future. */
async function makeDue({ deliveryId }: Tenant): Promise<void> {
  await rowsOf(
    database.superuserUrl,
    "UPDATE webhook_deliveries SET next_attempt_at = now() - interval '1 second' WHERE id = $1",
    [deliveryId],
  );
}

/** Only triggers and other functions call these. */
const INNER = [
  'announce_human_prefix',
  'announce_tenant',
  'charge_budgets',
  'drop_retired_usage',
  'enqueue_webhook_event',
  'judge_calls',
  'lock_budgets',
  'promote_run',
  'purge_tenant',
  'retire_usage_partition',
  'roll_up_reports',
  'roll_up_usage',
  'tell_budgets',
  'tell_run',
  'tell_usage',
  'tell_usage_report',
  'usage_months_due',
  'wanted_outputs',
];

it('each such function of the database has a test here', async () => {
  const functions = await rowsOf<{ name: string }>(
    database.superuserUrl,
    "SELECT DISTINCT proname AS name FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef ORDER BY 1",
  );
  expect(functions.map(({ name }) => name)).toEqual([...Object.keys(CROSS_TENANT), ...INNER].sort());
});

it.each(Object.entries(CROSS_TENANT))("%s leaves another tenant's rows as they are", async (_name, test) => {
  const before = await everythingOf(b);
  for (const part of ['users', 'A key', 'RESERVED', 'renewed_at', 'opened_at', 'claims'])
    expect(before).toContain(part === 'users' ? b.ownerId : part);
  await test();
  expect(await everythingOf(b)).toBe(before);
});

it.each([...Object.keys(CROSS_TENANT), ...INNER])('no role but the app can call %s', async (name) => {
  const [row] = await rowsOf<{ everybody: boolean; owner: boolean; app: boolean }>(
    database.superuserUrl,
    `SELECT bool_or(has_function_privilege('public', oid, 'EXECUTE')) AS everybody,
            bool_and(has_function_privilege('gatehouse_app', oid, 'EXECUTE')) AS app
     FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND proname = $1`,
    [name],
  );
  expect(row).toEqual({ everybody: false, app: !INNER.includes(name) });
});

it("a caller's temporary tables, search path or tenant mislead no function", async () => {
  // The name of the caller's temporary table is that of ours: a search path without pg_temp at its end would find it first.
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
