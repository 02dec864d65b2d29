import { Redis } from 'ioredis';
import { eventually } from '../../test/support/eventually.js';
import { LONG_WINDOW_SECONDS, SHORT_WINDOW_SECONDS, describeRateWindows } from '../../test/support/rate-windows.js';
import { RedisServer } from '../../test/support/redis-server.js';
import '../../test/support/settings.js';
import { MemoryRateWindowStore } from './memory-rate-window.store.js';
import { RedisRateWindowStore } from './redis-rate-window.store.js';
import { RateWindowStore, type RateWindow } from './rate-window.store.js';

const LONG_MS = LONG_WINDOW_SECONDS * 1000;

/** The store behind Redis; keeps count of what it was asked. */
class Behind extends RateWindowStore {
  asked = 0;
  private readonly memory = new MemoryRateWindowStore(LONG_MS);

  take(key: string, limit: number): RateWindow {
    this.asked += 1;
    return this.memory.take(key, limit);
  }
}

async function open(server: RedisServer, windowMs: number): Promise<{ store: RedisRateWindowStore; behind: Behind }> {
  const behind = new Behind();
  const store = new RedisRateWindowStore(server.url, windowMs, behind);
  await counting(store, behind);
  return { store, behind };
}

/** Resolves once Redis counts, and not the store behind it. */
async function counting(store: RedisRateWindowStore, behind: Behind): Promise<void> {
  await eventually(async () => {
    const { asked } = behind;
    await store.take('is Redis there', 1);
    return behind.asked === asked;
  });
}

describeRateWindows('windows in Redis, counted by two replicas', async () => {
  const server = await RedisServer.start();
  const long = [await open(server, LONG_MS), await open(server, LONG_MS)];
  const short = [await open(server, SHORT_WINDOW_SECONDS * 1000), await open(server, SHORT_WINDOW_SECONDS * 1000)];
  return {
    long: long.map(({ store }) => store),
    short: short.map(({ store }) => store),
    async close() {
      for (const { store, behind } of [...long, ...short]) {
        expect(behind.asked).toBeLessThan(100);
        store.close();
      }
      await server.stop();
    },
  };
});

describe('windows in Redis', () => {
  let server: RedisServer;
  let store: RedisRateWindowStore;
  let behind: Behind;

  beforeEach(async () => {
    server = await RedisServer.start();
    ({ store, behind } = await open(server, LONG_MS));
  });

  afterEach(async () => {
    store.close();
    await server.stop();
  });

  const takeMany = (count: number): Promise<RateWindow[]> =>
    Promise.all(Array.from({ length: count }, () => store.take('a', 10)));

  it('are counted by the store behind it while Redis is gone, without an error, and by Redis again when it is back', async () => {
    await takeMany(10);
    await server.kill();
    const windows = (await Promise.all([takeMany(50), takeMany(50)])).flat();
    // At most one more window's allowance passes.
    expect(windows.filter(({ allowed }) => allowed)).toHaveLength(10);
    expect((await takeMany(1))[0]!.allowed).toBe(false);
    await server.startAgain();
    await counting(store, behind);
  });

  it('are counted by the store behind it while Redis is silent, without an error, and by Redis again when it speaks', async () => {
    await takeMany(10);
    server.freeze();
    const windows = (await Promise.all([takeMany(50), takeMany(50)])).flat();
    expect(windows.filter(({ allowed }) => allowed)).toHaveLength(10);
    const { asked } = behind;
    await takeMany(5);
    expect(behind.asked).toBe(asked + 5);
    server.thaw();
    await counting(store, behind);
    expect((await takeMany(1))[0]).toMatchObject({ allowed: false });
  });

  it('are counted by the store behind it where Redis was never there', async () => {
    await server.kill();
    const alone = new RedisRateWindowStore(server.url, LONG_MS, behind);
    const { asked } = behind;
    expect((await alone.take('a', 10)).allowed).toBe(true);
    expect(behind.asked).toBe(asked + 1);
    alone.close();
  });

  it('end with their window, so that Redis does not fill up', async () => {
    await takeMany(20);
    const redis = new Redis(server.url);
    const keys = await redis.keys('*');
    expect(keys).toContain('gatehouse:window:a');
    for (const key of keys) expect(await redis.pttl(key)).toBeGreaterThan(0);
    redis.disconnect();
  });

  it('end although their end was lost', async () => {
    const redis = new Redis(server.url);
    await redis.set('gatehouse:window:a', '10');
    expect((await takeMany(1))[0]!.allowed).toBe(false);
    expect(await redis.pttl('gatehouse:window:a')).toBeGreaterThan(0);
    redis.disconnect();
  });
});
