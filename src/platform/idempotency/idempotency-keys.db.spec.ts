import { createTestDatabase, type TestDatabase } from '../../../test/support/postgres.js';
import { testSettings } from '../../../test/support/settings.js';
import { rowsOf, seedTenant, type SeededTenant } from '../../../test/support/sql.js';
import { PepperRing } from '../crypto/index.js';
import { Database } from '../database/index.js';
import { Fault } from '../errors/index.js';
import { Jobs } from '../jobs/index.js';
import { IdempotencyKeys, type IdempotentAnswer } from './idempotency-keys.js';

let postgres: TestDatabase;
let database: Database;
let keys: IdempotencyKeys;
let tenant: SeededTenant;
let other: SeededTenant;

beforeAll(async () => {
  postgres = await createTestDatabase();
  database = new Database(testSettings({ databaseUrl: postgres.ownerUrl }));
  keys = new IdempotencyKeys(database, new PepperRing(testSettings({}).peppers), new Jobs());
  tenant = await seedTenant(postgres.superuserUrl);
  other = await seedTenant(postgres.superuserUrl);
});

afterAll(async () => {
  await database.close();
  await postgres.drop();
});

interface Sent {
  readonly owner?: string;
  readonly key: string | null;
  readonly message?: unknown;
  readonly route?: string;
  readonly seeded?: SeededTenant;
  /** The error of the work after it has written. */
  readonly fails?: Error;
}

/** A request that makes an invitation: real work that a repeat would do twice. */
function send({ owner = 'acme:user:ann', key, message = { a: 1 }, route = 'r', seeded = tenant, fails }: Sent) {
  const request = keys.request(owner, key, route, message);
  return database.withTenant(seeded.tenantId, (transaction) =>
    keys.once(transaction, request, seeded.tenantId, async () => {
      const id = Math.random().toString(36).slice(2);
      await transaction.$executeRawUnsafe(
        "INSERT INTO invitations (id, org_id, email, role, token_hash, invited_by, expires_at) VALUES ($1, $2, $3, 'viewer', $4, 'ann', now())",
        id,
        seeded.orgId,
        `${key ?? 'none'}@example.org`,
        new Uint8Array(Buffer.from(id)),
      );
      if (fails !== undefined) throw fails;
      return { body: { id, secret: 's3cret' }, kept: { id } };
    }),
  );
}

const made = async (key: string): Promise<number> =>
  (await rowsOf(postgres.superuserUrl, 'SELECT 1 FROM invitations WHERE email = $1', [`${key}@example.org`])).length;

it('a repeat does nothing, gets the same answer without its secret, and says so', async () => {
  const first = await send({ key: 'k1' });
  const repeat = await send({ key: 'k1' });
  expect(first).toMatchObject({ replayed: false, body: { secret: 's3cret' } });
  expect(repeat.replayed).toBe(true);
  expect(repeat.body).toEqual({ id: (first.body as { id: string }).id, notice: expect.stringContaining('repeats') });
  expect(await made('k1')).toBe(1);
  const [row] = await rowsOf<{ all: string }>(
    postgres.superuserUrl,
    "SELECT row_to_json(i)::text AS all FROM idempotency_keys i WHERE key = 'k1'",
  );
  expect(row?.all).not.toContain('s3cret');
});

it('stores no hash from which a reader of the table could guess a message', async () => {
  await send({ key: 'hashed', message: { human: 'ann@example.org' } });
  const [row] = await rowsOf<{ request_hash: Buffer }>(
    postgres.superuserUrl,
    "SELECT request_hash FROM idempotency_keys WHERE key = 'hashed'",
  );
  const hashUnder = (secret: string) =>
    new IdempotencyKeys(
      database,
      new PepperRing([{ version: 1, secret: Buffer.alloc(32, secret) }]),
      new Jobs(),
    ).request('o', 'k', 'r', { human: 'ann@example.org' })?.requestHash;
  expect(hashUnder('a')).not.toEqual(hashUnder('b'));
  expect(row?.request_hash).not.toEqual(hashUnder('a'));
});

it('recognises a repeat although a pepper was added meanwhile', async () => {
  await send({ key: 'rotated' });
  const [oldest] = testSettings({}).peppers.slice(-1);
  const ring = new PepperRing([{ version: 99, secret: Buffer.alloc(32, 'new') }, oldest!]);
  const after = new IdempotencyKeys(database, ring, new Jobs()).request('acme:user:ann', 'rotated', 'r', { a: 1 });
  expect(after?.requestHash).toEqual(keys.request('acme:user:ann', 'rotated', 'r', { a: 1 })?.requestHash);
});

it('of many simultaneous requests one does the work, and all get the same answer', async () => {
  const answers = await Promise.all(Array.from({ length: 20 }, () => send({ key: 'k2' })));
  expect(answers.filter(({ replayed }: IdempotentAnswer) => !replayed)).toHaveLength(1);
  expect(new Set(answers.map(({ body }) => (body as { id: string }).id)).size).toBe(1);
  expect(await made('k2')).toBe(1);
});

it('the same key for another message or another route is a conflict, and does nothing', async () => {
  await send({ key: 'k3' });
  for (const otherwise of [{ message: { a: 2 } }, { route: 'another' }]) {
    await expect(send({ key: 'k3', ...otherwise })).rejects.toMatchObject({
      kind: 'conflict',
      fields: [{ field: 'idempotency-key' }],
    });
  }
  expect(await made('k3')).toBe(1);
});

it("another principal's key of the same text is another key", async () => {
  await send({ key: 'k4' });
  expect((await send({ key: 'k4', owner: 'acme:user:bea' })).replayed).toBe(false);
  expect((await send({ key: 'k4', owner: 'other:user:ann', seeded: other })).replayed).toBe(false);
});

it('a request that failed leaves nothing, and may be sent again', async () => {
  await expect(send({ key: 'k5', fails: new Fault('conflict', 'No.') })).rejects.toMatchObject({ message: 'No.' });
  expect(await made('k5')).toBe(0);
  expect((await send({ key: 'k5' })).replayed).toBe(false);
});

it('without a key every request is new', async () => {
  expect((await send({ key: null })).replayed).toBe(false);
  expect((await send({ key: null })).replayed).toBe(false);
  expect(await made('none')).toBe(2);
});

it('a key is forgotten after a day, and not before', async () => {
  await send({ key: 'k6' });
  const age = (interval: string) =>
    rowsOf(postgres.superuserUrl, `UPDATE idempotency_keys SET created_at = now() - $1::interval WHERE key = 'k6'`, [
      interval,
    ]);
  await age('23 hours 59 minutes');
  await database.call({ name: 'p', text: 'SELECT prune_idempotency_keys()' }, []);
  expect((await send({ key: 'k6' })).replayed).toBe(true);
  await age('24 hours 1 minute');
  expect((await send({ key: 'k6', message: { another: true } })).replayed).toBe(false);
  await age('24 hours 1 minute');
  await database.call({ name: 'p', text: 'SELECT prune_idempotency_keys()' }, []);
  expect(await rowsOf(postgres.superuserUrl, "SELECT 1 FROM idempotency_keys WHERE key = 'k6'")).toEqual([]);
});
