import { mock } from 'node:test';
import { Redis } from 'ioredis';
import { countedBy, endUser, guardOver } from '../../../test/support/end-user-windows.js';
import { eventually, pause } from '../../../test/support/eventually.js';
import { LONG_WINDOW_SECONDS, SHORT_WINDOW_SECONDS, describeRateWindows } from '../../../test/support/rate-windows.js';
import { RedisServer } from '../../../test/support/redis-server.js';
import { testSettings } from '../../../test/support/settings.js';
import { MemoryRateWindowStore } from './memory-rate-window.store.js';
import { RedisRateWindowStore } from './redis-rate-window.store.js';
import { RateWindowStore, type RateWindow } from './rate-window.store.js';

const LONG_MS = LONG_WINDOW_SECONDS * 1000;
const SHORT_MS = SHORT_WINDOW_SECONDS * 1000;

/** The store behind Redis, which replicas share; it counts its calls. */
class Behind extends RateWindowStore {
  asked = 0;
  private readonly memory: MemoryRateWindowStore;

  constructor(windowMs: number) {
    super();
    this.memory = new MemoryRateWindowStore(windowMs);
  }

  take(key: string, limit: number): RateWindow {
    this.asked += 1;
    return this.memory.take(key, limit);
  }

  peek(key: string, limit: number): RateWindow {
    this.asked += 1;
    return this.memory.peek(key, limit);
  }

  release(key: string, taken: RateWindow): void {
    this.asked += 1;
    this.memory.release(key, taken);
  }
}

/** Long enough that a busy machine is not taken for a silent Redis. */
const PATIENCE_MS = 20_000;

async function open(
  server: RedisServer,
  windowMs: number,
  behind: Behind,
  commandTimeoutMs?: number,
): Promise<RedisRateWindowStore> {
  const store = new RedisRateWindowStore(server.url, windowMs, behind, commandTimeoutMs);
  await store.open();
  return store;
}

describeRateWindows('windows in Redis, counted by two replicas', async () => {
  const server = await RedisServer.start();
  const behind = new Behind(LONG_MS);
  const openTwo = async (windowMs: number) => [
    await open(server, windowMs, behind, PATIENCE_MS),
    await open(server, windowMs, behind, PATIENCE_MS),
  ];
  const long = await openTwo(LONG_MS);
  const short = await openTwo(SHORT_MS);
  return {
    long,
    short,
    async close() {
      for (const store of [...long, ...short]) store.close();
      await server.stop();
      expect(behind.asked).toBe(0);
    },
  };
});

