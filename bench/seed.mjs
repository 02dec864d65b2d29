// Migrates a database and puts one tenant and one secret key into it. A person does this over HTTP after the sign-in that
// production asks of Firebase. The service's own modules make and hash the key.

import { fileURLToPath } from 'node:url';
import pg from 'pg';

/** A limit that is on and never reached. */
const REQUESTS_PER_MINUTE = 1_000_000_000;

/**
 * @param {string} ownerUrl
 * @param {{ version: number, secret: Buffer }} pepper that the key is hashed under; the service is given the same
 * @param {string} [name] of the org, which makes its tenant's and its key's ids
 * @returns {Promise<{ tenantId: string, secretKey: string }>}
 */
export async function seed(ownerUrl, pepper, name = 'bench') {
  const [{ newSecretKey, shownPrefix }, { PepperRing }, { migrate }] = await Promise.all([
    import('../dist/keys/key-format.js'),
    import('../dist/platform/crypto/pepper.js'),
    import('../dist/platform/database/migrations.js'),
  ]);
  await migrate(ownerUrl, fileURLToPath(new URL('../prisma', import.meta.url)));
  const client = new pg.Client({ connectionString: ownerUrl, options: '-c role=gatehouse_app' });
  await client.connect();
  try {
    const tenantId = `${name}-a1b2c3`;
    const secretKey = newSecretKey();
    await client.query('BEGIN');
    await client.query(`SELECT * FROM create_org($2, NULL, false, 'org_' || $2, $1, $2, $2, gen_random_uuid())`, [
      tenantId,
      name,
    ]);
    await client.query(`SELECT set_config('app.tenant_id', $1, true)`, [tenantId]);
    await client.query(
      `INSERT INTO api_keys (id, tenant_id, type, name, key_prefix, hash, pepper_version, scopes, requests_per_minute, created_by)
       VALUES ('key_' || $6, $1, 'SECRET', $6, $2, $3, $4, '{chat:write,usage:write,usage:read,gateways:write}', $5, $6)`,
      [
        ...[tenantId, shownPrefix(secretKey), new PepperRing([pepper]).hash(secretKey), pepper.version],
        ...[REQUESTS_PER_MINUTE, name],
      ],
    );
    await client.query('COMMIT');
    return { tenantId, secretKey };
  } finally {
    await client.end();
  }
}
