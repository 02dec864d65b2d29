import { createHash, createHmac } from 'node:crypto';
import { mock } from 'node:test';
import { eventually } from '../../test/support/eventually.js';
import { createTestDatabase, type TestDatabase } from '../../test/support/postgres.js';
import { withOtherEnd } from '../../test/support/other-end.js';
import { person, startKeysNode, type KeysNode } from '../../test/support/keys-node.js';
import { isCallOf } from '../../test/support/postgres-proxy.js';
import { dump, rowsOf, seedTenant, type SeededTenant } from '../../test/support/sql.js';
import { testPepper } from '../../test/support/settings.js';
import { CredentialStrategies, PUBLISHABLE_KEY_STRATEGY, SECRET_KEY_STRATEGY } from '../identity/index.js';
import type { Pepper } from '../platform/config/index.js';
import { Fault } from '../platform/errors/index.js';
import { newPublishableKey, newSecretKey } from './key-format.js';
import type { CreateKeyRequest } from './keys.dto.js';
import { PublishableKeyStrategy } from './publishable-key.strategy.js';
import { SecretKeyStrategy } from './secret-key.strategy.js';

const [OLD, NEW] = [testPepper(1), testPepper(2)];
const HOUR_MS = 3_600_000;

let database: TestDatabase;
let acme: SeededTenant;
let nodes: KeysNode[];

beforeEach(async () => {
  database = await createTestDatabase();
  acme = await seedTenant(database.superuserUrl);
  nodes = [];
});

afterEach(async () => {
  mock.restoreAll();
  for (const node of nodes) {
    node.proxy.tcp.thaw();
    node.proxy.tcp.refuse(false);
    await node.stop();
  }
  await database.drop();
});

async function start(...peppers: Pepper[]): Promise<KeysNode> {
  const node = await startKeysNode(database.ownerUrl, { peppers: peppers.length > 0 ? peppers : [OLD] });
  nodes.push(node);
  return node;
}

async function makeKey(node: KeysNode, changes: Partial<CreateKeyRequest> = {}): Promise<{ id: string; key: string }> {
  const { record, key } = await node.create(person(acme), changes);
  return { id: record.id, key };
}

async function accepts(node: KeysNode, key: string): Promise<boolean> {
  try {
    await node.directory.authenticate(key);
    return true;
  } catch (error) {
    expect(error).toMatchObject({ kind: 'unauthenticated', code: 'invalid_credential' });
    return false;
  }
}

const stored = async (id: string): Promise<{ hash: Buffer; pepper_version: number; last_used_at: Date | null }> =>
  (
    await rowsOf<{ hash: Buffer; pepper_version: number; last_used_at: Date | null }>(
      database.superuserUrl,
      'SELECT * FROM api_keys WHERE id = $1',
      [id],
    )
  )[0]!;

