import { eventually } from '../../test/support/eventually.js';
import { createTestDatabase, type TestDatabase } from '../../test/support/postgres.js';
import { person, startKeysNode, type KeysNode } from '../../test/support/keys-node.js';
import { dump, rowsOf, seedTenant, type SeededTenant } from '../../test/support/sql.js';
import { testPepper } from '../../test/support/settings.js';
import type { Role } from '../identity/index.js';
import { Fault } from '../platform/errors/index.js';

const [OLD, NEW] = [testPepper(1), testPepper(2)];
const TYPES = ['SECRET', 'PUBLISHABLE'] as const;
type Type = (typeof TYPES)[number];

let database: TestDatabase;
let here: KeysNode;
let there: KeysNode;
let acme: SeededTenant;

beforeAll(async () => {
  database = await createTestDatabase();
  here = await startKeysNode(database.ownerUrl, { peppers: [OLD] });
  there = await startKeysNode(database.ownerUrl, { peppers: [OLD] });
});

afterAll(async () => {
  await here.stop();
  await there.stop();
  await database.drop();
});

beforeEach(async () => {
  acme = await seedTenant(database.superuserUrl);
  here.told.length = 0;
});

const make = (type: Type = 'SECRET') =>
  type === 'SECRET' ? here.create(person(acme), {}) : here.createPublishable(person(acme), {});
const rotate = (keyId: string, gracePeriodSeconds = 0, role: Role = 'owner') =>
  here.rotate(person(acme, role), { keyId, gracePeriodSeconds });

async function holderOf(on: KeysNode, key: string): Promise<string | null> {
  try {
    const { directory } = on;
    return (await (key.startsWith('pk_') ? directory.authenticatePublishable(key) : directory.authenticate(key))).keyId;
  } catch (error) {
    expect(error).toMatchObject({ kind: 'unauthenticated', code: 'invalid_credential' });
    return null;
  }
}

async function refusal(work: Promise<unknown>): Promise<Fault> {
  const error: unknown = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(Fault);
  return error as Fault;
}

const retired = (keyId: string): Promise<{ expires_at: Date }[]> =>
  rowsOf(database.superuserUrl, 'SELECT * FROM api_key_retired_secrets WHERE key_id = $1 ORDER BY expires_at', [keyId]);

const databaseNow = async (): Promise<number> => {
  const [row] = await rowsOf<{ now: Date }>(database.superuserUrl, 'SELECT clock_timestamp() AS now');
  return row?.now.getTime() ?? Number.NaN;
};

// When an old secret ends, on every process, test/http/keys/revocation.spec.ts proves.
describe.each(TYPES)('a rotated key (%s)', (type) => {
  it('keeps its id and all but its secret, of which only a hash is stored', async () => {
    const { record, key } = await make(type);
    const rotated = await rotate(record.id, 60);
    const rotatedAt = expect.any(Date) as Date;
    expect(rotated.record).toEqual({ ...record, rotatedAt, keyPrefix: rotated.key.slice(0, 12) });
    expect(rotated.key.slice(0, 3)).toBe(key.slice(0, 3));
    expect(rotated.key).not.toBe(key);
    expect([await holderOf(here, key), await holderOf(here, rotated.key)]).toEqual([record.id, record.id]);
    const everything = await dump(database.superuserUrl);
    for (const secret of [key, rotated.key]) expect(everything).not.toContain(secret.slice(12));
  });
});

describe('several rotations', () => {
  it('leave each old secret its own end', async () => {
    const { record, key: first } = await make();
    const { key: second, previousEndsAt: endOfFirst } = await rotate(record.id, 3600);
    const { key: third, previousEndsAt: endOfSecond } = await rotate(record.id, 60);
    const { key: fourth } = await rotate(record.id);
    await here.hearEverything();
    const holders = [];
    for (const key of [first, second, third, fourth]) holders.push(await holderOf(here, key));
    expect(holders).toEqual([record.id, record.id, null, record.id]);
    expect((await retired(record.id)).map(({ expires_at: at }) => at)).toEqual([endOfSecond, endOfFirst]);
  });

  it('at once leave as many secrets as there were, each told to one', async () => {
    const { record, key } = await make();
    const rotated = await Promise.all(Array.from({ length: 5 }, () => rotate(record.id, 60)));
    const keys = [key, ...rotated.map((one) => one.key)];
    expect(new Set(keys).size).toBe(6);
    for (const one of keys) expect(await holderOf(there, one)).toBe(record.id);
    expect(await retired(record.id)).toHaveLength(5);
  });

  it('take away what is over', async () => {
    const { record } = await make();
    await rotate(record.id, 60);
    await rowsOf(database.superuserUrl, "UPDATE api_key_retired_secrets SET expires_at = now() - interval '1 second'");
    await rotate(record.id, 60);
    expect(await retired(record.id)).toHaveLength(1);
  });
});

