import { randomUUID } from 'node:crypto';
import { eventually } from '../../../test/support/eventually.js';
import { createTestDatabase, type TestDatabase } from '../../../test/support/postgres.js';
import { rowsOf, seedKeyAndCall, seedTenant, type SeededTenant } from '../../../test/support/sql.js';
import { testSettings } from '../../../test/support/settings.js';
import { Fault } from '../errors/index.js';
import { Database, type TenantTransaction } from './database.js';

let test: TestDatabase;
let database: Database;
let acme: SeededTenant;
let globex: SeededTenant;

beforeAll(async () => {
  test = await createTestDatabase();
  database = new Database(testSettings({ databaseUrl: test.ownerUrl }));
  acme = await seedTenant(test.superuserUrl);
  globex = await seedTenant(test.superuserUrl);
  for (const tenant of [acme, globex]) await seedKeyAndCall(test.superuserUrl, tenant);
});

afterAll(async () => {
  await database.close();
  await test.drop();
});

const once = (text: string): { name: string; text: string } => ({ name: `spec-${text.slice(0, 40)}`, text });
const TENANT_TABLES = ['users', 'orgs', 'tenants', 'memberships', 'api_keys', 'usage_records'];

describe('outside a tenant', () => {
  it.each(TENANT_TABLES)('no row of %s is seen', async (table) => {
    expect(await rowsOf(test.superuserUrl, `SELECT 1 FROM ${table}`)).not.toEqual([]);
    expect(await database.call(once(`SELECT * FROM ${table}`), [])).toEqual([]);
  });

  it.each(['', ' ', "' OR true --", '%'])('an empty or odd tenant is refused: %j', async (tenantId) => {
    const seen = await database.withTenant(tenantId, (tx) => tx.$queryRawUnsafe('SELECT * FROM api_keys'));
    expect(seen).toEqual([]);
  });

  it('no row is written', async () => {
    await expect(
      database.call(
        once(`INSERT INTO api_keys (id, tenant_id, type, name, key_prefix, hash, pepper_version, scopes, created_by)
              VALUES ('k', $1, 'SECRET', 'n', 'p', '\\x00', 1, '{}', 'me')`),
        [acme.tenantId],
      ),
    ).rejects.toMatchObject({ code: '42501' });
  });
});

describe('inside a tenant', () => {
  it('shows only its own rows, and its own org and people', async () => {
    for (const { tenantId, orgId, ownerId } of [acme, globex]) {
      const seen = await database.withTenant(tenantId, async (tx) => [
        (await tx.apiKey.findMany()).map((row) => row.tenantId),
        (await tx.usageRecord.findMany()).map((row) => row.tenantId),
        (await tx.tenant.findMany()).map((row) => row.id),
        (await tx.org.findMany()).map((row) => row.id),
        (await tx.membership.findMany()).map((row) => row.userId),
        (await tx.user.findMany()).map((row) => row.id),
      ]);
      expect(seen).toEqual([[tenantId], [tenantId], [tenantId], [orgId], [ownerId], [ownerId]]);
    }
  });

  it('stays inside it, however many tenants ask for the same row at the same moment', async () => {
    const answers = await Promise.all(
      Array.from({ length: 24 }, async (_, index) => {
        const { tenantId } = index % 2 === 0 ? acme : globex;
        const id = `key-of-${tenantId}`;
        const [own, others] = await database.withTenant(tenantId, (tx) =>
          Promise.all([
            tx.apiKey.findUnique({ where: { id } }),
            tx.apiKey.findUnique({ where: { id: `key-of-${index % 2 === 0 ? globex.tenantId : acme.tenantId}` } }),
          ]),
        );
        return own?.tenantId === tenantId && others === null;
      }),
    );
    expect(answers).toEqual(Array.from({ length: 24 }, () => true));
  });

  it('ends with the transaction: the same connection sees nothing after it, committed or not', async () => {
    await database.withTenant(acme.tenantId, (tx) => tx.apiKey.findMany());
    await database.withTenant(acme.tenantId, () => Promise.reject(new Error('rolled back'))).catch(() => undefined);
    const seen = await Promise.all(Array.from({ length: 20 }, () => database.call(once('SELECT * FROM api_keys'), [])));
    expect(seen.flat()).toEqual([]);
  });

  it('no row of another tenant is written, changed or moved there', async () => {
    const into = (tenantId: string) =>
      database.withTenant(acme.tenantId, (tx) =>
        tx.apiKey.create({
          data: {
            id: 'k',
            tenantId,
            type: 'SECRET',
            name: 'n',
            keyPrefix: 'p',
            hash: new Uint8Array(1),
            pepperVersion: 1,
            scopes: [],
            createdBy: 'me',
          },
        }),
      );
    await expect(into(globex.tenantId)).rejects.toThrow();
    const changed = await database.withTenant(acme.tenantId, (tx) =>
      tx.apiKey.updateMany({ where: { id: `key-of-${globex.tenantId}` }, data: { name: 'mine' } }),
    );
    expect(changed.count).toBe(0);
    await expect(
      database.withTenant(acme.tenantId, (tx) => tx.apiKey.updateMany({ data: { tenantId: globex.tenantId } })),
    ).rejects.toThrow();
    expect(await rowsOf(test.superuserUrl, "SELECT 1 FROM api_keys WHERE name = 'mine' OR id = 'k'")).toEqual([]);
  });
});

