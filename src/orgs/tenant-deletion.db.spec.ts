import { uuidV7 } from '../platform/crypto/index.js';
import { RecordingClaimsWriter } from '../../test/support/claims.js';
import { eventually, watch } from '../../test/support/eventually.js';
import { endingOf } from '../../test/support/faults.js';
import { createTestDatabase, type TestDatabase } from '../../test/support/postgres.js';
import { connectionTo, onDatabase, rowsOf, seedTenant, type SeededTenant } from '../../test/support/sql.js';
import { dashboardUser, seedMembers, startTenancy, type Tenancy } from '../../test/support/tenancy.js';
import { rowsWith, tenantTables } from '../../test/support/tenant-remains.js';
import type { Role } from '../identity/index.js';

const SETTLE =
  "SELECT settle_usage(ARRAY[($1::uuid, $2::text, 'COMPLETED', 200, 1, 1, 1, 0, 1, false, 1, 0, 0)::settlement], true)";

let test: TestDatabase;
let acme: SeededTenant;
let globex: SeededTenant;
let issuer: RecordingClaimsWriter;
let replicas: Tenancy[];

beforeEach(async () => {
  test = await createTestDatabase();
  acme = await seedTenant(test.superuserUrl);
  globex = await seedTenant(test.superuserUrl);
  issuer = new RecordingClaimsWriter();
  replicas = [0, 1].map(() => startTenancy(test.ownerUrl, issuer));
});

afterEach(async () => {
  await Promise.all(replicas.map((replica) => replica.stop()));
  await test.drop();
});

const on = (turn: number): Tenancy => replicas[turn % 2]!;
const as = (userId: string, role: Role = 'owner') => dashboardUser(userId, acme.tenantId, role);
const owner = () => as(acme.ownerId);
const sql = <Row extends object>(text: string, values: unknown[] = []): Promise<Row[]> =>
  rowsOf<Row & Record<string, unknown>>(test.superuserUrl, text, values);

async function create(name: string, by = owner()): Promise<string> {
  const { body } = await on(0).tenants.create(by, { name }, null);
  return (body as { tenant: { id: string } }).tenant.id;
}

