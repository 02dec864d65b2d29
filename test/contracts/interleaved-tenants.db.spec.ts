/**
 * Two tenants on the same connections, interleaved, with failures among them. The tenant is a setting of the transaction, so no
 * connection carries it over. Prisma merges `findUnique` calls of one tick, and must find nothing to merge across tenants.
 */
import { Database, Prisma } from '../../src/platform/database/index.js';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';
import { testSettings } from '../support/settings.js';
import { rowsOf, seedTenant } from '../support/sql.js';

const KEYS_EACH = 20;

let postgres: TestDatabase;
let tenants: readonly Tenant[];

interface Tenant {
  readonly id: string;
  readonly keyIds: readonly string[];
}

beforeAll(async () => {
  postgres = await createTestDatabase();
  tenants = [await makeTenant(), await makeTenant()];
});

afterAll(() => postgres.drop());

async function makeTenant(): Promise<Tenant> {
  const { tenantId } = await seedTenant(postgres.superuserUrl);
  const rows = await rowsOf<{ id: string }>(
    postgres.superuserUrl,
    `INSERT INTO api_keys (id, tenant_id, type, name, key_prefix, hash, pepper_version, scopes, created_by)
     SELECT $1 || '-' || i, $1, 'SECRET', 'A key', 'sk_gh_', sha256(($1 || i)::bytea), 1, '{}', 'x'
     FROM generate_series(1, $2::int) AS i RETURNING id`,
    [tenantId, KEYS_EACH],
  );
  return { id: tenantId, keyIds: rows.map(({ id }) => id) };
}

const allKeys = (): Promise<object[]> => rowsOf(postgres.superuserUrl, 'SELECT * FROM api_keys ORDER BY id');

/** A random sequence that is the same in every run. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

class Rollback extends Error {}

/** The number of database queries, without BEGIN, COMMIT and ROLLBACK. */
let queries = 0;

/** One transaction of a tenant, in one of several ways; returns the rows that it must not have seen. */
async function turn(
  database: Database,
  own: Tenant,
  other: Tenant,
  pick: (below: number) => number,
): Promise<string[]> {
  const mine = own.keyIds[pick(KEYS_EACH)]!;
  const theirs = other.keyIds[pick(KEYS_EACH)]!;
  const manner = pick(9);
  const wrong: string[] = [];
  const expectTo = (what: string, holds: boolean): void => {
    if (!holds) wrong.push(`${own.id}: ${what}`);
  };
  const work = database.withTenant(own.id, async (tx) => {
    // The tenant's setting, the list, and the two look-ups.
    queries += 4;
    const [listed, batch] = await Promise.all([
      tx.apiKey.findMany({ select: { tenantId: true } }),
      // In one tick, in either order: Prisma merges such calls into one query.
      Promise.all(
        (manner % 2 === 0 ? [mine, theirs] : [theirs, mine]).map((id) =>
          tx.apiKey.findUnique({ where: { id }, select: { id: true, tenantId: true } }),
        ),
      ),
    ]);
    expectTo(
      'lists its own rows, all of them',
      listed.length === KEYS_EACH && listed.every(({ tenantId }) => tenantId === own.id),
    );
    const found = batch.map((key) => key?.id ?? null).toSorted((a, b) => Number(a === null) - Number(b === null));
    expectTo('finds its own row and not the other', found[0] === mine && found[1] === null);
    // A rollback discards settings anyway, so some transactions must commit.
    if (manner >= 6) return;
    queries += manner >= 1 && manner <= 4 ? 2 : 1;
    const changed = await tx.apiKey.updateMany({ where: { id: { in: [mine, theirs] } }, data: { name: own.id } });
    expectTo('changes its own row alone', changed.count === 1);
    if (manner === 1) await tx.$executeRaw`SELECT 1 / 0`;
    if (manner === 2) await tx.apiKey.create({ data: planted(other.id) });
    if (manner === 3) await tx.$executeRaw`SELECT pg_terminate_backend(NULL), no_such_column`;
    if (manner === 4) await tx.$executeRaw(Prisma.sql`SELECT set_config('app.tenant_id', ${own.id}, true)`);
    throw new Rollback();
  });
  await work.then(
    () => expectTo('rolls back', manner >= 6),
    (error: unknown) => {
      const byPostgres =
        error instanceof Prisma.PrismaClientKnownRequestError ||
        error instanceof Prisma.PrismaClientUnknownRequestError;
      if (manner >= 1 && manner <= 3 ? !byPostgres : !(error instanceof Rollback)) throw error;
    },
  );
  if (manner >= 5) {
    queries += 1;
    const [row] = await database.call<{ tenant: string | null; keys: number }>(
      { name: 'between', text: 'SELECT current_tenant_id() AS tenant, (SELECT count(*)::int FROM api_keys) AS keys' },
      [],
    );
    expectTo('leaves no tenant behind', row?.tenant === null && row.keys === 0);
  }
  return wrong;
}

