import { uuidV7 } from '../../src/platform/crypto/index.js';
import { onDatabase, rowsOf } from './sql.js';
import { rowsWith, tenantTables } from './tenant-remains.js';

/** Adds a row of a tenant to every table that names tenants, and windows of its keys. */
export async function furnish(superuserUrl: string, tenantId: string): Promise<void> {
  const [{ orgId }] = (await rowsOf<{ orgId: string }>(
    superuserUrl,
    'SELECT org_id AS "orgId" FROM tenants WHERE id = $1',
    [tenantId],
  )) as [{ orgId: string }];
  const keyId = `key_${tenantId}`;
  await onDatabase(superuserUrl, async (client) => {
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
  const kept = await rowsWith(superuserUrl, [tenantId]);
  // A new table must get a row here too: without one the tests would prove nothing about it.
  expect(Object.keys(kept)).toEqual(expect.arrayContaining(await tenantTables(superuserUrl)));
}
