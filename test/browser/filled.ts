/** A tenant with much data, by SQL: the state of a product after months. */
import type { ServiceClient } from '../support/service-client.js';

export interface Fill {
  readonly tenantId: string;
  readonly keys: number;
  readonly calls: number;
  readonly humans: number;
}

const KEYS = `
  INSERT INTO api_keys (id, tenant_id, type, name, key_prefix, hash, pepper_version, scopes, created_by, created_at, last_used_at)
  SELECT 'key_filled' || n, $1, 'SECRET', (ARRAY['Production','Staging','Batch jobs','Mobile backend'])[1 + n % 4] || ' ' || n,
         'sk_gh_' || substr(md5(n::text), 1, 6), sha256(('filled ' || n)::bytea), 1, '{chat:write,usage:read}', $2,
         now() - n * interval '7 minutes', now() - n * interval '1 minute'
  FROM generate_series(1, $3::integer) AS n`;
const HUMANS = `
  INSERT INTO humans (tenant_id, human, id, created_at, last_seen_at)
  SELECT $1, (ARRAY['ann','bob','cleo','dora','eli'])[1 + n % 5] || '.' || n || '@example.com', 'hum_filled' || n,
         now() - n * interval '11 minutes', now() - n * interval '3 minutes'
  FROM generate_series(1, $2::integer) AS n`;
/** Evenly over 30 days, by UUIDs of version 7 as the service makes them. */
const CALLS = `
  INSERT INTO usage_records (id, tenant_id, key_id, human_id, request_id, provider, model, streamed, state, outcome, status_code,
    reserved_input_tokens, reserved_output_tokens, input_tokens, output_tokens, requests, cost_pico_usd, latency_ms, lease_id,
    created_at, settled_at, first_byte_ms)
  SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(md5(n::text), 1, 3) || '8' ||
          substr(md5(n::text), 4, 15))::uuid, $1, 'key_filled' || (1 + n % 4), 'hum_filled' || (1 + n % 40),
         'req_filled' || n, (ARRAY['openai','openai','anthropic','openai'])[1 + (n % 7) % 4],
         (ARRAY['gpt-4o-mini','gpt-4o','claude-sonnet-4-5','text-embedding-3-small'])[1 + (n % 7) % 4], n % 2 = 0, 'SETTLED',
         CASE WHEN n % 31 = 0 THEN 'UPSTREAM_ERROR' ELSE 'OK' END, CASE WHEN n % 31 = 0 THEN 500 ELSE 200 END,
         500, 256, 200 + n % 900, 60 + n % 400, 1, (1 + n % 9) * 90000000::bigint, 180 + n % 2400, gen_random_uuid(), at, at,
         CASE WHEN n % 31 = 0 THEN NULL WHEN n % 2 = 0 THEN 90 + n % 400 ELSE 180 + n % 2400 END
  FROM (SELECT n, now() - (0.5 + 0.5 * sin(n)) * interval '20 hours' - n * (interval '29 days' / $2::integer) AS at
        FROM generate_series(1, $2::integer) AS n) AS call`;

/** The tenant that development's owner signs in to. */
export async function quickstartTenant(service: ServiceClient): Promise<string> {
  const [tenant] = await service.sql<{ id: string }>(
    `SELECT t.id FROM tenants t JOIN memberships m ON m.org_id = t.org_id
     WHERE m.user_id = 'dev-owner' ORDER BY t.created_at LIMIT 1`,
  );
  if (tenant === undefined) throw new Error('dev-owner has no tenant.');
  return tenant.id;
}

export async function fill(service: ServiceClient, { tenantId, keys, calls, humans }: Fill): Promise<void> {
  await service.sql("SELECT add_usage_partition(now() - n * interval '30 days') FROM generate_series(0, 1) AS n");
  await service.sql(KEYS, [tenantId, 'dev-owner', keys]);
  await service.sql(HUMANS, [tenantId, humans]);
  await service.sql(CALLS, [tenantId, calls]);
  await service.sql('ANALYZE usage_records');
  await service.sql('ANALYZE api_keys');
}

/**
 * Creates the data of the other pages: a gateway, a provider with a route, an endpoint, budgets, usage tokens. Returns the
 * gateway's id.
 */
