import { createTestDatabase, type TestDatabase } from '../../../test/support/postgres.js';
import { startReplica, type Replica } from '../../../test/support/replica.js';
import { rowsOf } from '../../../test/support/sql.js';
import { RevocableCache } from './revocable-cache.js';

let database: TestDatabase;
let nodes: Replica[];

beforeEach(async () => {
  database = await createTestDatabase();
  nodes = [];
});

afterEach(async () => {
  for (const node of nodes) await node.stop();
  await database.drop();
});

describe('an entry with several topics', () => {
  interface Paired {
    readonly owner: string;
    readonly group: string;
  }

  async function startPaired(maxEntries = 100, bytes?: { most: number; of: (value: Paired) => number }) {
    const node = await startReplica(database.ownerUrl);
    nodes.push(node);
    let loads = 0;
    const cache = new RevocableCache<Paired, Paired>({
      revocations: node.revocations,
      maxEntries,
      ...(bytes === undefined ? {} : { bytes }),
      topics: { owner: ({ owner }) => owner, group: ({ group }) => group },
      load: (value) => {
        loads += 1;
        return Promise.resolve(value);
      },
    });
    /** The entries that are looked up again. */
    const loadedAgain = async (entries: readonly Paired[]): Promise<Paired[]> => {
      const again: Paired[] = [];
      for (const entry of entries) {
        const before = loads;
        await cache.get(`${entry.owner}/${entry.group}`, entry);
        if (loads > before) again.push(entry);
      }
      return again;
    };
    const notify = async (payload: string): Promise<void> => {
      await rowsOf(database.ownerUrl, "SELECT pg_notify('gatehouse_revoked', $1)", [payload]);
      await node.hearEverything();
    };
    return { loadedAgain, notify };
  }

  const [annX, annY, beaX] = [
    { owner: 'ann', group: 'x' },
    { owner: 'ann', group: 'y' },
    { owner: 'bea', group: 'x' },
  ];

  it('is dropped by each of them, with all that share the tag, and nothing else', async () => {
    const { loadedAgain, notify } = await startPaired();
    const all = [annX, annY, beaX];
    expect(await loadedAgain(all)).toEqual(all);
    await notify('owner:ann');
    expect(await loadedAgain(all)).toEqual([annX, annY]);
    await notify('group:x');
    expect(await loadedAgain(all)).toEqual([annX, beaX]);
    // The same tag of another topic is another tag; an unknown topic has no cache.
    for (const other of ['owner:x', 'group:ann', 'toString:ann', 'membership:ann']) await notify(other);
    expect(await loadedAgain(all)).toEqual([]);
  });

  it('is dropped whole: after one topic, the other no longer finds it', async () => {
    const { loadedAgain, notify } = await startPaired();
    await loadedAgain([annX]);
    await notify('owner:ann');
    expect(await loadedAgain([annX])).toEqual([annX]);
    await notify('group:x');
    expect(await loadedAgain([annX])).toEqual([annX]);
  });

  it('counts towards a limit of bytes of all entries; a larger one is not kept', async () => {
    const { loadedAgain, notify } = await startPaired(100, {
      most: 2,
      of: ({ owner }) => (owner === 'bea' ? 3 : 1),
    });
    expect(await loadedAgain([annX, annY, annX, annY])).toEqual([annX, annY]);
    expect(await loadedAgain([beaX, beaX])).toEqual([beaX, beaX]);
    const another = { owner: 'ann', group: 'z' };
    expect(await loadedAgain([another, annX])).toEqual([another, annX]);
    await notify('owner:bea');
    expect(await loadedAgain([annX])).toEqual([]);
  });
});
