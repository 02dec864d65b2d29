// The credentials that are refused, kind by kind: classes of credentials, each with its rows in the database.
import { randomBytes, randomUUID } from 'node:crypto';
import { deflateRawSync } from 'node:zlib';
import { withClient } from './ledger.mjs';

/**
 * @typedef {object} Given
 * @property {import('./service.mjs').Cluster} cluster
 * @property {Awaited<ReturnType<typeof import('./service.mjs').prepareTenant>>} tenant
 * @property {number} count of each class
 */

/**
 * @typedef {object} RefusedKind
 * @property {readonly string[]} classes
 * @property {readonly (readonly [string, string])[]} pairs that are compared; the first one is the control
 * @property {Record<string, string>} environment of the service
 * @property {(given: Given) => Promise<Map<string, string[]>>} make credentials by class
 * @property {(credential: string) => { method: 'GET' | 'POST', path: string, headers: Record<string, string>, body?: string }} ask
 */

/** @param {string} peppers as the service is given them */
async function ringOf(peppers) {
  const { PepperRing } = await import('../dist/platform/crypto/pepper.js');
  const [version, secret] = peppers.split(':');
  const ring = new PepperRing([{ version: Number(version), secret: Buffer.from(secret ?? '', 'base64url') }]);
  return { ring, version: Number(version) };
}

/**
 * @param {readonly string[]} classes
 * @param {number} count
 * @param {() => string} make
 */
const madeFor = (classes, count, make) => new Map(classes.map((name) => [name, Array.from({ length: count }, make)]));

const INSERT_KEYS = (/** @type {string} */ columns) =>
  `INSERT INTO api_keys (id, tenant_id, type, name, key_prefix, hash, pepper_version, scopes, created_by, revoked_at, expires_at)
   SELECT 'key_' || md5(n::text || $1), 'crowd-' || n % 1000 + 1, 'SECRET', 'A key', 'sk_gh_', ${columns}`;

/**
 * Inserts 100,000 keys of 1,000 tenants, which are never tried.
 * @param {import('./service.mjs').Cluster} cluster
 * @param {string} peppers
 */
export async function fillWithKeys(cluster, peppers) {
  const { version } = await ringOf(peppers);
  await withClient(cluster.inspectorUrl, async (client) => {
    await client.query(`INSERT INTO users (id) VALUES ('crowd')`);
    await client.query(
      `INSERT INTO orgs (id, name, slug, created_by) SELECT 'org_' || n, 'Crowd', 'crowd-' || n, 'crowd'
       FROM generate_series(1, 1000) AS n`,
    );
    await client.query(
      `INSERT INTO tenants (id, org_id, name) SELECT 'crowd-' || n, 'org_' || n, 'Crowd' FROM generate_series(1, 1000) AS n`,
    );
    await client.query(
      INSERT_KEYS(
        `sha256(n::text::bytea), $2, '{chat:write}', 'crowd', NULL, NULL FROM generate_series(1, 100000) AS n`,
      ),
      ['crowd', version],
    );
    await client.query('VACUUM ANALYZE');
  });
}

const KEY_CLASSES = ['unknown', 'unknown again', 'revoked', 'expired', 'out of grace'];

/** @param {Given} given */
async function makeKeys({ cluster, tenant, count }) {
  const { newSecretKey } = await import('../dist/keys/key-format.js');
  const { ring, version } = await ringOf(tenant.peppers);
  const keys = madeFor(KEY_CLASSES, count, () => newSecretKey());
  const hashesOf = (/** @type {string} */ name) => keys.get(name)?.map((key) => ring.hash(key));
  const ended = new Date(Date.now() - 3_600_000);
  await withClient(cluster.inspectorUrl, async (client) => {
    const some = INSERT_KEYS(
      `u.hash, $2, '{chat:write}', 'crowd', $3, $4 FROM unnest($5::bytea[]) WITH ORDINALITY AS u (hash, n)`,
    );
    await client.query(some, ['revoked', version, ended, null, hashesOf('revoked')]);
    await client.query(some, ['expired', version, null, ended, hashesOf('expired')]);
    await client.query(
      `INSERT INTO api_key_retired_secrets (hash, tenant_id, key_id, pepper_version, expires_at)
       SELECT u.hash, k.tenant_id, k.id, $1, $2 FROM unnest($3::bytea[]) WITH ORDINALITY AS u (hash, n)
       JOIN api_keys k ON k.id = 'key_' || md5(u.n::text || 'crowd')`,
      [version, ended, hashesOf('out of grace')],
    );
    await client.query('VACUUM ANALYZE');
  });
  return keys;
}

const GATEWAY_CLASSES = ['unknown', 'unknown again', "another gateway's", 'expired'];

