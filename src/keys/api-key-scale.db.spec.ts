import { eventually } from '../../test/support/eventually.js';
import { createTestDatabase, type TestDatabase } from '../../test/support/postgres.js';
import { person, startKeysNode, type KeysNode } from '../../test/support/keys-node.js';
import { isCallOf } from '../../test/support/postgres-proxy.js';
import { onDatabase, rowsOf, seedTenant, type SeededTenant } from '../../test/support/sql.js';
import { newKey } from './key-format.js';

const KEYS = 100_000;
const TENANTS = 1000;
/** Postgres makes five plans for one key each before it keeps one for all. */
const CALLS_UNTIL_PLANS_SETTLE = 8;

let database: TestDatabase;
let node: KeysNode;
let acme: SeededTenant;

beforeAll(async () => {
  database = await createTestDatabase();
  node = await startKeysNode(database.ownerUrl);
  acme = await seedTenant(database.superuserUrl);
  await onDatabase(database.superuserUrl, async (client) => {
    await client.query(
      `INSERT INTO orgs (id, name, slug, created_by) SELECT 'org_' || n, 'Org', 'crowd-' || n, 'crowd'
       FROM generate_series(1, $1::int) AS n`,
      [TENANTS],
    );
    await client.query(
      `INSERT INTO tenants (id, org_id, name) SELECT 'crowd-' || n, 'org_' || n, 'T' FROM generate_series(1, $1::int) AS n`,
      [TENANTS],
    );
    // A tenth of each tenant's keys are publishable, and half of these have a second issuer.
    await client.query(
      `INSERT INTO api_keys (id, tenant_id, type, name, key_prefix, hash, pepper_version, scopes, created_by, oidc_issuer,
                             oidc_audience, human_prefix, unlimited)
       SELECT 'crowd_' || n, 'crowd-' || n % $2::int + 1, CASE WHEN p THEN 'PUBLISHABLE' ELSE 'SECRET' END, 'n', 'p',
              sha256(n::text::bytea), 1, '{chat:write}', 'crowd', CASE WHEN p THEN 'https://' || n % 2 || '.example' END,
              CASE WHEN p THEN 'app' END, CASE WHEN p AND n % 2 = 0 THEN 'p:' ELSE '' END, p
       FROM (SELECT n, n / $2::int % 10 = 0 AS p FROM generate_series(1, $1::int) AS n) AS crowd`,
      [KEYS, TENANTS],
    );
    await client.query(
      `INSERT INTO api_key_retired_secrets (hash, tenant_id, key_id, pepper_version, expires_at)
       SELECT sha256('r'::bytea || hash), tenant_id, id, 1, now() + interval '1 hour' FROM api_keys
       WHERE tenant_id LIKE 'crowd-%' AND id LIKE '%7'`,
    );
    await client.query('ANALYZE');
  });
}, 120_000);

afterAll(async () => {
  await node.stop();
  await database.drop();
});

/** Several keys of each kind, so that none is looked up twice. */
type Presented = readonly { readonly key: string; readonly keyId: string | null }[];

const KINDS: Readonly<Record<string, () => Promise<{ key: string; keyId: string | null }>>> = {
  'a secret key': async () => {
    const { record, key } = await node.create(person(acme), {});
    return { key, keyId: record.id };
  },
  'a publishable key': async () => {
    const { record, key } = await node.createPublishable(person(acme), {});
    return { key, keyId: record.id };
  },
  'the old secret of a rotated key': async () => {
    const { record, key } = await node.create(person(acme), {});
    await node.rotate(person(acme), { keyId: record.id, gracePeriodSeconds: 3600 });
    return { key, keyId: record.id };
  },
  'a key that nobody has': () => Promise.resolve({ key: newKey('SECRET'), keyId: null }),
};

async function present(kind: string): Promise<Presented> {
  const presented = [];
  for (let i = 0; i < CALLS_UNTIL_PLANS_SETTLE; i += 1) {
    const one = await KINDS[kind]?.();
    if (one !== undefined) presented.push(one);
  }
  await node.hearEverything();
  return presented;
}

const holderOf = (key: string): Promise<string | null> =>
  (key.startsWith('pk_') ? node.directory.authenticatePublishable(key) : node.directory.authenticate(key)).then(
    ({ keyId }) => keyId,
    () => null,
  );

function queries(): string[] {
  const names: string[] = [];
  node.proxy.judge = (message) => {
    const asks = message.from === 'client' && (message.type === 'B' || message.type === 'Q');
    if (asks && !isCallOf('touch_api_keys', message)) {
      names.push(isCallOf('find_api_key', message) ? 'find_api_key' : message.body.toString());
    }
    return 'pass';
  };
  return names;
}

describe(`among ${KEYS} keys of ${TENANTS} tenants`, () => {
  it.each(Object.keys(KINDS))('%s costs exactly one query on a cold cache, and none on a warm one', async (kind) => {
    for (const { key, keyId } of await present(kind)) {
      const asked = queries();
      expect(await holderOf(key)).toBe(keyId);
      expect(asked).toEqual(['find_api_key']);
      if (keyId === null) continue;
      for (let i = 0; i < 10; i += 1) {
        await eventually(() => node.revocations.isFresh());
        expect(await holderOf(key)).toBe(keyId);
      }
      expect(asked).toEqual(['find_api_key']);
    }
  });

  it.each(Object.keys(KINDS))('%s is found by an index only, with any plan', async (kind) => {
    const presented = await present(kind);
    const plans = await onDatabase(database.superuserUrl, async (client) => {
      const seen: string[] = [];
      client.on('notice', ({ message }) => {
        if (message?.includes('always') === true) seen.push(message.slice(message.indexOf('plan:')));
      });
      for (const setting of [
        'log_min_duration = 0',
        'log_nested_statements = on',
        'log_analyze = on',
        'log_timing = off',
      ]) {
        await client.query(`LOAD 'auto_explain'; SET auto_explain.${setting}; SET client_min_messages = log`);
      }
      for (const { key } of presented) await client.query('SELECT * FROM find_api_key($1)', [node.hashesOf(key)]);
      return seen;
    });
    expect(plans).toHaveLength(presented.length);
    for (const plan of plans) {
      const nodes = plan.split('\n').filter((line) => /\bScan\b/.test(line));
      expect(nodes.length).toBeGreaterThanOrEqual(3);
      const byIndex = /Index Scan|Index Only Scan|Bitmap (?:Heap|Index) Scan|Function Scan on unnest/;
      expect(nodes.filter((line) => !byIndex.test(line))).toEqual([]);
    }
    // Whatever else Postgres did, it scanned no whole table.
    const reads = (): Promise<{ seq: number }[]> =>
      rowsOf(
        database.superuserUrl,
        `SELECT sum(seq_scan)::int AS seq FROM pg_stat_user_tables WHERE relname IN ('api_keys', 'api_key_retired_secrets')`,
      );
    const before = await reads();
    for (const { key, keyId } of await present(kind)) expect(await holderOf(key)).toBe(keyId);
    await node.database.call({ name: 'flush', text: 'SELECT pg_stat_force_next_flush()' }, []);
    expect(await reads()).toEqual(before);
  });
});