describe('a key', () => {
  it('belongs to its tenant, with its scopes and limit, in one frozen value', async () => {
    const node = await start();
    const { id, key } = await makeKey(node, { permissions: ['chat:write'], rateLimit: { requestsPerMinute: 7 } });
    const principal = await node.directory.authenticate(key);
    expect(principal).toEqual({
      kind: 'secretKey',
      tenantId: acme.tenantId,
      keyId: id,
      scopes: new Set(['chat:write']),
      requestsPerMinute: 7,
      human: null,
    });
    expect(Object.isFrozen(principal)).toBe(true);
  });

  it("has the service's limit where it has none of its own", async () => {
    const node = await start();
    const { key } = await makeKey(node);
    expect((await node.directory.authenticate(key)).requestsPerMinute).toBe(node.settings.requestsPerMinute);
  });

  it('is stored only as an HMAC under the pepper', async () => {
    const node = await start();
    const { id, key } = await makeKey(node);
    await node.directory.authenticate(key);
    await node.directory.beforeApplicationShutdown();
    expect((await stored(id)).hash).toEqual(createHmac('sha256', OLD.secret).update(key).digest());
    const everything = await dump(database.superuserUrl);
    expect(everything).toContain(id);
    const secret = key.slice(12);
    for (const form of [
      key,
      secret,
      Buffer.from(key).toString('base64'),
      Buffer.from(key).toString('hex'),
      createHash('sha256').update(key).digest('hex'),
      createHash('sha256').update(key).digest('base64'),
    ]) {
      expect(everything).not.toContain(form);
    }
  });

  it('that was never issued is refused, and so is one whose stored type belongs to another prefix', async () => {
    const node = await start();
    expect(await accepts(node, newSecretKey())).toBe(false);
    const { id, key } = await makeKey(node);
    await rowsOf(database.superuserUrl, "UPDATE api_keys SET type = 'PUBLISHABLE' WHERE id = $1", [id]);
    expect(await accepts(node, key)).toBe(false);
  });

  it('costs one query the first time and none afterwards', async () => {
    const node = await start();
    const { key } = await makeKey(node);
    node.proxy.statements = 0;
    await Promise.all(Array.from({ length: 50 }, () => node.directory.authenticate(key)));
    expect(node.proxy.statements).toBe(1);
    for (let i = 0; i < 50; i += 1) await node.directory.authenticate(key);
    expect(node.proxy.statements).toBe(1);
  });

  it('gives an outage, and not a refusal, where the database can not be reached', async () => {
    const node = await start();
    const { key } = await makeKey(node);
    node.proxy.tcp.refuse(true);
    node.proxy.tcp.cut();
    await expect(node.directory.authenticate(key)).rejects.toMatchObject({ kind: 'unavailable', status: 503 });
    node.proxy.tcp.refuse(false);
    expect(await accepts(node, key)).toBe(true);
  });
});

describe('the strategy for secret keys', () => {
  it('refuses a malformed key and a bad checksum without a look-up', async () => {
    const node = await start();
    const { key } = await makeKey(node);
    const strategies = new CredentialStrategies();
    expect(new SecretKeyStrategy(node.directory, strategies)).toBeDefined();
    const verify = (presented: string) => strategies.verify(SECRET_KEY_STRATEGY, { 'x-api-key': presented });
    node.proxy.statements = 0;
    for (const bad of [
      '',
      'sk_',
      `${key} `,
      key.slice(0, -1),
      withOtherEnd(key),
      key.replace('sk_', 'pk_'),
      'sk_gh_' + 'x'.repeat(10_000),
    ]) {
      await expect(verify(bad)).rejects.toMatchObject({ kind: 'unauthenticated' });
    }
    expect(node.proxy.statements).toBe(0);
    expect(await verify(key)).toMatchObject({ kind: 'secretKey' });
  });

  it('reports an outage of the database as such, and never as a bad credential', async () => {
    const node = await start();
    const { key } = await makeKey(node);
    const strategies = new CredentialStrategies();
    expect(new SecretKeyStrategy(node.directory, strategies)).toBeDefined();
    expect(new PublishableKeyStrategy(node.directory, strategies)).toBeDefined();
    node.proxy.tcp.refuse(true);
    node.proxy.tcp.cut();
    for (const [name, presented] of [
      [SECRET_KEY_STRATEGY, key],
      [PUBLISHABLE_KEY_STRATEGY, newPublishableKey()],
    ] as const) {
      await expect(strategies.verify(name, { 'x-api-key': presented })).rejects.toMatchObject({ status: 503 });
    }
    node.proxy.tcp.refuse(false);
  });
});