/** @param {Given} given */
async function makeGatewayTokens({ cluster, tenant, count }) {
  const { newGatewayToken } = await import('../dist/gateways/gateway-token.format.js');
  const { ring, version } = await ringOf(tenant.peppers);
  const tokens = madeFor(GATEWAY_CLASSES, count, () => newGatewayToken());
  const hashesOf = (/** @type {string} */ name) => tokens.get(name)?.map((token) => ring.hash(token));
  await withClient(cluster.inspectorUrl, async (client) => {
    for (const id of ['gateway_bench', 'gateway_other']) {
      await client.query(
        'INSERT INTO gateways (id, tenant_id, name, cache_max_bytes, created_by) VALUES ($1, $2, $1, 65536, $1)',
        [id, tenant.tenantId],
      );
    }
    const some = `INSERT INTO gateway_tokens (id, tenant_id, gateway_id, name, hash, pepper_version, created_by, expires_at)
      SELECT $1 || n, $2, $3, $1 || n, hash, $4, 'bench', $5 FROM unnest($6::bytea[]) WITH ORDINALITY AS u (hash, n)`;
    const ended = new Date(Date.now() - 3_600_000);
    await client.query(some, ['b', tenant.tenantId, 'gateway_other', version, null, hashesOf("another gateway's")]);
    await client.query(some, ['e', tenant.tenantId, 'gateway_bench', version, ended, hashesOf('expired')]);
    await client.query('VACUUM ANALYZE');
  });
  return tokens;
}

const SEALED_CLASSES = [
  'garbled',
  'garbled again',
  'garbled and long',
  'expired',
  "another host's",
  'of an old key',
  'a bomb',
];
const SEALED_KEY = { version: 1, secret: randomBytes(32) };

async function makeSealedTokens({ tenant, count }) {
  const { SealedKeys } = await import('../dist/sealed/sealed-keys.js');
  const sealing = (/** @type {{ version: number, secret: Buffer }} */ key) =>
    new SealedKeys({ sealedTokenKeys: [key], encryptionKeys: [] });
  const [now, old] = [sealing(SEALED_KEY), sealing({ version: 2, secret: randomBytes(32) })];
  const seconds = Math.floor(Date.now() / 1000);
  const claims = (more = {}) => ({
    ...{ jti: randomUUID(), sub: '127.0.0.1#aisbreaker', t: tenant.tenantId, s: [['', 'sk-bench']] },
    ...{ iat: seconds, exp: seconds + 86_400, ...more },
  });
  const garbled = (/** @type {string} */ token) => {
    const parts = token.split('.');
    const content = parts[3] ?? '';
    parts[3] = (content[0] === 'A' ? 'B' : 'A') + content.slice(1);
    return parts.join('.');
  };
  const packed = deflateRawSync(Buffer.alloc(4_000_000, 32)).toString('base64url').slice(0, 4_000);
  const bomb = Buffer.from(JSON.stringify({ ver: 1, alg: 'dir', enc: 'A256GCM', kid: '1', zip: 'DEF' }));
  /** @type {Record<string, () => Promise<string>>} */
  const makers = {
    garbled: async () => garbled(await now.seal('token', claims())),
    'garbled again': async () => garbled(await now.seal('token', claims())),
    // As long as the bomb, since the caller chooses how long a token is.
    'garbled and long': async () => garbled(await now.seal('token', claims({ s: [['', 'sk-bench'.repeat(355)]] }))),
    expired: () => now.seal('token', claims({ exp: seconds - 60 })),
    "another host's": () => now.seal('token', claims({ sub: 'elsewhere.example#aisbreaker' })),
    'of an old key': () => old.seal('token', claims()),
    'a bomb': async () =>
      [bomb.toString('base64url'), '', randomBytes(12).toString('base64url'), packed, 'A'.repeat(22)].join('.'),
  };
  const tokens = new Map();
  for (const [name, make] of Object.entries(makers)) {
    const made = await Promise.all(Array.from({ length: count }, make));
    tokens.set(
      name,
      made.map((token) => `aisbreaker_${token}`),
    );
  }
  return tokens;
}

const BODY = JSON.stringify({
  service: { serviceId: 'chat:dummy' },
  request: { inputs: [{ text: { role: 'user', content: 'a' } }] },
});

/** @type {Record<string, RefusedKind>} */
export const KINDS = {
  keys: {
    classes: KEY_CLASSES,
    pairs: [
      ['unknown', 'unknown again'],
      ['unknown', 'revoked'],
      ['unknown', 'expired'],
      ['unknown', 'out of grace'],
      ['revoked', 'expired'],
    ],
    environment: {},
    make: makeKeys,
    ask: (key) => ({ method: 'GET', path: '/v1/models', headers: { 'x-api-key': key } }),
  },
  gateways: {
    classes: GATEWAY_CLASSES,
    pairs: [
      ['unknown', 'unknown again'],
      ['unknown', "another gateway's"],
      ['unknown', 'expired'],
    ],
    environment: {},
    make: makeGatewayTokens,
    ask: (token) => ({
      method: 'GET',
      path: '/gateways/gateway_bench/v1/models',
      headers: { authorization: `Bearer ${token}` },
    }),
  },
  sealed: {
    classes: SEALED_CLASSES,
    pairs: [
      ['garbled', 'garbled again'],
      ['garbled', 'expired'],
      ['garbled', "another host's"],
      ['garbled', 'of an old key'],
      ['garbled and long', 'a bomb'],
    ],
    environment: { GATEHOUSE_SEALED_TOKEN_KEYS: `1:${SEALED_KEY.secret.toString('base64url')}` },
    make: makeSealedTokens,
    ask: (token) => ({
      method: 'POST',
      path: '/api/v1/process',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: BODY,
    }),
  },
};