export async function furnish(service: ServiceClient, tenantId: string): Promise<string> {
  const authorization = await bearerOf(service, 'dev-owner');
  const ask = await asOwner(service);
  const { gateway } = await ask<{ gateway: { id: string } }>('gateways/create', {
    name: 'front-door',
    providers: [{ provider: 'openai', apiKey: 'sk-test', models: ['gpt-4o', 'gpt-4o-mini'] }],
    rateLimit: { requests: { limit: '600', window: 'MINUTE' }, tokens: { limit: '2000000', window: 'DAY' } },
  });
  await service.call('POST', `/api/v1/gateways/${gateway.id}/tokens`, {
    headers: { authorization },
    body: { name: 'Mobile app' },
  });
  const targets: object[] = [];
  for (const [name, kind, ...models] of [
    ['openai', 'openai', 'gpt-4o-mini', 'gpt-4o'],
    ['claude', 'anthropic', 'claude-haiku-4-5', 'claude-sonnet-4-5'],
  ] as const) {
    const made = await ask<{ provider: { providerId: string } }>('llm/providers/create', {
      ...{ name, kind, models },
      credentials: { apiKey: 'sk-test' },
    });
    targets.push({ providerId: made.provider.providerId, model: models[0] });
  }
  await ask('llm/routes/create', { name: 'fast', targets });
  await ask('webhooks/create', {
    url: 'https://hooks.example.com/gatehouse',
    events: ['usage.limit_exceeded', 'run.failed'],
  });
  for (const [type, period, limit] of [
    ['cost_micros', 'MONTH', '50000000'],
    ['token_cnt', 'DAY', '5000000'],
  ] as const)
    await ask('budgets/set', { holder: { tenant: true }, type, period, limit });
  for (const human of ['ann.5@example.com', 'bob.6@example.com'])
    await ask('humans/upsert', { human, limits: [{ type: 'token_cnt', value: 120_000 }] });
  await ask('orgs/invite-member', { email: 'grace@example.com', role: 'developer' });
  await service.sql("UPDATE budgets SET used = amount * 85 / 100 WHERE tenant_id = $1 AND type = 'cost_micros'", [
    tenantId,
  ]);
  await service.sql(
    `INSERT INTO usage_tokens (id, tenant_id, key_id, human_id, created_at, expires_at)
     SELECT 'ut_filled' || n, $1, 'key_filled' || (1 + n % 4), 'hum_filled' || n, now() - n * interval '9 minutes',
            now() + (n % 20) * interval '1 hour' + interval '5 minutes' FROM generate_series(1, 60) AS n`,
    [tenantId],
  );
  return gateway.id;
}

/** POSTs to the platform surface as development's owner. */
export async function asOwner(service: ServiceClient): Promise<<T>(route: string, body: object) => Promise<T>> {
  const authorization = await bearerOf(service, 'dev-owner');
  return <T>(route: string, body: object) => asking<T>(service, authorization, route, body);
}

export interface Me {
  readonly role: string;
  readonly scopes: readonly string[];
}

/** What the API tells a development user of themselves. */
export async function meOf(service: ServiceClient, user: string): Promise<Me> {
  return asking<Me>(service, await bearerOf(service, user), 'me/get', {});
}

/** Has a development user join the owner's org, as an invited person does. */
export async function join(service: ServiceClient, user: string, role: string): Promise<void> {
  const email = `${user}@example.com`;
  const invited = { email, role };
  const owner = await bearerOf(service, 'dev-owner');
  const { token } = await asking<{ token: string }>(service, owner, 'orgs/invite-member', invited);
  await asking(service, await bearerOf(service, user), 'orgs/accept-invitation', { token });
}

async function asking<T>(service: ServiceClient, authorization: string, route: string, body: object): Promise<T> {
  const answer = await service.call('POST', `/api/v1/${route}`, { headers: { authorization }, body });
  if (answer.status !== 200) throw new Error(`${route} answered ${answer.status}: ${answer.text}`);
  return answer.json<T>();
}

/** Signs in by development's own sign-in, as its page does. */
async function bearerOf(service: ServiceClient, user: string): Promise<string> {
  const headers = { origin: service.baseUrl };
  const answer = await service.call('POST', '/dashboard/development/sign-in', { headers, body: { user } });
  return `Bearer ${answer.json<{ token: string }>().token}`;
}
