import { eventually, watch } from '../../../test/support/eventually.js';
import { createTestDatabase, type TestDatabase } from '../../../test/support/postgres.js';
import { PostgresProxy } from '../../../test/support/postgres-proxy.js';
import { startReplica, type Replica } from '../../../test/support/replica.js';
import { rowsOf, seedTenant, type SeededTenant } from '../../../test/support/sql.js';
import { RevocableCache } from './revocable-cache.js';

const FIND = { name: 'find_membership', text: 'SELECT * FROM find_membership($1, $2)' };

interface Member {
  readonly tag: string;
  readonly role: string;
}

interface Node extends Replica {
  readonly cache: RevocableCache<Member, SeededTenant>;
  find(tenant?: SeededTenant): Promise<string | null>;
  /** Between this replica's pool and Postgres. */
  readonly pool: PostgresProxy;
  /** Between this replica's listener and Postgres. */
  readonly listener: PostgresProxy;
}

let database: TestDatabase;
let tenant: SeededTenant;
let nodes: Node[];

beforeEach(async () => {
  database = await createTestDatabase();
  tenant = await seedTenant(database.superuserUrl);
  nodes = [];
});

afterEach(async () => {
  for (const node of nodes) {
    for (const proxy of [node.pool, node.listener]) proxy.tcp.thaw();
    await node.stop();
    for (const proxy of [node.pool, node.listener]) await proxy.close();
  }
  await database.drop();
});

async function start(maxEntries = 100): Promise<Node> {
  const pool = await PostgresProxy.start(database.ownerUrl);
  const listener = await PostgresProxy.start(database.ownerUrl);
  const replica = await startReplica(database.ownerUrl, {
    databaseUrl: pool.through(database.ownerUrl),
    databaseDirectUrl: listener.through(database.ownerUrl),
  });
  const cache = new RevocableCache<Member, SeededTenant>({
    revocations: replica.revocations,
    maxEntries,
    topics: { membership: ({ tag }) => tag },
    load: async ({ tenantId, ownerId }) => {
      const [row] = await replica.database.call<{ org_id: string; role: string }>(FIND, [tenantId, ownerId]);
      return row === undefined ? null : { tag: `${row.org_id}:${ownerId}`, role: row.role };
    },
  });
  const find = async (of = tenant): Promise<string | null> =>
    (await cache.get(`${of.tenantId}/${of.ownerId}`, of))?.role ?? null;
  const node = { ...replica, cache, find, pool, listener };
  nodes.push(node);
  return node;
}

/** From now on Postgres answers the node's look-ups, and the answers are held back. */
async function holdAnswers(node: Node): Promise<void> {
  await Promise.all(Array.from({ length: 4 }, () => node.database.ping()));
  node.pool.statements = 0;
  node.pool.tcp.freeze('to-client');
}

/** Resolves once Postgres has answered this many look-ups, received or not. */
async function answered(count: number): Promise<void> {
  const ACTIVITY =
    "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%find_membership($1%' AND state = 'idle'";
  await eventually(async () => (await rowsOf(database.superuserUrl, ACTIVITY)).length === count);
}

const setRole = (role: string, of = tenant): Promise<unknown> =>
  rowsOf(database.superuserUrl, 'UPDATE memberships SET role = $1 WHERE user_id = $2', [role, of.ownerId]);
const remove = (of = tenant): Promise<unknown> =>
  rowsOf(database.superuserUrl, 'DELETE FROM memberships WHERE user_id = $1', [of.ownerId]);

/** The number of statements that the node's pool sent during `work`. */
async function statements(node: Node, work: () => Promise<unknown>): Promise<number> {
  const before = node.pool.statements;
  await work();
  return node.pool.statements - before;
}

describe('a look-up', () => {
  it('costs one query the first time and none afterwards', async () => {
    const node = await start();
    expect(await statements(node, () => node.find())).toBe(1);
    const warm = await statements(node, async () => {
      for (let i = 0; i < 200; i += 1) expect(await node.find()).toBe('owner');
    });
    expect(warm).toBe(0);
  });

  it('by many at once costs one query', async () => {
    const node = await start();
    const cold = await statements(node, async () => {
      expect(new Set(await Promise.all(Array.from({ length: 100 }, () => node.find())))).toEqual(new Set(['owner']));
    });
    expect(cold).toBe(1);
  });

  it('that finds nothing is not cached, so that new data is seen at once', async () => {
    const node = await start();
    await remove();
    expect(await node.find()).toBeNull();
    await rowsOf(database.superuserUrl, "INSERT INTO memberships (org_id, user_id, role) VALUES ($1, $2, 'viewer')", [
      tenant.orgId,
      tenant.ownerId,
    ]);
    expect(await node.find()).toBe('viewer');
  });

  it('that fails is not cached, and fails with its own error', async () => {
    const node = await start();
    node.pool.tcp.refuse(true);
    node.pool.tcp.cut();
    await expect(node.find()).rejects.toMatchObject({ kind: 'unavailable' });
    node.pool.tcp.refuse(false);
    expect(await node.find()).toBe('owner');
  });

  it('caches a bounded number, and drops what was used longest ago', async () => {
    const node = await start(2);
    const [second, third] = [await seedTenant(database.superuserUrl), await seedTenant(database.superuserUrl)];
    for (const one of [tenant, second, tenant, third]) await node.find(one);
    expect(await statements(node, () => Promise.all([node.find(tenant), node.find(third)]))).toBe(0);
    expect(await statements(node, () => node.find(second))).toBe(1);
  });
});

