import { eventually, watch, type Ending } from '../../../test/support/eventually.js';
import { createTestDatabase, type TestDatabase } from '../../../test/support/postgres.js';
import { PostgresProxy, isCallOf, type PostgresMessage } from '../../../test/support/postgres-proxy.js';
import { rowsOf, seedTenant, type SeededTenant } from '../../../test/support/sql.js';
import { testSettings } from '../../../test/support/settings.js';
import type { Fault } from '../errors/index.js';
import { Database } from './database.js';

let test: TestDatabase;
let proxy: PostgresProxy;
/** A database behind the proxy. */
let distant: Database;
let acme: SeededTenant;

beforeEach(async () => {
  test = await createTestDatabase();
  proxy = await PostgresProxy.start(test.ownerUrl);
  distant = new Database(testSettings({ databaseUrl: proxy.through(test.ownerUrl) }));
  acme = await seedTenant(test.superuserUrl);
});

afterEach(async () => {
  await proxy.close();
  await distant.close();
  await test.drop();
});

const once = (text: string): { name: string; text: string } => ({ name: `spec-${text.slice(0, 40)}`, text });

describe('a database that can not be reached', () => {
  const UNAVAILABLE = expect.objectContaining({ kind: 'unavailable', status: 503, retryAfterSeconds: 1 }) as Fault;
  /** Hot path and repositories, over the proxy. */
  const WAYS: [string, () => Promise<unknown>][] = [
    ['a hot statement', () => distant.call(once('SELECT 1'), [])],
    ['a repository', () => distant.withTenant(acme.tenantId, (tx) => tx.apiKey.findMany())],
  ];

  const endingOf = async (
    work: () => Promise<unknown>,
    giveUpAfterMs?: number,
  ): Promise<Ending<unknown> | undefined> => {
    const watched = watch(work());
    await eventually(() => watched.ending !== undefined, giveUpAfterMs);
    return watched.ending;
  };

  it.each(WAYS)(
    'is a 503 for %s where it refuses connections, and works again once it accepts them',
    async (_way, work) => {
      proxy.tcp.refuse(true);
      proxy.tcp.cut();
      expect(await endingOf(work)).toEqual({ error: UNAVAILABLE });
      proxy.tcp.refuse(false);
      expect(await endingOf(work)).toHaveProperty('value');
    },
  );

  it.each(WAYS)('is a 503 for %s where no server listens there', async (_way, work) => {
    await proxy.close();
    expect(await endingOf(work)).toEqual({ error: UNAVAILABLE });
    proxy = await PostgresProxy.start(test.ownerUrl);
  });

  it.each(WAYS)('is a 503 for %s where the idle connection was ended', async (_way, work) => {
    await work();
    proxy.tcp.cut();
    await endingOf(work);
    expect(await endingOf(work)).toHaveProperty('value');
  });

  it('is a 503 for a statement whose connection the server ends', async () => {
    const running = watch(distant.call(once('SELECT pg_sleep(60)'), []));
    const ended = watch(distant.withTenant(acme.tenantId, (tx) => tx.$queryRawUnsafe('SELECT 1 FROM pg_sleep(60)')));
    const SLEEPERS =
      "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()";
    await eventually(async () => (await rowsOf(test.superuserUrl, SLEEPERS)).length === 2);
    await rowsOf(test.superuserUrl, `SELECT pg_terminate_backend(pid) FROM (${SLEEPERS}) AS s`);
    await eventually(() => running.ending !== undefined && ended.ending !== undefined);
    expect(running.ending).toEqual({ error: UNAVAILABLE });
    expect(ended.ending).toEqual({ error: UNAVAILABLE });
  });

  it.each(['BEGIN', 'set_config', 'api_keys', 'COMMIT'])(
    'is a 503 for a repository that is cut off at its %s',
    async (statement) => {
      const list = (): Promise<unknown> => distant.withTenant(acme.tenantId, (tx) => tx.apiKey.findMany());
      let cut = false;
      proxy.judge = ({ from, type, body }: PostgresMessage) => {
        if (cut || from === 'server' || (type !== 'P' && type !== 'Q') || !body.includes(statement)) return 'pass';
        cut = true;
        return 'cut-before';
      };
      expect(await endingOf(list)).toEqual({ error: UNAVAILABLE });
      expect(cut).toBe(true);
      expect(await endingOf(list)).toHaveProperty('value');
    },
  );

  it.each(WAYS)('is a 503 for %s where it stops answering', async (_way, work) => {
    await work();
    proxy.tcp.freeze();
    expect(await endingOf(work, 20_000)).toEqual({ error: UNAVAILABLE });
  });

  it.each(WAYS)(
    'is reached again by %s on new connections where the open ones never answer again',
    async (_way, work) => {
      await Promise.all(Array.from({ length: 5 }, work));
      proxy.tcp.abandon();
      for (const { ending } of Array.from({ length: 5 }, () => watch(work()))) expect(ending).toBeUndefined();
      await eventually(async () => 'value' in ((await endingOf(work, 3000)) ?? {}), 25_000);
    },
  );
});

describe('a named statement', () => {
  it('is planned once on a connection and then sent by its name', async () => {
    const statement = { name: 'spec_statement', text: 'SELECT 1 AS one' };
    const seen: string[] = [];
    proxy.judge = (message) => {
      if (message.from === 'client' && message.type === 'P') seen.push('parse');
      if (isCallOf('spec_statement', message)) seen.push('call');
      return 'pass';
    };
    for (let i = 0; i < 3; i += 1) expect(await distant.call(statement, [])).toEqual([{ one: 1 }]);
    expect(seen).toEqual(['parse', 'call', 'call', 'call']);
  });
});
