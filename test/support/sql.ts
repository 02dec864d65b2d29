/** SQL that bypasses the service: to read the real data, and to act as an operator or an attacker. */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { uuidV7 } from '../../src/platform/crypto/index.js';

/** A connection that the test opens, uses and ends itself, for tests that must hang, wait or be killed. */
export function connectionTo(url: string): pg.Client {
  const client = new pg.Client(url);
  client.on('error', () => undefined);
  return client;
}

/** Runs `work` on a connection of its own. */
export async function onDatabase<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = connectionTo(url);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** The rows of one statement, on a connection that is kept for the next one: a new one costs Postgres 25 ms. */
export async function rowsOf<Row extends pg.QueryResultRow>(
  url: string,
  text: string,
  values: unknown[] = [],
): Promise<Row[]> {
  return (await poolOf(url).query<Row>(text, values)).rows;
}

const pools = new Map<string, pg.Pool>();

/** The kept connections to a database. Each closes after 5 idle seconds; `endPoolOf` closes all of them. */
export function poolOf(url: string): pg.Pool {
  let pool = pools.get(url);
  if (pool === undefined) {
    pool = new pg.Pool({ connectionString: url, max: 5, idleTimeoutMillis: 5000, allowExitOnIdle: true });
    pool.on('error', () => undefined);
    pools.set(url, pool);
  }
  return pool;
}

/** Does nothing where there is no pool. */
export async function endPoolOf(url: string): Promise<void> {
  const pool = pools.get(url);
  pools.delete(url);
  await pool?.end();
}

export interface SeededTenant {
  readonly orgId: string;
  readonly tenantId: string;
  readonly ownerId: string;
}

/** An org with one tenant and its owner. */
export async function seedTenant(superuserUrl: string): Promise<SeededTenant> {
  const id = randomUUID().slice(0, 8);
  const seeded = { orgId: `org_${id}`, tenantId: `tenant-${id}`, ownerId: `owner-${id}` };
  const client = poolOf(superuserUrl);
  await client.query('INSERT INTO users (id) VALUES ($1)', [seeded.ownerId]);
  await client.query('INSERT INTO orgs (id, name, slug, created_by) VALUES ($1, $2, $3, $4)', [
    seeded.orgId,
    `Org ${id}`,
    `org-${id}`,
    seeded.ownerId,
  ]);
  await client.query('INSERT INTO tenants (id, org_id, name) VALUES ($1, $2, $3)', [
    seeded.tenantId,
    seeded.orgId,
    'Production',
  ]);
  await client.query("INSERT INTO memberships (org_id, user_id, role) VALUES ($1, $2, 'owner')", [
    seeded.orgId,
    seeded.ownerId,
  ]);
  return seeded;
}

/** A key and an open call of a tenant. */
export async function seedKeyAndCall(superuserUrl: string, { tenantId }: SeededTenant): Promise<void> {
  const client = poolOf(superuserUrl);
  await client.query(
    `INSERT INTO api_keys (id, tenant_id, type, name, key_prefix, hash, pepper_version, scopes, created_by)
     VALUES ($1, $2, 'SECRET', 'key', 'sk_gh_', $3, 1, '{}', 'seed')`,
    [`key-of-${tenantId}`, tenantId, Buffer.from(tenantId)],
  );
  await client.query(
    `INSERT INTO usage_records (id, tenant_id, request_id, provider, model, streamed, reserved_input_tokens, reserved_output_tokens, lease_id)
     VALUES ($1, $2, 'req', 'dummy', 'dummy', false, 1, 1, gen_random_uuid())`,
    [uuidV7(), tenantId],
  );
}

/** The whole content of the database, as text: every column of every row of every table. */
export async function dump(superuserUrl: string): Promise<string> {
  const client = poolOf(superuserUrl);

  const { rows: tables } = await client.query<{ name: string }>(
    "SELECT quote_ident(tablename) AS name FROM pg_tables WHERE schemaname = 'public'",
  );
  const texts: string[] = [];
  for (const { name } of tables) {
    const { rows } = await client.query<{ text: string }>(`SELECT t::text AS text FROM public.${name} AS t`);
    texts.push(...rows.map(({ text }) => text));
  }
  return texts.join('\n');
}