describe('a revoked key', () => {
  it('is refused by every replica that cached it, once the notification arrives', async () => {
    const [here, there] = [await start(), await start()];
    const { id, key } = await makeKey(here);
    expect([await accepts(here, key), await accepts(there, key)]).toEqual([true, true]);
    await here.service.revoke(person(acme), id);
    for (const node of [here, there]) {
      await node.hearEverything();
      expect(await accepts(node, key)).toBe(false);
    }
  });

  it.each<[string, string]>([
    ['deleted', 'DELETE FROM api_keys WHERE id = $1'],
    ['of another type', "UPDATE api_keys SET type = 'PUBLISHABLE' WHERE id = $1"],
    ['expired from now on', "UPDATE api_keys SET expires_at = now() - interval '1 second' WHERE id = $1"],
    ['stored under another hash', "UPDATE api_keys SET hash = '\\x00' WHERE id = $1"],
  ])('is refused like one that is %s by SQL', async (_case, statement) => {
    const node = await start();
    const { id, key } = await makeKey(node);
    expect(await accepts(node, key)).toBe(true);
    await rowsOf(database.superuserUrl, statement, [id]);
    await node.hearEverything();
    expect(await accepts(node, key)).toBe(false);
  });

  it('gets changed scopes or limits on every replica', async () => {
    const [here, there] = [await start(), await start()];
    const { id, key } = await makeKey(here, { permissions: ['chat:write', 'usage:read'] });
    await there.directory.authenticate(key);
    await here.service.update(person(acme), {
      keyId: id,
      permissions: ['usage:read'],
      rateLimit: { requestsPerMinute: 3 },
    });
    await there.hearEverything();
    expect(await there.directory.authenticate(key)).toMatchObject({
      scopes: new Set(['usage:read']),
      requestsPerMinute: 3,
    });
  });
});

describe("expiry is judged by the database's clock", () => {
  it('even if the key is cached and no notification comes', async () => {
    const node = await start();
    const { key } = await makeKey(node, { expiresAt: new Date(node.service.now().getTime() + 1000) });
    expect(await accepts(node, key)).toBe(true);
    await eventually(async () => !(await accepts(node, key)));
  });

  it.each([
    ['ahead', HOUR_MS],
    ['behind', -HOUR_MS],
  ])('and not by a process whose clock is an hour %s', async (_case, skewMs) => {
    const realNow = Date.now.bind(Date);
    mock.method(Date, 'now', () => realNow() + skewMs);
    const node = await start();
    await node.hearEverything();
    const { key } = await makeKey(node, { expiresAt: new Date(realNow() + 1500) });
    expect(await accepts(node, key)).toBe(true);
    await eventually(async () => !(await accepts(node, key)));
    const [row] = await rowsOf<{ past: boolean }>(
      database.superuserUrl,
      'SELECT expires_at <= clock_timestamp() AS past FROM api_keys',
    );
    expect(row).toEqual({ past: true });
    await expect(makeKey(node, { expiresAt: new Date(realNow() - 1000) })).rejects.toBeInstanceOf(Fault);
  });
});