describe('a tenant that was deleted while a request was on its way', () => {
  it.each([
    ['by the client', (tenantId: string) => insertKey(tenantId)],
    ['by a function', (tenantId: string) => claimIdempotencyKey(tenantId)],
  ])('gets no row, and the request is refused instead of failing: %s', async (_how, write) => {
    const gone = 'tenant-that-is-gone';
    const refused = database.withTenant(gone, write(gone));
    await expect(refused).rejects.toMatchObject({ kind: 'permission_denied' });
  });

  const insertKey = (tenantId: string) => (tx: TenantTransaction) =>
    tx.apiKey.create({
      data: {
        id: randomUUID(),
        tenantId,
        type: 'SECRET',
        name: 'key',
        keyPrefix: 'sk_gh_',
        hash: new Uint8Array([1, 2, 3]),
        pepperVersion: 1,
        scopes: [],
        allowedOrigins: [],
        createdBy: 'ann',
      },
    });
  const claimIdempotencyKey = (tenantId: string) => (tx: TenantTransaction) =>
    tx.$queryRawUnsafe(`SELECT * FROM claim_idempotency_key('o', 'k', $1, '')`, tenantId);
});

describe('an error of a statement', () => {
  it('stays an error of the statement, since a retry would not help', async () => {
    await expect(database.call(once('SELECT 1 / 0'), [])).rejects.toMatchObject({ code: '22012' });
    const fault = new Fault('conflict', 'mine');
    await expect(database.withTenant(acme.tenantId, () => Promise.reject(fault))).rejects.toBe(fault);
  });

  it("is never taken for an outage because of a caller's text in it", async () => {
    const text = "SELECT 'Connection terminated'::int";
    await expect(database.call(once(text), [])).rejects.not.toBeInstanceOf(Fault);
  });

  it('whose function was made anew by a newer release is sent once more', async () => {
    // What Postgres says between the statement's plan and its call. A sequence counts the tries, since it rolls nothing back.
    await rowsOf(
      test.superuserUrl,
      `CREATE SEQUENCE tries;
       CREATE FUNCTION made_anew() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS $$
       BEGIN
         IF nextval('tries') < 2 THEN
           RAISE EXCEPTION 'cache lookup failed for function 17343' USING ERRCODE = 'XX000';
         END IF;
         RETURN currval('tries');
       END $$`,
    );
    expect(await database.call(once('SELECT made_anew() AS tries'), [])).toEqual([{ tries: '2' }]);
  });
});

it('statements of calls have connections of their own, and continue while others use all the rest', async () => {
  const narrow = new Database(testSettings({ databaseUrl: test.ownerUrl, databasePoolSize: 2 }));
  let end: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => (end = resolve));
  let open = 0;
  const held = [acme, globex].map(({ tenantId }) =>
    narrow.withTenant(tenantId, async (tx) => {
      await tx.$queryRawUnsafe('SELECT 1');
      open += 1;
      await ended;
    }),
  );
  try {
    await eventually(() => open === 2);
    await Promise.all(Array.from({ length: 20 }, () => narrow.ping()));
    expect(narrow.turns).toMatchObject({ taken: 2, most: 2 });
  } finally {
    end();
    await Promise.all(held);
    await narrow.close();
  }
});