const planted = (tenantId: string) => ({
  id: `planted-${Math.random()}`,
  tenantId,
  type: 'SECRET',
  name: 'x',
  keyPrefix: 'x',
  hash: new Uint8Array([1]),
  pepperVersion: 1,
  createdBy: 'x',
});

it.each([
  { connections: 1, turns: 2000, atOnce: 4 },
  { connections: 3, turns: 700, atOnce: 12 },
])(
  'no tenant ever sees or changes a row of the other tenant: $turns transactions on $connections connection(s)',
  async ({ connections, turns, atOnce }) => {
    const database = new Database(testSettings({ databaseUrl: postgres.ownerUrl, databasePoolSize: connections }));
    const before = await allKeys();
    const pick = numbers(connections);
    const wrong: string[] = [];
    let begun = 0;
    queries = 0;
    const worker = async (): Promise<void> => {
      while (begun < turns) {
        begun += 1;
        const [own, other] = pick(2) === 0 ? [tenants[0]!, tenants[1]!] : [tenants[1]!, tenants[0]!];
        wrong.push(...(await turn(database, own, other, pick)));
      }
    };
    try {
      await Promise.all(Array.from({ length: atOnce }, worker));
    } finally {
      await database.close();
    }
    expect(wrong).toEqual([]);
    if (connections === 1) expect(queries).toBeGreaterThanOrEqual(10_000);
    // Every turn that changed something was rolled back.
    expect(await allKeys()).toEqual(before);
  },
);

it('findUnique calls of two tenants in the same tick are never merged', async () => {
  const database = new Database(testSettings({ databaseUrl: postgres.ownerUrl, databasePoolSize: 2 }));
  const wrong: string[] = [];
  try {
    for (let round = 0; round < 100; round += 1) {
      const ids = tenants.map(({ keyIds }) => keyIds[round % KEYS_EACH]!);
      const barrier = meetingOf(2);
      // Both transactions are open; then both ask for the same two rows in one tick.
      const seen = await Promise.all(
        tenants.map(({ id: tenantId }) =>
          database.withTenant(tenantId, async (tx) => {
            await barrier();
            return Promise.all(ids.map((id) => tx.apiKey.findUnique({ where: { id }, select: { tenantId: true } })));
          }),
        ),
      );
      const expected = tenants.map(({ id: own }) => tenants.map(({ id }) => (id === own ? { tenantId: id } : null)));
      if (JSON.stringify(seen) !== JSON.stringify(expected)) wrong.push(`round ${round}: ${JSON.stringify(seen)}`);
    }
  } finally {
    await database.close();
  }
  expect(wrong).toEqual([]);
});

/** Resumes all of them in the tick in which the last one arrives. */
function meetingOf(count: number): () => Promise<void> {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  let arrived = 0;
  return () => {
    arrived += 1;
    if (arrived === count) open();
    return opened;
  };
}