/** Puts a row of a tenant into every table that names tenants, and windows of its keys. */
async function furnish(tenantId: string): Promise<void> {
  const [{ orgId }] = (await sql<{ orgId: string }>('SELECT org_id AS "orgId" FROM tenants WHERE id = $1', [
    tenantId,
  ])) as [{ orgId: string }];
  const keyId = `key_${tenantId}`;
  await onDatabase(test.superuserUrl, async (client) => {
    await client.query(
      `INSERT INTO api_keys (id, tenant_id, type, name, key_prefix, hash, pepper_version, scopes, created_by)
       VALUES ($1, $2, 'SECRET', 'A key', 'sk_gh_', $3, 1, '{chat:write}', 'somebody')`,
      [keyId, tenantId, Buffer.from(keyId)],
    );
    await client.query(
      `INSERT INTO api_key_retired_secrets (hash, tenant_id, key_id, pepper_version, expires_at)
       VALUES ($1, $2, $3, 1, now() + interval '1 day')`,
      [Buffer.from(`old ${keyId}`), tenantId, keyId],
    );
    await client.query("INSERT INTO humans (tenant_id, human, id) VALUES ($1, 'ada@example.com', $2)", [
      tenantId,
      `hum_${tenantId}`,
    ]);
    await client.query(
      `INSERT INTO usage_tokens (id, tenant_id, key_id, human_id, expires_at)
       VALUES ($1, $2, $3, $4, now() + interval '1 day')`,
      [`utk_${tenantId}`, tenantId, keyId, `hum_${tenantId}`],
    );
    await client.query(
      `INSERT INTO usage_reports (id, tenant_id, human_id, key_id, type, micro_units, idempotency_key)
       VALUES ($1, $2, $3, $4, 'conversational_seconds', 1, 'k')`,
      [uuidV7(), tenantId, `hum_${tenantId}`, keyId],
    );
    const lease = uuidV7();
    await client.query("INSERT INTO process_leases (id, term) VALUES ($1, '1 minute')", [lease]);
    await client.query(
      `INSERT INTO usage_records (id, tenant_id, key_id, human_id, request_id, provider, model, streamed,
                                  reserved_input_tokens, reserved_output_tokens, lease_id)
       VALUES ($1, $2, $3, $4, 'req', 'openai', 'm', false, 10, 20, $5)`,
      [uuidV7(), tenantId, keyId, `hum_${tenantId}`, lease],
    );
    await client.query(
      `INSERT INTO usage_records_retired (id, tenant_id, kind, state, provider, model, operation, requests, input_tokens,
                                          output_tokens, cached_input_tokens, cache_write_tokens, reasoning_tokens, created_at)
       VALUES (gen_random_uuid(), $1, 'CALL', 'SETTLED', 'openai', 'm', 'chat', 1, 1, 1, 0, 0, 0, now())`,
      [tenantId],
    );
    await client.query('INSERT INTO usage_rollups (tenant_id, bucket, calls) VALUES ($1, now(), 1)', [tenantId]);
    for (const [action, of, type, id] of [
      ['key.created', tenantId, 'key', keyId],
      ['tenant.created', null, 'tenant', tenantId],
    ]) {
      await client.query(
        `INSERT INTO audit_events (id, org_id, tenant_id, action, actor_type, actor_id, resource_type, resource_id, address)
         VALUES ($1, $2, $3, $4, 'user', 'somebody', $5, $6, '192.0.2.7')`,
        [uuidV7(), orgId, of, action, type, id],
      );
    }
    await client.query(
      `INSERT INTO idempotency_keys (owner, key, tenant_id, request_hash, response) VALUES ($1, 'k', $2, '\\x00', $3)`,
      [`tenant:${tenantId}`, tenantId, { tenant: tenantId }],
    );
    await client.query(
      "INSERT INTO webhook_endpoints (id, tenant_id, url, created_by) VALUES ($1, $2, 'https://hooks.invalid/', 'somebody')",
      [`webhook_${tenantId}`, tenantId],
    );
    await client.query(
      "INSERT INTO webhook_subscriptions (tenant_id, endpoint_id, type) VALUES ($1, $2, 'run.failed')",
      [tenantId, `webhook_${tenantId}`],
    );
    await client.query(
      `INSERT INTO webhook_secrets (id, tenant_id, endpoint_id, envelope, key_version)
       VALUES (gen_random_uuid(), $1, $2, '\\x00', 1)`,
      [tenantId, `webhook_${tenantId}`],
    );
    await client.query(
      `WITH event AS (
         INSERT INTO webhook_events (id, tenant_id, type, payload) VALUES (gen_random_uuid(), $1, 'run.failed', '{}')
         RETURNING id)
       INSERT INTO webhook_deliveries (id, tenant_id, endpoint_id, event_id)
       SELECT gen_random_uuid(), $1, $2, id FROM event`,
      [tenantId, `webhook_${tenantId}`],
    );
    await client.query(
      `WITH budget AS (
         INSERT INTO budgets (id, tenant_id, holder, type, period, amount, starts_at)
         VALUES (gen_random_uuid(), $1, 'tenant', 'request_cnt', 'DAY', 1, now()) RETURNING id)
       INSERT INTO budget_epochs (budget_id, epoch, tenant_id, starts_at, ended_at, amount, used, held)
       SELECT id, 0, $1, now(), now(), 1, 0, 0 FROM budget`,
      [tenantId],
    );
    await client.query(
      "INSERT INTO tenant_data_keys (tenant_id, id, envelope, key_version) VALUES ($1, gen_random_uuid(), '\\x00', 1)",
      [tenantId],
    );
    await client.query(
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
    await client.query(
      "INSERT INTO llm_providers (id, tenant_id, name, kind, created_by) VALUES ('provider_' || $1, $1, 'one', 'openai', 'x')",
      [tenantId],
    );
    await client.query(
      `WITH context AS (
         INSERT INTO llm_contexts (id, tenant_id, owner) VALUES (gen_random_uuid(), $1, 'tenant') RETURNING id)
       INSERT INTO llm_context_messages (id, tenant_id, context_id, place, content)
       SELECT gen_random_uuid(), $1, id, 1, '\\x00' FROM context`,
      [tenantId],
    );
    await client.query(
      `INSERT INTO llm_responses (tenant_id, response_hash, owner, provider_id, model)
       VALUES ($1, sha256('resp'), 'tenant', 'provider_' || $1, 'm')`,
      [tenantId],
    );
    await client.query(
      `WITH gateway AS (
         INSERT INTO gateways (id, tenant_id, name, cache_max_bytes, created_by)
         VALUES ('gateway_' || $1, $1, 'one', 1000, 'x') RETURNING id)
       INSERT INTO gateway_tokens (id, tenant_id, gateway_id, name, hash, pepper_version, created_by)
       SELECT 'token_of_' || $1, $1, id, 'one', sha256($1::bytea), 1, 'x' FROM gateway`,
      [tenantId],
    );
    await client.query(
      `INSERT INTO gateway_cache_entries (tenant_id, gateway_id, key, answer, bytes, created_at, expires_at)
       VALUES ($1, 'gateway_' || $1, '\\x00', '\\x00', 1, now(), now() + interval '1 day')`,
      [tenantId],
    );
    await client.query(
      `INSERT INTO gateway_cache_sizes (tenant_id, gateway_id, bytes) VALUES ($1, 'gateway_' || $1, 1)
       ON CONFLICT (tenant_id, gateway_id) DO NOTHING`,
      [tenantId],
    );
    await client.query(
      `INSERT INTO gateway_call_bodies (id, tenant_id, gateway_id, request, expires_at)
       VALUES (gen_random_uuid(), $1, 'gateway_' || $1, '\\x00', now() + interval '1 day')`,
      [tenantId],
    );
    await client.query(
      "INSERT INTO sealed_quotas (tenant_id, holder, used, ends_at) VALUES ($1, 'api', '{1,1,1}', ARRAY[now(), now(), now()])",
      [tenantId],
    );
    await client.query("INSERT INTO llm_model_overrides (tenant_id, model, context_tokens) VALUES ($1, 'm', 1)", [
      tenantId,
    ]);
    await client.query(
      `WITH route AS (
         INSERT INTO llm_routes (id, tenant_id, name, strategy, attempts, retry_on, created_by)
         VALUES ('route_' || $1, $1, 'one', 'FALLBACK', 1, '{}', 'x') RETURNING id)
       INSERT INTO llm_route_targets (tenant_id, route_id, place, provider_id, model, weight)
       SELECT $1, id, 0, 'provider_' || $1, 'm', 1 FROM route`,
      [tenantId],
    );
    for (const window of [`key:${keyId}`, `key:${keyId}:human:x`]) {
      await client.query('INSERT INTO rate_windows (key, opened_at, used) VALUES ($1, now(), 1)', [window]);
    }
  });
  const kept = await rowsWith(test.superuserUrl, [tenantId]);
  // A table that is new here must be furnished too: without a row of the tenant it would prove nothing.
  expect(Object.keys(kept)).toEqual(expect.arrayContaining(await tenantTables(test.superuserUrl)));
}

const tombstoneOf = (tenantId: string, orgId = acme.orgId) => ({
  id: expect.any(String) as string,
  org_id: orgId,
  tenant_id: null,
  occurred_at: expect.any(String) as string,
  action: 'tenant.deleted',
  actor_type: 'user',
  actor_id: null,
  human_id: null,
  resource_type: 'tenant',
  resource_id: tenantId,
  request_id: null,
  address: null,
  details: {},
});

describe('a tenant that is deleted', () => {
  it('leaves one row, its tombstone, without a person’s name; other tenants keep all that they have', async () => {
    const staging = await create('Staging');
    const other = await create('Other');
    for (const tenantId of [staging, other, globex.tenantId]) await furnish(tenantId);
    const others = () => rowsWith(test.superuserUrl, [other, globex.tenantId]);
    const before = await others();
    await on(0).tenants.delete(owner(), { tenantId: staging, name: 'Staging' });
    expect(await rowsWith(test.superuserUrl, [staging])).toEqual({ audit_events: [tombstoneOf(staging)] });
    expect(await others()).toEqual(before);
  });

  it('can be the one that the owner is in, whose claims then name another', async () => {
    const other = await create('Other');
    await sql('UPDATE users SET claimed_tenant_id = $1 WHERE id = $2', [acme.tenantId, acme.ownerId]);
    await on(0).tenants.delete(owner(), { tenantId: acme.tenantId, name: 'Production' });
    expect(await rowsWith(test.superuserUrl, [acme.tenantId])).toEqual({ audit_events: [tombstoneOf(acme.tenantId)] });
    expect(await sql('SELECT user_id, claims FROM claim_writes')).toEqual([
      { user_id: acme.ownerId, claims: { tenant_id: other, role: 'owner' } },
    ]);
  });

  it.each<[string, () => [string, string], string]>([
    ["another org's", () => [globex.tenantId, 'Production'], 'not_found'],
    ['unknown', () => ['none', 'Production'], 'not_found'],
    ['not typed exactly', () => [acme.tenantId, 'production'], 'invalid_input'],
    ['typed with a blank more', () => [acme.tenantId, 'Production '], 'invalid_input'],
    ['named by nothing', () => [acme.tenantId, ''], 'invalid_input'],
  ])('stays where it is %s', async (_what, wrong, expected) => {
    await create('Another');
    const [tenantId, name] = wrong();
    expect(await endingOf(on(0).tenants.delete(owner(), { tenantId, name }))).toBe(expected);
    expect(await sql("SELECT 1 FROM tenants WHERE org_id <> 'org_anonymous'")).toHaveLength(3);
  });

  it("stays where it is the org's last, of two that go at once too", async () => {
    const staging = await create('Staging');
    const outcome = await Promise.all([
      endingOf(on(0).tenants.delete(owner(), { tenantId: acme.tenantId, name: 'Production' })),
      endingOf(
        on(1).tenants.delete(dashboardUser(acme.ownerId, staging, 'owner'), { tenantId: staging, name: 'Staging' }),
      ),
    ]);
    expect(outcome.sort()).toEqual(['conflict', 'done']);
    expect(await sql('SELECT 1 FROM tenants WHERE org_id = $1', [acme.orgId])).toHaveLength(1);
  });

  it('gets no row any more of what was under way: it is refused at once, or waits for the deletion and then finds no tenant', async () => {
    const staging = await create('Staging');
    await furnish(staging);
    const [{ id: leaseId }] = (await sql<{ id: string }>('SELECT id FROM process_leases')) as [{ id: string }];
    const [reserved, swept] = [uuidV7(), uuidV7()];
    await sql(
      `INSERT INTO usage_records (id, tenant_id, request_id, provider, model, streamed, reserved_input_tokens,
                                  reserved_output_tokens, lease_id, state)
       SELECT t.id, $3, 'req', 'openai', 'm', false, 1, 1, $4, t.state
       FROM (VALUES ($1::uuid, 'RESERVED'), ($2::uuid, 'SWEPT')) AS t (id, state)`,
      [reserved, swept, staging, leaseId],
    );
    const under: { name: string; text: string; values: unknown[] }[] = [
      {
        name: 'a reservation',
        text: "SELECT * FROM admit_usage($1, ARRAY[($2::uuid, $3::text, 'ada', 'key', NULL, NULL, NULL, 'req', 'openai', 'm', false, 1, 1, NULL, NULL, 1, false, 1, 1, '/v1', 'a', NULL, 'chat', NULL, 1, false)::admission], false, true)",
        values: [leaseId, uuidV7(), staging],
      },
      {
        name: 'a settlement',
        text: SETTLE,
        values: [reserved, staging],
      },
      {
        name: 'a correction of a swept call',
        text: SETTLE,
        values: [swept, staging],
      },
      {
        name: 'a row of the audit log',
        text: "SELECT record_impersonation($1, $2, 'key', 'ada', '/v1', 'req', 'a')",
        values: [uuidV7(), staging],
      },
      {
        name: 'a claim of an Idempotency-Key',
        text: "SELECT * FROM claim_idempotency_key('o', 'k', $1, '\\x00')",
        values: [staging],
      },
    ];
    const asApp = new URL(test.ownerUrl);
    asApp.searchParams.set('options', '-c role=gatehouse_app');
    const deleting = connectionTo(asApp.href);
    const others = under.map(() => connectionTo(asApp.href));
    try {
      await Promise.all([deleting, ...others].map((client) => client.connect()));
      await deleting.query('BEGIN');
      await deleting.query("SELECT set_config('app.tenant_id', $1, true)", [acme.tenantId]);
      expect((await deleting.query("SELECT delete_tenant($1, 'Staging', $2) AS r", [staging, uuidV7()])).rows).toEqual([
        { r: 'deleted' },
      ]);
      const running = under.map(({ text, values }, index) => watch(others[index]!.query(text, values)));
      await eventually(async () => {
        const [waiting] = await sql<{ n: number }>(
          "SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
        );
        // Reservations and calls on a human's behalf wait for no deletion, and settlements for a tenth of a second: other
        // tenants' would wait with them.
        return waiting!.n === 1 && running.filter(({ ending }) => ending !== undefined).length === under.length - 1;
      });
      await deleting.query('COMMIT');
      await eventually(() => running.every(({ ending }) => ending !== undefined));
      // Their queue sends settlements again.
      for (const { text, values } of under.filter(({ text: sent }) => sent === SETTLE))
        await others[0]!.query(text, values);
    } finally {
      await Promise.all([deleting, ...others].map((client) => client.end()));
    }
    expect(await rowsWith(test.superuserUrl, [staging])).toEqual({ audit_events: [tombstoneOf(staging)] });
  });
});

describe('an org that is deleted', () => {
  it('leaves the tombstones of its tenants and nothing else; its people belong elsewhere or nowhere', async () => {
    const staging = await create('Staging');
    for (const tenantId of [acme.tenantId, staging, globex.tenantId]) await furnish(tenantId);
    await seedMembers(test.superuserUrl, acme.orgId, { bob: 'admin', eve: 'viewer' });
    await seedMembers(test.superuserUrl, globex.orgId, { eve: 'viewer' });
    await sql("UPDATE users SET claimed_tenant_id = $1 WHERE id IN ('bob', 'eve')", [staging]);
    await on(0).invitations.invite(owner(), { email: 'zoe@example.com', role: 'admin' }, 'https://x', null);
    const [{ name }] = (await sql<{ name: string }>('SELECT name FROM orgs WHERE id = $1', [acme.orgId])) as [
      { name: string },
    ];
    const globexBefore = await rowsWith(test.superuserUrl, [globex.tenantId]);

    expect(await endingOf(on(0).orgs.delete(owner(), name.toLowerCase()))).toBe('invalid_input');
    await on(0).orgs.delete(owner(), name);

    const remains = await rowsWith(test.superuserUrl, [acme.orgId, acme.tenantId, staging, 'zoe@example.com']);
    expect(Object.keys(remains)).toEqual(['audit_events']);
    expect(remains['audit_events']).toHaveLength(2);
    expect(remains['audit_events']).toEqual(expect.arrayContaining([tombstoneOf(acme.tenantId), tombstoneOf(staging)]));
    const { claim_writes: _claims, ...globexAfter } = await rowsWith(test.superuserUrl, [globex.tenantId]);
    const { users: _before, ...unchanged } = globexBefore;
    expect(globexAfter).toMatchObject(unchanged);
    expect(await sql('SELECT user_id, claims FROM claim_writes ORDER BY user_id')).toEqual([
      { user_id: 'bob', claims: null },
      { user_id: 'eve', claims: { tenant_id: globex.tenantId, role: 'viewer' } },
    ]);
  });

  it('stays where the caller is not an owner any more', async () => {
    await seedMembers(test.superuserUrl, acme.orgId, { bob: 'admin' });
    expect(await endingOf(on(0).orgs.delete(as('bob'), 'Org'))).toBe('permission_denied');
    expect(await endingOf(on(0).tenants.delete(as('bob'), { tenantId: acme.tenantId, name: 'Production' }))).toBe(
      'permission_denied',
    );
    expect(await sql("SELECT 1 FROM orgs WHERE id <> 'org_anonymous'")).toHaveLength(2);
  });

  it('that others change at the same moment goes whole, and they hear that they are not members', async () => {
    await seedMembers(test.superuserUrl, acme.orgId, { bob: 'admin', eve: 'viewer' });
    const [{ name }] = (await sql<{ name: string }>('SELECT name FROM orgs WHERE id = $1', [acme.orgId])) as [
      { name: string },
    ];
    const bob = as('bob', 'admin');
    const [deleted, ...others] = await Promise.all([
      endingOf(on(0).orgs.delete(owner(), name)),
      endingOf(on(1).members.update(bob, { userId: 'eve', role: 'developer' })),
      endingOf(on(1).tenants.create(bob, { name: 'Late' }, 'late-1')),
      endingOf(on(0).invitations.invite(bob, { email: 'zoe@example.com', role: 'viewer' }, 'https://x', 'late-2')),
      endingOf(on(0).orgs.update(bob, { name: 'Renamed' })),
    ]);
    // A rename by another owner makes the typed name a wrong one.
    if (deleted === 'done')
      expect(Object.keys(await rowsWith(test.superuserUrl, [acme.orgId]))).toEqual(['audit_events']);
    else expect(deleted).toBe('invalid_input');
    for (const other of others) expect(['done', 'permission_denied']).toContain(other);
  });
});
