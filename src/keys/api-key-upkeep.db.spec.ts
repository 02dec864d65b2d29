/** What follows a use of an API key: the move to a new pepper, and when it was last used. */
import { createHmac } from 'node:crypto';
import { accepts, KeysStage, NEW, OLD } from '../../test/support/keys-stage.js';
import { eventually } from '../../test/support/eventually.js';
import { person, type KeysNode } from '../../test/support/keys-node.js';
import { isCallOf } from '../../test/support/postgres-proxy.js';
import type { SeededTenant } from '../../test/support/sql.js';

let stage: KeysStage;
let acme: SeededTenant;

beforeEach(async () => {
  stage = await KeysStage.begin();
  ({ acme } = stage);
});

afterEach(() => stage.end());

describe('a change of pepper', () => {
  const moved = async (id: string): Promise<void> =>
    eventually(async () => (await stage.stored(id)).pepper_version === NEW.version);

  it('moves a key to the new pepper when it is used; then the old one can be removed', async () => {
    const before = await stage.start(OLD);
    const { id, key } = await stage.makeKey(before);
    const during = await stage.start(NEW, OLD);
    expect(await accepts(during, key)).toBe(true);
    await moved(id);
    expect((await stage.stored(id)).hash).toEqual(createHmac('sha256', NEW.secret).update(key).digest());
    const after = await stage.start(NEW);
    expect(await accepts(after, key)).toBe(true);
    expect(await accepts(during, key)).toBe(true);
  });

  it('that removes the old pepper too early refuses a key that was not used meanwhile, and changes nothing', async () => {
    const { id, key } = await stage.makeKey(await stage.start(OLD));
    expect(await accepts(await stage.start(NEW), key)).toBe(false);
    expect((await stage.stored(id)).pepper_version).toBe(OLD.version);
  });

  it('stores new keys under the new one at once', async () => {
    const { id } = await stage.makeKey(await stage.start(NEW, OLD));
    expect((await stage.stored(id)).pepper_version).toBe(NEW.version);
  });

  it('keeps a revoked key revoked on replicas that cached it under either pepper', async () => {
    const [oldFirst, newFirst] = [await stage.start(OLD, NEW), await stage.start(NEW, OLD)];
    const { id, key } = await stage.makeKey(oldFirst);
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
    expect(await accepts(await stage.start(NEW), key)).toBe(false);
  });

  it('moves no key back and forth between replicas that disagree on the newest pepper', async () => {
    const [oldFirst, newFirst] = [await stage.start(OLD, NEW), await stage.start(NEW, OLD)];
    const { id, key } = await stage.makeKey(oldFirst);
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
    expect((await stage.stored(id)).pepper_version).toBe(NEW.version);
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
    const node = await stage.start();
    const made = [];
    for (let i = 0; i < 20; i += 1) made.push(await stage.makeKey(node));
    const seen = touches(node);
    const before = Date.now();
    for (let i = 0; i < 5; i += 1) await Promise.all(made.map(({ key }) => node.directory.authenticate(key)));
    expect(seen.count).toBe(0);
    await node.directory.beforeApplicationShutdown();
    expect(seen.count).toBe(1);
    for (const { id } of made)
      expect((await stage.stored(id)).last_used_at!.getTime()).toBeGreaterThanOrEqual(before - 1);
  });

  it('is not written for a key that was refused', async () => {
    const node = await stage.start();
    const { id, key } = await stage.makeKey(node);
    await node.service.revoke(person(acme), id);
    expect(await accepts(node, key)).toBe(false);
    await node.directory.beforeApplicationShutdown();
    expect((await stage.stored(id)).last_used_at).toBeNull();
  });

  it('never goes back in time, whichever replica writes last', async () => {
    const node = await stage.start();
    const [one, two] = [await stage.makeKey(node), await stage.makeKey(node)];
    const touch = (at: string): Promise<unknown> =>
      node.database.call({ name: 'touch_api_keys', text: 'SELECT touch_api_keys($1, $2)' }, [
        [one.id, two.id],
        [new Date(at), new Date(at)],
      ]);
    await touch('2026-01-02T00:00:00Z');
    await touch('2026-01-01T00:00:00Z');
    for (const { id } of [one, two])
      expect((await stage.stored(id)).last_used_at).toEqual(new Date('2026-01-02T00:00:00Z'));
  });

  it('sends no notification: cached keys stay cached', async () => {
    const node = await stage.start();
    const { key } = await stage.makeKey(node);
    await node.directory.authenticate(key);
    await node.directory.beforeApplicationShutdown();
    await node.hearEverything();
    node.proxy.statements = 0;
    expect(await accepts(node, key)).toBe(true);
    expect(node.proxy.statements).toBe(0);
  });
});
