import { eventually } from '../../test/support/eventually.js';
import { createTestDatabase, type TestDatabase } from '../../test/support/postgres.js';
import { person, startKeysNode, type KeysNode } from '../../test/support/keys-node.js';
import { isCallOf } from '../../test/support/postgres-proxy.js';
import { rowsOf, seedTenant, type SeededTenant } from '../../test/support/sql.js';
import { ExpiredCredentialFault } from '../identity/index.js';
import { OPENAI_DIALECT, PLATFORM_DIALECT } from '../platform/http/index.js';
import { Fault } from '../platform/errors/index.js';
import { newKey } from './key-format.js';

const TRIES = 25;

let database: TestDatabase;
let node: KeysNode;
let acme: SeededTenant;

beforeAll(async () => {
  database = await createTestDatabase();
  node = await startKeysNode(database.ownerUrl);
  acme = await seedTenant(database.superuserUrl);
});

afterAll(async () => {
  await node.stop();
  await database.drop();
});

type Type = 'SECRET' | 'PUBLISHABLE';

const make = (type: Type) =>
  type === 'SECRET' ? node.create(person(acme), {}) : node.createPublishable(person(acme), {});
const authenticate = (key: string): Promise<{ keyId: string }> =>
  key.startsWith('pk_') ? node.directory.authenticatePublishable(key) : node.directory.authenticate(key);
const expire = (keyId: string): Promise<unknown> =>
  rowsOf(database.superuserUrl, "UPDATE api_keys SET expires_at = clock_timestamp() - interval '1 ms' WHERE id = $1", [
    keyId,
  ]);

/** One well-formed key for each reason of refusal. */
const DEAD: Readonly<Record<string, (type: Type) => Promise<string>>> = {
  unknown: (type) => Promise.resolve(newKey(type)),
  revoked: async (type) => {
    const { record, key } = await make(type);
    await node.service.revoke(person(acme), record.id);
    return key;
  },
  'revoked while it was remembered': async (type) => {
    const { record, key } = await make(type);
    await authenticate(key);
    await node.service.revoke(person(acme), record.id);
    return key;
  },
  expired: async (type) => {
    const { record, key } = await make(type);
    await expire(record.id);
    return key;
  },
  'expired while it was remembered': async (type) => {
    const { record, key } = await make(type);
    // Long enough to be cached, and expired by the first try, without a notification.
    const expiresAt = new Date(node.service.now().getTime() + 2000);
    await node.service.update(person(acme), { keyId: record.id, expiresAt });
    await node.hearEverything();
    await authenticate(key);
    // On a busy machine the service's idea of the database's clock is a few milliseconds off.
    const isOver = 'SELECT 1 FROM api_keys WHERE id = $1 AND expires_at < now()';
    await eventually(async () => (await rowsOf(database.superuserUrl, isOver, [record.id])).length === 1);
    await eventually(() => node.service.now() > expiresAt);
    return key;
  },
  'revoked and expired': async (type) => {
    const { record, key } = await make(type);
    await expire(record.id);
    await node.service.revoke(person(acme), record.id);
    return key;
  },
  'an old secret whose grace is over': async (type) => {
    const { record, key } = await make(type);
    await node.rotate(person(acme), { keyId: record.id, gracePeriodSeconds: 60 });
    await rowsOf(database.superuserUrl, 'UPDATE api_key_retired_secrets SET expires_at = now() WHERE key_id = $1', [
      record.id,
    ]);
    return key;
  },
  'an old secret without a grace': async (type) => {
    const { record, key } = await make(type);
    await node.rotate(person(acme), { keyId: record.id });
    return key;
  },
};
const EXPIRED = /expired$|expired while|whose grace is over/;

async function refused(key: string): Promise<Fault> {
  const error: unknown = await authenticate(key).then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(Fault);
  return error as Fault;
}

/** Counts the queries from now on, except the occasional writes of last use. */
function queries(): { count: number } {
  const seen = { count: 0 };
  node.proxy.judge = (message) => {
    const asks = message.from === 'client' && (message.type === 'B' || message.type === 'Q');
    if (asks && !isCallOf('touch_api_keys', message)) seen.count += 1;
    return 'pass';
  };
  return seen;
}

/** While the heartbeat is late, the cache is not used, and each look-up is a query of its own. */
const whileMemoryCounts = (): Promise<void> => eventually(() => node.revocations.isFresh());

const CASES = Object.keys(DEAD).flatMap((what) =>
  (['SECRET', 'PUBLISHABLE'] as const).map((type) => [what, type] as const),
);

it.each(CASES)('a key that is %s (%s) costs one query each time, first and last', async (what, type) => {
  const key = await DEAD[what]?.(type);
  await node.hearEverything();
  for (let i = 0; i < TRIES; i += 1) {
    const asked = queries();
    await refused(key ?? '');
    expect(asked.count).toBe(1);
  }
});

it.each(CASES)('a key that is %s (%s) costs one query for many simultaneous requests', async (what, type) => {
  const key = await DEAD[what]?.(type);
  await node.hearEverything();
  for (let i = 0; i < 3; i += 1) {
    // While the node is out of touch, as on a busy machine for a moment, each request looks up by itself.
    await eventually(async () => {
      await whileMemoryCounts();
      const asked = queries();
      await Promise.all(Array.from({ length: 20 }, () => refused(key ?? '')));
      expect(asked.count).toBe(1);
    });
  }
});

it.each(CASES)(
  'a key that is %s (%s) is refused in the same words; only the code of an expired one differs',
  async (what, type) => {
    const key = await DEAD[what]?.(type);
    await node.hearEverything();
    const fault = await refused(key ?? '');
    const reference = await refused(newKey(type));
    expect(reference).toMatchObject({ code: 'invalid_credential', reason: 'unknown_or_revoked_key' });
    for (const dialect of [PLATFORM_DIALECT, OPENAI_DIALECT])
      expect(dialect.renderError(fault, 'r')).toEqual(dialect.renderError(reference, 'r'));
    expect(fault instanceof ExpiredCredentialFault).toBe(EXPIRED.test(what) && what !== 'revoked and expired');
  },
);

it('the database returns one row for each, which differs only for an expired one', async () => {
  const rows = [];
  for (const [what, makeDead] of Object.entries(DEAD)) {
    const hashes = node.hashesOf(await makeDead('SECRET'));
    const [row, ...more] = await node.database.call<Record<string, unknown>>(
      { name: 'find_api_key', text: 'SELECT * FROM find_api_key($1)' },
      [hashes],
    );
    expect(more).toEqual([]);
    rows.push([what, row] as const);
  }
  for (const [what, row] of rows) {
    const told = Object.entries(row ?? {}).filter(([, value]) => value !== null);
    expect([what, told]).toEqual([
      what,
      EXPIRED.test(what) && what !== 'revoked and expired' ? [['expired', true]] : [],
    ]);
  }
});

it('a key whose expiry was moved is valid again, even if it was refused from the cache before', async () => {
  const { record, key } = await make('SECRET');
  const expiresAt = new Date(node.service.now().getTime() + 2000);
  await node.service.update(person(acme), { keyId: record.id, expiresAt });
  await node.hearEverything();
  await authenticate(key);
  while (node.service.now() <= expiresAt) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(await refused(key)).toBeInstanceOf(ExpiredCredentialFault);
  await node.service.update(person(acme), { keyId: record.id, neverExpires: true });
  await node.hearEverything();
  expect((await authenticate(key)).keyId).toBe(record.id);
  const asked = queries();
  await whileMemoryCounts();
  await authenticate(key);
  expect(asked.count).toBe(0);
});
