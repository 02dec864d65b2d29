import { eventually, watch } from '../../test/support/eventually.js';
import { createTestDatabase, type TestDatabase } from '../../test/support/postgres.js';
import { PostgresProxy } from '../../test/support/postgres-proxy.js';
import { LONG_WINDOW_SECONDS, SHORT_WINDOW_SECONDS, describeRateWindows } from '../../test/support/rate-windows.js';
import { rowsOf } from '../../test/support/sql.js';
import { testSettings } from '../../test/support/settings.js';
import { Database } from '../platform/database/index.js';
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

  it('are counted by one statement for all requests that come at once', async () => {
    await store.take('a', 5);
    proxy.statements = 0;
    await Promise.all(Array.from({ length: 500 }, (_, index) => store.take(`key:${index % 50}`, 5)));
    expect(proxy.statements).toBe(1);
  });

  it('lets the lower limit hold where it changes while requests come', async () => {
    const windows = await Promise.all(
      Array.from({ length: 40 }, (_, index) => store.take('a', index % 2 === 0 ? 3 : 30)),
    );
    expect(windows.filter(({ allowed }) => allowed)).toHaveLength(3);
  });

  it('outlast the process that opened them', async () => {
    await Promise.all(Array.from({ length: 5 }, () => store.take('a', 5)));
    const restarted = new Database(testSettings({ databaseUrl: test.ownerUrl }));
    const [window] = await Promise.all([new PostgresRateWindowStore(restarted, LONG_WINDOW_SECONDS).take('a', 5)]);
    await restarted.close();
    expect(window.allowed).toBe(false);
  });

  it("one key's failure is no other's", async () => {
    const windows = await Promise.allSettled(['a', 'bad\u0000key', 'b'].map((key) => store.take(key, 5)));
    expect(windows.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  });

  it('answer 503 to all who wait where Postgres is silent, and count again once it speaks', async () => {
    await store.take('a', 5);
    proxy.tcp.freeze();
    const waiting = [watch(store.take('a', 5)), watch(store.take('b', 5))];
    await eventually(() => waiting.every(({ ending }) => ending !== undefined));
    for (const { ending } of waiting) expect(ending).toMatchObject({ error: { kind: 'unavailable' } });
    await expect(store.take('c', 5)).rejects.toMatchObject({ kind: 'unavailable', retryAfterSeconds: 2 });
    proxy.tcp.thaw();
    await eventually(async () => (await store.take('d', 5)).allowed);
  });

  it('are forgotten once they closed, and not before', async () => {
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