describe('a revoked entry', () => {
  it('is refused by every replica that cached it, once the notification arrives', async () => {
    const replicas = [await start(), await start()];
    for (const node of replicas) expect(await node.find()).toBe('owner');
    await setRole('viewer');
    for (const node of replicas) {
      await node.hearEverything();
      expect(await node.find()).toBe('viewer');
    }
    await remove();
    for (const node of replicas) {
      await node.hearEverything();
      expect(await node.find()).toBeNull();
    }
  });

  it('does not affect other entries', async () => {
    const node = await start();
    const other = await seedTenant(database.superuserUrl);
    await node.find();
    await node.find(other);
    await remove();
    await node.hearEverything();
    expect(await statements(node, () => node.find(other))).toBe(0);
  });

  it('is not restored by a look-up that read it before, nor returned to later callers', async () => {
    const node = await start();
    await holdAnswers(node);
    const early = watch(node.find());
    await answered(1);
    await remove();
    await node.hearEverything();
    const late = watch(node.find());
    await answered(2);
    node.pool.tcp.thaw();
    await eventually(() => early.ending !== undefined && late.ending !== undefined);
    // Callers before the revocation may get either; later ones may not.
    expect(early.ending).toEqual({ value: 'owner' });
    expect(late.ending).toEqual({ value: null });
    expect(await node.find()).toBeNull();
  });

  it('elsewhere changes no answer of an open look-up', async () => {
    const node = await start();
    const other = await seedTenant(database.superuserUrl);
    await holdAnswers(node);
    const early = watch(node.find());
    await answered(1);
    await remove(other);
    await node.hearEverything();
    node.pool.tcp.thaw();
    await eventually(() => early.ending !== undefined);
    expect(early.ending).toEqual({ value: 'owner' });
    expect(await node.find()).toBe('owner');
  });

  it('while the listener is cut off is refused at once, and after it is back', async () => {
    const node = await start();
    expect(await node.find()).toBe('owner');
    node.listener.tcp.refuse(true);
    await rowsOf(
      database.superuserUrl,
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_notify%' AND pid <> pg_backend_pid()",
    );
    await eventually(() => !node.revocations.isFresh());
    await remove();
    expect(await node.find()).toBeNull();
    node.listener.tcp.refuse(false);
    await eventually(() => node.revocations.isFresh());
    expect(await node.find()).toBeNull();
  });

  it('while the listener was cut off is dropped although no caller looked meanwhile', async () => {
    const node = await start();
    expect(await node.find()).toBe('owner');
    node.listener.tcp.refuse(true);
    node.listener.tcp.cut();
    await eventually(() => !node.revocations.isFresh());
    await remove();
    node.listener.tcp.refuse(false);
    await eventually(() => node.revocations.isFresh());
    expect(await node.find()).toBeNull();
  });

  it('while the listener is silent is refused as soon as the silence is noticed, and after it works again', async () => {
    const node = await start();
    expect(await node.find()).toBe('owner');
    node.listener.tcp.freeze();
    await remove();
    await eventually(async () => (await node.find()) === null);
    node.listener.tcp.thaw();
    await eventually(() => node.revocations.isFresh());
    expect(await node.find()).toBeNull();
  });

  it('during a look-up that outlasts the loss of the listener is not restored', async () => {
    const node = await start();
    await holdAnswers(node);
    const early = watch(node.find());
    await answered(1);
    node.listener.tcp.refuse(true);
    node.listener.tcp.cut();
    await eventually(() => !node.revocations.isFresh());
    await remove();
    node.listener.tcp.refuse(false);
    await eventually(() => node.revocations.isFresh());
    node.pool.tcp.thaw();
    await eventually(() => early.ending !== undefined);
    expect(await node.find()).toBeNull();
  });
});

describe('while the listener is out of touch', () => {
  it('many look-ups of one key cost two queries, so that no other key waits for them', async () => {
    const node = await start();
    await node.find();
    node.listener.tcp.freeze();
    await eventually(() => !node.revocations.isFresh());
    const many = (): Promise<unknown> => Promise.all(Array.from({ length: 200 }, () => node.find()));
    expect(await statements(node, many)).toBe(2);
    expect(await statements(node, many)).toBe(2);
  });

  it('every look-up asks the database and none is cached', async () => {
    const node = await start();
    node.listener.tcp.freeze();
    await eventually(() => !node.revocations.isFresh());
    const cost = await statements(node, async () => {
      for (const role of ['viewer', 'admin', 'developer']) {
        await setRole(role);
        expect(await node.find()).toBe(role);
      }
    });
    expect(cost).toBe(3);
  });
});
