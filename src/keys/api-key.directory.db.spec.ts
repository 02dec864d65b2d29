import { createHash, createHmac } from 'node:crypto';
import { mock } from 'node:test';
import { accepts, KeysStage, OLD } from '../../test/support/keys-stage.js';
import { eventually } from '../../test/support/eventually.js';
import type { TestDatabase } from '../../test/support/postgres.js';
import { withOtherEnd } from '../../test/support/other-end.js';
import { person } from '../../test/support/keys-node.js';
import { dump, rowsOf, type SeededTenant } from '../../test/support/sql.js';
import { CredentialStrategies, PUBLISHABLE_KEY_STRATEGY, SECRET_KEY_STRATEGY } from '../identity/index.js';
import { Fault } from '../platform/errors/index.js';
import { newPublishableKey, newSecretKey } from './key-format.js';
import { PublishableKeyStrategy } from './publishable-key.strategy.js';
import { SecretKeyStrategy } from './secret-key.strategy.js';

const HOUR_MS = 3_600_000;

let stage: KeysStage;
let database: TestDatabase;
let acme: SeededTenant;

beforeEach(async () => {
  stage = await KeysStage.begin();
  ({ database, acme } = stage);
});

afterEach(() => stage.end());

describe('a key', () => {
  it('belongs to its tenant, with its scopes and limit, in one frozen value', async () => {
    const node = await stage.start();
    const { id, key } = await stage.makeKey(node, { permissions: ['chat:write'], rateLimit: { requestsPerMinute: 7 } });
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
    const node = await stage.start();
    const { key } = await stage.makeKey(node);
    expect((await node.directory.authenticate(key)).requestsPerMinute).toBe(node.settings.requestsPerMinute);
  });

  it('is stored only as an HMAC under the pepper', async () => {
    const node = await stage.start();
    const { id, key } = await stage.makeKey(node);
    await node.directory.authenticate(key);
    await node.directory.beforeApplicationShutdown();
    expect((await stage.stored(id)).hash).toEqual(createHmac('sha256', OLD.secret).update(key).digest());
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
    const node = await stage.start();
    expect(await accepts(node, newSecretKey())).toBe(false);
    const { id, key } = await stage.makeKey(node);
    await rowsOf(database.superuserUrl, "UPDATE api_keys SET type = 'PUBLISHABLE' WHERE id = $1", [id]);
    expect(await accepts(node, key)).toBe(false);
  });

  it('costs one query the first time and none afterwards', async () => {
    const node = await stage.start();
    const { key } = await stage.makeKey(node);
    node.proxy.statements = 0;
    await Promise.all(Array.from({ length: 50 }, () => node.directory.authenticate(key)));
    expect(node.proxy.statements).toBe(1);
    for (let i = 0; i < 50; i += 1) await node.directory.authenticate(key);
    expect(node.proxy.statements).toBe(1);
  });

  it('gives an outage, and not a refusal, where the database can not be reached', async () => {
    const node = await stage.start();
    const { key } = await stage.makeKey(node);
    node.proxy.tcp.refuse(true);
    node.proxy.tcp.cut();
    await expect(node.directory.authenticate(key)).rejects.toMatchObject({ kind: 'unavailable', status: 503 });
    node.proxy.tcp.refuse(false);
    expect(await accepts(node, key)).toBe(true);
  });
});

describe('the strategy for secret keys', () => {
  it('refuses a malformed key and a bad checksum without a look-up', async () => {
    const node = await stage.start();
    const { key } = await stage.makeKey(node);
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
    const node = await stage.start();
    const { key } = await stage.makeKey(node);
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
    const [here, there] = [await stage.start(), await stage.start()];
    const { id, key } = await stage.makeKey(here);
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
    const node = await stage.start();
    const { id, key } = await stage.makeKey(node);
    expect(await accepts(node, key)).toBe(true);
    await rowsOf(database.superuserUrl, statement, [id]);
    await node.hearEverything();
    expect(await accepts(node, key)).toBe(false);
  });

  it('gets changed scopes or limits on every replica', async () => {
    const [here, there] = [await stage.start(), await stage.start()];
    const { id, key } = await stage.makeKey(here, { permissions: ['chat:write', 'usage:read'] });
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
    const node = await stage.start();
    const { key } = await stage.makeKey(node, { expiresAt: new Date(node.service.now().getTime() + 1000) });
    expect(await accepts(node, key)).toBe(true);
    await eventually(async () => !(await accepts(node, key)));
  });

  it.each([
    ['ahead', HOUR_MS],
    ['behind', -HOUR_MS],
  ])('and not by a process whose clock is an hour %s', async (_case, skewMs) => {
    const realNow = Date.now.bind(Date);
    mock.method(Date, 'now', () => realNow() + skewMs);
    const node = await stage.start();
    await node.hearEverything();
    const { key } = await stage.makeKey(node, { expiresAt: new Date(realNow() + 1500) });
    expect(await accepts(node, key)).toBe(true);
    await eventually(async () => !(await accepts(node, key)));
    const [row] = await rowsOf<{ past: boolean }>(
      database.superuserUrl,
      'SELECT expires_at <= clock_timestamp() AS past FROM api_keys',
    );
    expect(row).toEqual({ past: true });
    await expect(stage.makeKey(node, { expiresAt: new Date(realNow() - 1000) })).rejects.toBeInstanceOf(Fault);
  });
});
