import { countedBy, endUser, guardOver, showing, type Counted } from '../../../test/support/end-user-windows.js';
import { eventually, watch } from '../../../test/support/eventually.js';
import { createTestDatabase, type TestDatabase } from '../../../test/support/postgres.js';
import { PostgresProxy, isCallOf } from '../../../test/support/postgres-proxy.js';
import { LONG_WINDOW_SECONDS, SHORT_WINDOW_SECONDS, describeRateWindows } from '../../../test/support/rate-windows.js';
import { rowsOf } from '../../../test/support/sql.js';
import { testSettings } from '../../../test/support/settings.js';
import { throttleKey } from '../../identity/index.js';
import { Database } from '../../platform/database/index.js';
import { PostgresRateWindowStore } from './postgres-rate-window.store.js';

describeRateWindows('windows in Postgres, counted by two replicas', async () => {
  const test = await createTestDatabase();
  const databases = [0, 1].map(() => new Database(testSettings({ databaseUrl: test.ownerUrl })));
  const stores = (seconds: number): PostgresRateWindowStore[] =>
    databases.map((database) => new PostgresRateWindowStore(database, seconds));
  return {
    long: stores(LONG_WINDOW_SECONDS),
    short: stores(SHORT_WINDOW_SECONDS),
    async close() {
      await Promise.all(databases.map((database) => database.close()));
      await test.drop();
    },
  };
});

