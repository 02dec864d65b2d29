import { eventually } from '../../../test/support/eventually.js';
import { createTestDatabase, type TestDatabase } from '../../../test/support/postgres.js';
import { PostgresProxy } from '../../../test/support/postgres-proxy.js';
import { startReplica, type Replica } from '../../../test/support/replica.js';
import { rowsOf } from '../../../test/support/sql.js';
import { testSettings } from '../../../test/support/settings.js';
import { Revocations } from './revocations.js';

let database: TestDatabase;
let proxy: PostgresProxy;
let replicas: Replica[];

beforeEach(async () => {
  database = await createTestDatabase();
  proxy = await PostgresProxy.start(database.ownerUrl);
  replicas = [];
});

afterEach(async () => {
  proxy.judge = () => 'pass';
  proxy.tcp.thaw();
  await proxy.close();
  for (const replica of replicas) await replica.stop();
  await database.drop();
});

/** A replica of which only the listener goes through the proxy. */
async function start(): Promise<Replica> {
  const replica = await startReplica(database.ownerUrl, { databaseDirectUrl: proxy.through(database.ownerUrl) });
  replicas.push(replica);
  return replica;
}

const notify = (payload: string): Promise<unknown> =>
  rowsOf(database.ownerUrl, "SELECT pg_notify('gatehouse_revoked', $1)", [payload]);

/** Ends every connection of the service, as an operator or a failing server does. */
const terminate = (): Promise<unknown> =>
  rowsOf(
    database.superuserUrl,
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'gatehouse'",
  );

describe('a listener', () => {
  it("receives every connection's revocations, with topic and tag", async () => {
    const { revocations } = await start();
    const heard: [string, string][] = [];
    revocations.onRevoked((topic, tag) => heard.push([topic, tag]));
    await notify('api-key:key_1');
    await notify('membership:org_1:user:with:colons');
    await eventually(() => heard.length === 2);
    expect(heard).toEqual([
      ['api-key', 'key_1'],
      ['membership', 'org_1:user:with:colons'],
    ]);
  });

  it('receives the same as every other replica', async () => {
    const heard: number[] = [];
    for (const index of [0, 1, 2])
      (await start()).revocations.onRevoked((topic) => topic === 'api-key' && heard.push(index));
    await notify('api-key:key_1');
    await eventually(() => heard.length === 3);
    expect(heard.sort()).toEqual([0, 1, 2]);
  });

  it('leaves no connection behind when it stops', async () => {
    const replica = await start();
    expect(proxy.tcp.connections).toBe(1);
    await replica.revocations.onApplicationShutdown();
    await eventually(() => proxy.tcp.connections === 0);
  });
});

describe('the cache may be used', () => {
  it('while heartbeats return, and no longer when the connection goes silent', async () => {
    const { revocations } = await start();
    expect(revocations.isFresh()).toBe(true);
    proxy.tcp.freeze();
    await eventually(() => !revocations.isFresh());
    proxy.tcp.thaw();
    await eventually(() => revocations.isFresh());
  });

  it.each(['to-client', 'to-server'] as const)('not when the connection is silent only %s', async (direction) => {
    const { revocations } = await start();
    proxy.tcp.freeze(direction);
    await eventually(() => !revocations.isFresh());
  });

  it('not while the connection is broken; and it is emptied before it is used again', async () => {
    const { revocations } = await start();
    let resets = 0;
    let freshAtReset: boolean | undefined;
    revocations.onReset(() => {
      resets += 1;
      freshAtReset = revocations.isFresh();
    });
    proxy.tcp.refuse(true);
    await terminate();
    await eventually(() => !revocations.isFresh());
    expect(resets).toBe(0);
    proxy.tcp.refuse(false);
    await eventually(() => revocations.isFresh());
    expect({ resets, freshAtReset }).toEqual({ resets: 1, freshAtReset: false });
  });

  it('again on a new connection where the old one never answers', async () => {
    const { revocations } = await start();
    proxy.tcp.abandon();
    await eventually(() => !revocations.isFresh());
    await eventually(() => revocations.isFresh());
    const heard: string[] = [];
    revocations.onRevoked((_topic, tag) => heard.push(tag));
    await notify('api-key:after');
    await eventually(() => heard.includes('after'));
  });

  it('again although the connection went silent just as it was reopened', async () => {
    const { revocations } = await start();
    let lost = 0;
    proxy.judge = ({ from, type }) => {
      if (lost > 0 || from !== 'client' || type === '' || type === 'p') return 'pass';
      lost += 1;
      return 'drop';
    };
    proxy.tcp.cut();
    await eventually(() => lost > 0);
    await eventually(() => revocations.isFresh());
  });

  it('not where notifications are lost although statements are answered', async () => {
    const { revocations } = await start();
    proxy.judge = ({ type }) => (type === 'A' ? 'drop' : 'pass');
    await eventually(() => !revocations.isFresh());
  });
});

describe('the start', () => {
  async function refusal(): Promise<string> {
    const settings = testSettings({
      databaseUrl: database.ownerUrl,
      databaseDirectUrl: proxy.through(database.ownerUrl),
    });
    const revocations = new Revocations(settings);
    const error: unknown = await revocations.start().then(
      () => null,
      (thrown: unknown) => thrown,
    );
    await revocations.onApplicationShutdown();
    expect(error).toBeInstanceOf(Error);
    await eventually(() => proxy.tcp.connections === 0);
    return (error as Error).message;
  }

  it('fails with one plain sentence that names the setting where no notification returns', async () => {
    proxy.judge = ({ type }) => (type === 'A' ? 'drop' : 'pass');
    expect(await refusal()).toMatch(/^[^\n]*DATABASE_DIRECT_URL[^\n]*\.$/);
  });

  it('fails where notifications arrive only with answers, as through a transaction pooler', async () => {
    proxy.judge = ({ type, idle }) => (type === 'A' && idle ? 'drop' : 'pass');
    expect(await refusal()).toContain('DATABASE_DIRECT_URL');
  });

  it('fails where the database does not answer', async () => {
    proxy.tcp.refuse(true);
    expect(await refusal()).not.toBe('');
  });
});