describe('windows in Redis', () => {
  let server: RedisServer;
  let stores: RedisRateWindowStore[];
  let behind: Behind;

  const openAll = async (windowMs: number, commandTimeoutMs?: number): Promise<void> => {
    for (const store of stores) store.close();
    behind = new Behind(windowMs);
    stores = [
      await open(server, windowMs, behind, commandTimeoutMs),
      await open(server, windowMs, behind, commandTimeoutMs),
    ];
  };

  beforeEach(async () => {
    server = await RedisServer.start();
    stores = [];
    await openAll(LONG_MS, PATIENCE_MS);
  });

  afterEach(async () => {
    for (const store of stores) store.close();
    await server.stop();
  });

  const takeMany = (count: number, key = 'a', limit = 10): Promise<RateWindow[]> =>
    Promise.all(Array.from({ length: count }, (_, index) => stores[index % stores.length]!.take(key, limit)));
  const allowed = (windows: readonly RateWindow[]): number => windows.filter((window) => window.allowed).length;
  /** Resolves once only Redis is used again. */
  const countedByRedis = (): Promise<void> =>
    eventually(async () => {
      const { asked } = behind;
      await takeMany(2, 'is Redis there', 1);
      return behind.asked === asked;
    });

  it('are counted by the store behind it while Redis is down, without an error', async () => {
    expect(allowed(await takeMany(10))).toBe(10);
    await server.kill();
    const windows = (await Promise.all([takeMany(50), takeMany(50)])).flat();
    // At most one more window's allowance passes.
    expect(allowed(windows)).toBe(10);
    expect(allowed(await takeMany(2))).toBe(0);
  });

  /** Resolves once both replicas are connected again, without calling them. */
  const backAgain = async (): Promise<void> => {
    await server.startAgain();
    const redis = new Redis(server.url);
    try {
      await eventually(async () => {
        const clients = String(await redis.client('LIST'))
          .trim()
          .split('\n');
        return clients.filter((line) => line.includes('cmd=info')).length >= stores.length;
      });
    } finally {
      redis.disconnect();
    }
  };
  const SOME_TIME_MS = 1500;
  /** Calls for long enough that a recovered Redis is used too. */
  const askForSomeTime = async (asked: readonly RateWindowStore[]): Promise<number> => {
    let passed = 0;
    for (const until = Date.now() + SOME_TIME_MS; Date.now() < until; await pause(20)) {
      for (const store of asked) if ((await store.take('a', 10)).allowed) passed += 1;
    }
    return passed;
  };

  it('admit at most one more allowance although Redis comes back empty, goes down, and comes back', async () => {
    expect(allowed(await takeMany(10))).toBe(10);
    let passed = 0;
    for (let round = 0; round < 2; round += 1) {
      await server.kill();
      passed += allowed(await takeMany(20));
      await backAgain();
      passed += await askForSomeTime(stores);
    }
    expect(passed).toBe(10);
  });

  it('admit at most one more allowance where only one replica was called while Redis was down', async () => {
    await takeMany(10);
    await server.kill();
    const [one, other] = stores as [RedisRateWindowStore, RedisRateWindowStore];
    let passed = 0;
    for (let index = 0; index < 20; index += 1) if ((await one.take('a', 10)).allowed) passed += 1;
    await backAgain();
    passed += await askForSomeTime([other]);
    expect(passed).toBe(10);
  });

  it('are counted by Redis only, one window after it is back, with all requests since', async () => {
    await server.kill();
    expect(allowed(await takeMany(2))).toBe(2);
    await backAgain();
    await pause(SOME_TIME_MS);
    const since = await takeMany(4);
    expect(allowed(since)).toBe(4);
    await stores[0]!.release('a', since[0]!);
    const now = performance.now.bind(performance);
    const later = mock.method(performance, 'now', () => now() + 2 * LONG_MS);
    try {
      const { asked } = behind;
      expect(allowed(await takeMany(50))).toBe(7);
      expect(behind.asked).toBe(asked);
    } finally {
      later.mock.restore();
    }
  });

  it('are counted by the store behind it while Redis is silent, without an error, and by Redis again when it answers', async () => {
    await openAll(SHORT_MS);
    server.freeze();
    const windows = (await Promise.all([takeMany(50), takeMany(50)])).flat();
    expect(allowed(windows)).toBe(10);
    const { asked } = behind;
    await takeMany(6);
    expect(behind.asked).toBe(asked + 6);
    server.thaw();
    await countedByRedis();
  });

  it('are counted by the store behind it where Redis was never available', async () => {
    await server.kill();
    const alone = await open(server, LONG_MS, behind);
    const { asked } = behind;
    expect((await alone.take('a', 10)).allowed).toBe(true);
    expect(behind.asked).toBe(asked + 1);
    alone.close();
  });

  it('are read and given back to without an error while Redis is down, each place where it was taken', async () => {
    const inRedis = await takeMany(10);
    await server.kill();
    const inBehind = await takeMany(10);
    const release = (windows: readonly RateWindow[]): Promise<unknown> =>
      Promise.all(windows.map((window, index) => stores[index % stores.length]!.release('a', window)));
    // A place that was lost with Redis is given back nowhere.
    await release(inRedis);
    for (const store of stores) expect(await store.peek('a', 10)).toMatchObject({ allowed: false, remaining: 0 });
    await release(inBehind.slice(0, 3));
    for (const store of stores) expect(await store.peek('a', 10)).toMatchObject({ allowed: true, remaining: 3 });
    expect(allowed(await takeMany(20))).toBe(3);
  });

  it('of an end user admit one more allowance at most when Redis is lost in between, and count no refused request', async () => {
    const settings = testSettings({ rateWindowSeconds: LONG_WINDOW_SECONDS });
    const guards = await Promise.all(stores.map((store) => guardOver(store, settings)));
    const humans = ['ann', 'ben', 'cleo'];
    const ask = async (count: number, perKey = 37): Promise<Map<string, number>> => {
      const passed = new Map(humans.map((human) => [human, 0]));
      await Promise.all(
        Array.from({ length: count }, async (_, index) => {
          const human = humans[index % humans.length]!;
          const principal = endUser('pk', human, { perKey, perHuman: 30 });
          const counted = await countedBy(guards[index % guards.length]!, { principal });
          if (counted.allowed) passed.set(human, passed.get(human)! + 1);
        }),
      );
      return passed;
    };
    const sum = (counts: ReadonlyMap<string, number>): number => [...counts.values()].reduce((a, b) => a + b, 0);

    expect(sum(await ask(300))).toBe(37);
    const inTheMiddle = ask(600);
    await server.kill();
    const during = await inTheMiddle;
    const after = await ask(300);
    expect(sum(during) + sum(after)).toBe(37);
    // With room in the key's window, each human has the rest of its own.
    const rest = await ask(600, 1_000_000);
    for (const human of humans) expect(during.get(human)! + after.get(human)! + rest.get(human)!).toBe(30);
  });

  it('expire with their window, so that Redis does not fill up', async () => {
    const taken = await takeMany(20);
    const redis = new Redis(server.url);
    await stores[0]!.peek('b', 10);
    await stores[0]!.release('a', taken[0]!);
    expect(await redis.keys('*')).toEqual(['gatehouse:window:a']);
    expect(await redis.pttl('gatehouse:window:a')).toBeGreaterThan(0);
    redis.disconnect();
  });

  it('expire although their expiry was lost', async () => {
    const redis = new Redis(server.url);
    await redis.set('gatehouse:window:a', '10');
    expect((await takeMany(1))[0]!.allowed).toBe(false);
    expect(await redis.pttl('gatehouse:window:a')).toBeGreaterThan(0);
    redis.disconnect();
  });
});