describe('an old secret', () => {
  it('ends with its key, if that comes before the end of its grace', async () => {
    const expiresAt = new Date(here.service.now().getTime() + 1500);
    const { record, key } = await here.create(person(acme), { expiresAt });
    const { previousEndsAt } = await rotate(record.id, 3600);
    expect(previousEndsAt).toEqual(expiresAt);
    expect(await holderOf(here, key)).toBe(record.id);
    await eventually(async () => (await holderOf(here, key)) === null);
    expect(await databaseNow()).toBeGreaterThanOrEqual(expiresAt.getTime() - 50);
  });

  it('is revoked with its key, on every replica, and leaves nothing', async () => {
    const { record, key } = await make();
    const { key: fresh } = await rotate(record.id, 3600);
    for (const on of [here, there]) for (const one of [key, fresh]) expect(await holderOf(on, one)).toBe(record.id);
    await there.service.revoke(person(acme), record.id);
    for (const on of [here, there]) {
      await on.hearEverything();
      for (const one of [key, fresh]) expect(await holderOf(on, one)).toBeNull();
    }
    expect(await retired(record.id)).toEqual([]);
  });

  it('has the scopes that its key has now', async () => {
    const { record, key } = await make();
    await rotate(record.id, 3600);
    await here.directory.authenticate(key);
    await here.service.update(person(acme), { keyId: record.id, permissions: ['usage:read'] });
    await here.hearEverything();
    expect((await here.directory.authenticate(key)).scopes).toEqual(new Set(['usage:read']));
  });

  it('moves to a new pepper as it is used; then the old one can go', async () => {
    const { record, key } = await make();
    const { key: fresh } = await rotate(record.id, 3600);
    const during = await startKeysNode(database.ownerUrl, { peppers: [NEW, OLD] });
    const after = await startKeysNode(database.ownerUrl, { peppers: [NEW] });
    try {
      for (const one of [key, fresh]) expect(await holderOf(during, one)).toBe(record.id);
      await eventually(async () => {
        for (const one of [key, fresh]) expect(await holderOf(after, one)).toBe(record.id);
      });
    } finally {
      await during.stop();
      await after.stop();
    }
  });
});

describe('a rotation is refused', () => {
  async function expectUntouched(keyId: string, key: string): Promise<void> {
    expect(await holderOf(here, key)).toBe(keyId);
    expect(await retired(keyId)).toEqual([]);
    expect(here.told.filter(({ action }) => action === 'key.rotated')).toEqual([]);
  }

  it('to who lacks a scope that the key has', async () => {
    const { record, key } = await here.create(person(acme), { permissions: ['chat:write', 'users:impersonate'] });
    expect(await refusal(rotate(record.id, 60, 'developer'))).toMatchObject({
      kind: 'permission_denied',
      fields: [{ field: 'keyId', reason: expect.stringContaining('users:impersonate') as string }],
    });
    await expectUntouched(record.id, key);
    await rotate(record.id, 60, 'admin');
  });

  it('of a key of another tenant, as of one that never was', async () => {
    const { record, key } = await make();
    const stranger = person(await seedTenant(database.superuserUrl));
    const theirs = await refusal(here.rotate(stranger, { keyId: record.id }));
    const missing = await refusal(here.rotate(stranger, { keyId: 'key_missing' }));
    expect(theirs.kind).toBe('not_found');
    expect({ ...theirs, message: theirs.message }).toEqual({ ...missing, message: missing.message });
    await expectUntouched(record.id, key);
  });

  it('of a revoked key, and of an expired one', async () => {
    const revoked = await make();
    await here.service.revoke(person(acme), revoked.record.id);
    const expired = await make();
    await rowsOf(database.superuserUrl, 'UPDATE api_keys SET expires_at = now() WHERE id = $1', [expired.record.id]);
    for (const { record, key } of [revoked, expired]) {
      await here.hearEverything();
      expect((await refusal(rotate(record.id, 60))).kind).toBe('conflict');
      expect(await holderOf(here, key)).toBeNull();
      expect(await retired(record.id)).toEqual([]);
    }
  });
});

it('a rotation is told, without its secrets', async () => {
  const { record, key } = await make();
  here.told.length = 0;
  const { key: fresh } = await rotate(record.id, 60);
  expect(here.told).toEqual([
    {
      action: 'key.rotated',
      actor: { type: 'user', id: acme.ownerId },
      tenantId: acme.tenantId,
      resource: { type: 'key', id: record.id },
      details: { gracePeriodSeconds: 60 },
    },
  ]);
  for (const secret of [key, fresh]) expect(JSON.stringify(here.told)).not.toContain(secret.slice(12));
});

it('a rotation that can’t be announced to the replicas did not happen', async () => {
  const { record, key } = await make();
  const silenced = new Error('The log is full.');
  let deaf = true;
  here.events.subscribe(({ action }) =>
    deaf && action === 'key.rotated' ? Promise.reject(silenced) : Promise.resolve(),
  );
  await expect(rotate(record.id, 60)).rejects.toBe(silenced);
  deaf = false;
  expect(await holderOf(here, key)).toBe(record.id);
  expect(await retired(record.id)).toEqual([]);
});