describe('windows in Postgres', () => {
  let test: TestDatabase;
  let proxy: PostgresProxy;
  let database: Database;
  let store: PostgresRateWindowStore;

  beforeEach(async () => {
    test = await createTestDatabase();
    proxy = await PostgresProxy.start(test.ownerUrl);
    database = new Database(testSettings({ databaseUrl: proxy.through(test.ownerUrl) }));
    store = new PostgresRateWindowStore(database, LONG_WINDOW_SECONDS);
  });

  afterEach(async () => {
    await proxy.close();
    await database.close();
    await test.drop();
  });

  it('are counted by one statement for all simultaneous requests', async () => {
    await store.take('a', 5);
    proxy.statements = 0;
    await Promise.all(Array.from({ length: 500 }, (_, index) => store.take(`key:${index % 50}`, 5)));
    expect(proxy.statements).toBe(1);
  });

  it('are read, and given back to, by one statement each for all simultaneous requests', async () => {
    const taken = await Promise.all(Array.from({ length: 500 }, (_, index) => store.take(`key:${index % 50}`, 10)));
    proxy.statements = 0;
    await Promise.all(Array.from({ length: 500 }, (_, index) => store.peek(`key:${index % 50}`, 10)));
    expect(proxy.statements).toBe(1);
    await Promise.all(taken.map((window, index) => store.release(`key:${index % 50}`, window)));
    expect(proxy.statements).toBe(2);
    const rows = await rowsOf<{ used: number }>(test.superuserUrl, 'SELECT DISTINCT used FROM rate_windows');
    expect(rows).toEqual([{ used: 0 }]);
  });

  it('are taken and given back by two replicas in any order without a deadlock', async () => {
    const other = new Database(testSettings({ databaseUrl: test.ownerUrl }));
    try {
      const stores = [store, new PostgresRateWindowStore(other, LONG_WINDOW_SECONDS)];
      const keys = Array.from({ length: 100 }, (_, index) => `key:${index}`);
      const rounds = stores.map(async (one, at) => {
        const order = at === 0 ? keys : keys.toReversed();
        for (let round = 0; round < 30; round += 1) {
          const taken = await Promise.all(order.map((key) => one.take(key, 1000)));
          await Promise.all(taken.map((window, index) => one.release(order[index]!, window)));
        }
      });
      await Promise.all(rounds);
    } finally {
      await other.close();
    }
    const rows = await rowsOf<{ used: number }>(test.superuserUrl, 'SELECT DISTINCT used FROM rate_windows');
    expect(rows).toEqual([{ used: 0 }]);
  });

  it('that close between two places of one key get back only their own places', async () => {
    const short = new PostgresRateWindowStore(database, SHORT_WINDOW_SECONDS);
    const old = await short.take('a', 5);
    let next = await short.take('a', 5);
    await eventually(async () => (next = await short.take('a', 5)).resetsAtMs > old.resetsAtMs);
    await Promise.all([short.release('a', old), short.release('a', next), short.release('a', old)]);
    expect(await rowsOf(test.superuserUrl, 'SELECT used FROM rate_windows')).toEqual([{ used: 0 }]);
  });

  it('let a human keep a place that could not be given back, and the request is still refused', async () => {
    const guard = await guardOver(store, testSettings({ rateWindowSeconds: LONG_WINDOW_SECONDS }));
    const limits = { perKey: 1, perHuman: 10 };
    const ask = (human: string): Promise<Counted> => countedBy(guard, { principal: endUser('pk', human, limits) });
    expect(await ask('ann')).toMatchObject({ allowed: true });
    proxy.judge = (message) => (isCallOf('release_rate_windows', message) ? 'cut-before' : 'pass');
    expect(await ask('ben')).toMatchObject({ allowed: false, headers: showing('key', 1, 0) });
    const [row] = await rowsOf<{ used: number }>(test.superuserUrl, 'SELECT used FROM rate_windows WHERE key = $1', [
      throttleKey(endUser('pk', 'ben', limits)),
    ]);
    expect(row).toEqual({ used: 1 });
  });

  it('apply the lower limit where it changes while requests come', async () => {
    const windows = await Promise.all(
      Array.from({ length: 40 }, (_, index) => store.take('a', index % 2 === 0 ? 3 : 30)),
    );
    expect(windows.filter(({ allowed }) => allowed)).toHaveLength(3);
  });

  it('survive the process that opened them', async () => {
    await Promise.all(Array.from({ length: 5 }, () => store.take('a', 5)));
    const restarted = new Database(testSettings({ databaseUrl: test.ownerUrl }));
    const [window] = await Promise.all([new PostgresRateWindowStore(restarted, LONG_WINDOW_SECONDS).take('a', 5)]);
    await restarted.close();
    expect(window.allowed).toBe(false);
  });

  it('one key’s failure does not affect another', async () => {
    const keys = ['a', 'bad\u0000key', 'b'];
    const taken = await store.take('a', 5);
    const works: ((key: string) => Promise<unknown>)[] = [
      (key) => store.take(key, 5),
      (key) => store.peek(key, 5),
      (key) => store.release(key, taken),
    ];
    for (const work of works) {
      const endings = await Promise.allSettled(keys.map(work));
      expect(endings.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    }
  });

  it('answer 503 to all waiting requests while Postgres is silent, and count again once it answers', async () => {
    await store.take('a', 5);
    proxy.tcp.freeze();
    const waiting = [watch(store.take('a', 5)), watch(store.take('b', 5))];
    await eventually(() => waiting.every(({ ending }) => ending !== undefined));
    for (const { ending } of waiting) expect(ending).toMatchObject({ error: { kind: 'unavailable' } });
    await expect(store.take('c', 5)).rejects.toMatchObject({ kind: 'unavailable', retryAfterSeconds: 2 });
    await expect(store.peek('c', 5)).rejects.toMatchObject({ kind: 'unavailable' });
    proxy.tcp.thaw();
    await eventually(async () => (await store.take('d', 5)).allowed);
  });

  it('are deleted once they closed, and not before', async () => {
    await store.take('open', 5);
    await rowsOf(
      test.superuserUrl,
      "INSERT INTO rate_windows (key, opened_at, used) VALUES ('closed', now() - interval '3 hours', 5)",
    );
    await store.prune();
    const rows = await rowsOf<{ key: string }>(test.superuserUrl, 'SELECT key FROM rate_windows');
    expect(rows).toEqual([{ key: 'open' }]);
  });
});