describe('a change of pepper', () => {
  const moved = async (id: string): Promise<void> =>
    eventually(async () => (await stored(id)).pepper_version === NEW.version);

  it('moves a key to the new pepper when it is used; then the old one can be removed', async () => {
    const before = await start(OLD);
    const { id, key } = await makeKey(before);
    const during = await start(NEW, OLD);
    expect(await accepts(during, key)).toBe(true);
    await moved(id);
    expect((await stored(id)).hash).toEqual(createHmac('sha256', NEW.secret).update(key).digest());
    const after = await start(NEW);
    expect(await accepts(after, key)).toBe(true);
    expect(await accepts(during, key)).toBe(true);
  });

  it('that removes the old pepper too early refuses a key that was not used meanwhile, and changes nothing', async () => {
    const { id, key } = await makeKey(await start(OLD));
    expect(await accepts(await start(NEW), key)).toBe(false);
    expect((await stored(id)).pepper_version).toBe(OLD.version);
  });

  it('stores new keys under the new one at once', async () => {
    const { id } = await makeKey(await start(NEW, OLD));
    expect((await stored(id)).pepper_version).toBe(NEW.version);
  });

  it('keeps a revoked key revoked on replicas that cached it under either pepper', async () => {
    const [oldFirst, newFirst] = [await start(OLD, NEW), await start(NEW, OLD)];
    const { id, key } = await makeKey(oldFirst);
    expect([await accepts(oldFirst, key), await accepts(newFirst, key)]).toEqual([true, true]);
    await moved(id).catch(() => undefined);
    for (const node of [oldFirst, newFirst]) {
      await node.hearEverything();
      expect(await accepts(node, key)).toBe(true);
    }
    await newFirst.service.revoke(person(acme), id);
    for (const node of [oldFirst, newFirst]) {
      await node.hearEverything();
      expect(await accepts(node, key)).toBe(false);
    }
    expect(await accepts(await start(NEW), key)).toBe(false);
  });

  it('moves no key back and forth between replicas that disagree on the newest pepper', async () => {
    const [oldFirst, newFirst] = [await start(OLD, NEW), await start(NEW, OLD)];
    const { id, key } = await makeKey(oldFirst);
    let moves = 0;
    for (const { proxy } of [oldFirst, newFirst]) {
      proxy.judge = (message) => {
        if (isCallOf('rehash_api_key', message)) moves += 1;
        return 'pass';
      };
    }
    for (let round = 0; round < 4; round += 1) {
      for (const node of [oldFirst, newFirst]) {
        expect(await accepts(node, key)).toBe(true);
        await node.database.ping();
        await node.hearEverything();
      }
    }
    expect(moves).toBeLessThanOrEqual(1);
    expect((await stored(id)).pepper_version).toBe(NEW.version);
  });
});

describe('when a key was last used', () => {
  const touches = (node: KeysNode): { count: number } => {
    const seen = { count: 0 };
    node.proxy.judge = (message) => {
      if (isCallOf('touch_api_keys', message)) seen.count += 1;
      return 'pass';
    };
    return seen;
  };

  it('is written for many keys at once, not for each request', async () => {
    const node = await start();
    const made = [];
    for (let i = 0; i < 20; i += 1) made.push(await makeKey(node));
    const seen = touches(node);
    const before = Date.now();
    for (let i = 0; i < 5; i += 1) await Promise.all(made.map(({ key }) => node.directory.authenticate(key)));
    expect(seen.count).toBe(0);
    await node.directory.beforeApplicationShutdown();
    expect(seen.count).toBe(1);
    for (const { id } of made) expect((await stored(id)).last_used_at!.getTime()).toBeGreaterThanOrEqual(before - 1);
  });

  it('is not written for a key that was refused', async () => {
    const node = await start();
    const { id, key } = await makeKey(node);
    await node.service.revoke(person(acme), id);
    expect(await accepts(node, key)).toBe(false);
    await node.directory.beforeApplicationShutdown();
    expect((await stored(id)).last_used_at).toBeNull();
  });

  it('never goes back in time, whichever replica writes last', async () => {
    const node = await start();
    const [one, two] = [await makeKey(node), await makeKey(node)];
    const touch = (at: string): Promise<unknown> =>
      node.database.call({ name: 'touch_api_keys', text: 'SELECT touch_api_keys($1, $2)' }, [
        [one.id, two.id],
        [new Date(at), new Date(at)],
      ]);
    await touch('2026-01-02T00:00:00Z');
    await touch('2026-01-01T00:00:00Z');
    for (const { id } of [one, two]) expect((await stored(id)).last_used_at).toEqual(new Date('2026-01-02T00:00:00Z'));
  });

  it('sends no notification: cached keys stay cached', async () => {
    const node = await start();
    const { key } = await makeKey(node);
    await node.directory.authenticate(key);
    await node.directory.beforeApplicationShutdown();
    await node.hearEverything();
    node.proxy.statements = 0;
    expect(await accepts(node, key)).toBe(true);
    expect(node.proxy.statements).toBe(0);
  });
});
