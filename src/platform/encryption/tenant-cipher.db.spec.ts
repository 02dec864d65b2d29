import { createTestDatabase, type TestDatabase } from '../../../test/support/postgres.js';
import { startReplica, type Replica } from '../../../test/support/replica.js';
import { testPepper } from '../../../test/support/settings.js';
import { dump, rowsOf, seedTenant, type SeededTenant } from '../../../test/support/sql.js';
import { EncryptionKeyRing, EnvelopeError } from '../crypto/index.js';
import { logger } from '../logging/index.js';
import { DataKeyRewrap } from './data-key-rewrap.js';
import { TenantCipher } from './tenant-cipher.js';
import { TenantDataKeys } from './tenant-data-keys.js';

const OLD = testPepper(1);
const NEW = testPepper(2);
const PLACE = { table: 'llm_providers', rowId: 'row-1' };
const SECRET = 'sk-the-secret-itself';

let database: TestDatabase;
let here: Replica;
let there: Replica;
let acme: SeededTenant;
let globex: SeededTenant;

const sql = (text: string, values: unknown[] = []) => rowsOf(database.superuserUrl, text, values);

/** A process with an empty cache. */
const cipherOf = (replica: Replica, keys = [OLD]): TenantCipher =>
  new TenantCipher(
    new TenantDataKeys(replica.database, new EncryptionKeyRing(keys), replica.revocations, replica.settings),
  );

/** Why it could not be decrypted; null: it was. */
const failureOf = (opening: Promise<unknown>): Promise<string | null> =>
  opening.then(
    () => null,
    (error: unknown) => {
      if (!(error instanceof EnvelopeError)) throw error;
      expect(error.message).not.toContain(SECRET);
      return error.reason;
    },
  );

beforeAll(async () => {
  database = await createTestDatabase();
  here = await startReplica(database.ownerUrl);
  there = await startReplica(database.ownerUrl);
});

afterAll(async () => {
  await here.stop();
  await there.stop();
  await database.drop();
});

beforeEach(async () => {
  acme = await seedTenant(database.superuserUrl);
  globex = await seedTenant(database.superuserUrl);
});

it.each([0, 1, 16, 4096, 3_000_000])('returns the encrypted text on any replica: %s bytes', async (size) => {
  const text = Buffer.alloc(size, 'x');
  const encrypted = await cipherOf(here).encrypt(acme.tenantId, text, PLACE);
  expect(text.equals(await cipherOf(there).decrypt(acme.tenantId, encrypted, PLACE))).toBe(true);
});

it('lets other work run while it encrypts and decrypts a large value', async () => {
  const cipher = cipherOf(here);
  const value = { parts: Array.from({ length: 30 }, (_, index) => `${index}é`.repeat(500_000)) };
  await cipher.encrypt(acme.tenantId, SECRET, PLACE);
  let turns = 0;
  const count = (): void => {
    turns += 1;
    next = setImmediate(count);
  };
  let next = setImmediate(count);
  const encrypted = await cipher.encryptJson(acme.tenantId, value, PLACE);
  expect(turns).toBeGreaterThan(1);
  turns = 0;
  expect(await cipher.decryptJson(acme.tenantId, encrypted, PLACE)).toEqual(value);
  expect(turns).toBeGreaterThan(1);
  clearImmediate(next);
});

it('never makes the same ciphertext twice, and leaves neither text nor key in the database', async () => {
  const cipher = cipherOf(here);
  const [one, other] = [
    await cipher.encrypt(acme.tenantId, SECRET, PLACE),
    await cipher.encrypt(acme.tenantId, SECRET, PLACE),
  ];
  expect(one.subarray(17)).not.toEqual(other.subarray(17));
  expect(one.includes(SECRET)).toBe(false);
  const stored = await dump(database.superuserUrl);
  for (const clear of [SECRET, OLD.secret.toString('hex'), OLD.secret.toString('base64')])
    expect(stored).not.toContain(clear);
});

it('opens a ciphertext only at its own tenant, table and row', async () => {
  const cipher = cipherOf(here);
  const encrypted = await cipher.encrypt(acme.tenantId, SECRET, PLACE);
  // Gives the other tenant a key of its own.
  await cipher.encrypt(globex.tenantId, SECRET, PLACE);
  expect(await failureOf(cipher.decrypt(globex.tenantId, encrypted, PLACE))).toBe('damaged');
  expect(await failureOf(cipher.decrypt(acme.tenantId, encrypted, { ...PLACE, table: 'messages' }))).toBe('damaged');
  expect(await failureOf(cipher.decrypt(acme.tenantId, encrypted, { ...PLACE, rowId: 'row-2' }))).toBe('damaged');
  expect(await failureOf(cipher.decrypt(acme.tenantId, encrypted, PLACE))).toBeNull();
});

it("does not open another tenant's data key where its row was moved to the tenant", async () => {
  const encrypted = await cipherOf(here).encrypt(acme.tenantId, SECRET, PLACE);
  await sql('DELETE FROM tenant_data_keys WHERE tenant_id = $1', [globex.tenantId]);
  await sql('UPDATE tenant_data_keys SET tenant_id = $2 WHERE tenant_id = $1', [acme.tenantId, globex.tenantId]);
  expect(await failureOf(cipherOf(here).decrypt(globex.tenantId, encrypted, PLACE))).toBe('damaged');
  expect(await failureOf(cipherOf(here).decrypt(acme.tenantId, encrypted, PLACE))).toBe('unknown_key');
});

it('opens nothing with a changed bit, or that was cut or extended', async () => {
  const cipher = cipherOf(here);
  const encrypted = await cipher.encrypt(acme.tenantId, SECRET, PLACE);
  const opened: number[] = [];
  for (let at = 0; at < encrypted.length; at += 1) {
    for (const bit of [0x01, 0x80]) {
      const changed = Buffer.from(encrypted);
      changed[at]! ^= bit;
      if ((await failureOf(cipher.decrypt(acme.tenantId, changed, PLACE))) !== 'damaged') opened.push(at);
    }
  }
  expect(opened).toEqual([]);
  for (const length of [0, 1, 48, encrypted.length - 1]) {
    expect(await failureOf(cipher.decrypt(acme.tenantId, encrypted.subarray(0, length), PLACE))).toBe('damaged');
  }
  const longer = Buffer.concat([encrypted, Buffer.alloc(1)]);
  expect(await failureOf(cipher.decrypt(acme.tenantId, longer, PLACE))).toBe('damaged');
});

it('distinguishes a missing key of the operator from a damaged row', async () => {
  const encrypted = await cipherOf(here).encrypt(acme.tenantId, SECRET, PLACE);
  expect(await failureOf(cipherOf(here, [NEW]).decrypt(acme.tenantId, encrypted, PLACE))).toBe('unknown_key');
  expect((await cipherOf(here, [NEW, OLD]).decrypt(acme.tenantId, encrypted, PLACE)).toString()).toBe(SECRET);
  await sql(
    'UPDATE tenant_data_keys SET envelope = set_byte(envelope, 40, get_byte(envelope, 40) # 1) WHERE tenant_id = $1',
    [acme.tenantId],
  );
  expect(await failureOf(cipherOf(here).decrypt(acme.tenantId, encrypted, PLACE))).toBe('damaged');
});

it('gives a tenant one key, however many replicas begin at once', async () => {
  const ciphers = [here, there, here, there, here, there].map((replica) => cipherOf(replica));
  const encrypted = await Promise.all(ciphers.map((cipher) => cipher.encrypt(acme.tenantId, SECRET, PLACE)));
  expect(await sql('SELECT count(*)::int FROM tenant_data_keys WHERE tenant_id = $1', [acme.tenantId])).toEqual([
    { count: 1 },
  ]);
  for (const [index, cipher] of ciphers.entries()) {
    const theirs = encrypted[(index + 1) % encrypted.length]!;
    expect((await cipher.decrypt(acme.tenantId, theirs, PLACE)).toString()).toBe(SECRET);
  }
});

it('encrypts during an open transaction that protects the tenant from deletion', async () => {
  const cipher = cipherOf(here);
  const encrypted = await here.database.changeTenant(acme.tenantId, () => cipher.encrypt(acme.tenantId, SECRET, PLACE));
  expect((await cipher.decrypt(acme.tenantId, encrypted, PLACE)).toString()).toBe(SECRET);
});

it('makes no key for a deleted tenant, and drops the key of one that is deleted', async () => {
  const cipher = cipherOf(here);
  await expect(cipher.encrypt('no-such-tenant', SECRET, PLACE)).rejects.toMatchObject({ kind: 'permission_denied' });
  const encrypted = await cipher.encrypt(acme.tenantId, SECRET, PLACE);
  await sql('DELETE FROM tenants WHERE id = $1', [acme.tenantId]);
  await here.hearEverything();
  expect(await failureOf(cipher.decrypt(acme.tenantId, encrypted, PLACE))).toBe('unknown_key');
  await expect(cipher.encrypt(acme.tenantId, SECRET, PLACE)).rejects.toMatchObject({ kind: 'permission_denied' });
});

it('moves data keys to the newest encryption key, can be stopped half-way, and continues from there', async () => {
  await sql('DELETE FROM tenant_data_keys');
  const tenants = await Promise.all(Array.from({ length: 5 }, () => seedTenant(database.superuserUrl)));
  const texts = new Map<string, Buffer>();
  for (const { tenantId } of tenants) texts.set(tenantId, await cipherOf(here).encrypt(tenantId, SECRET, PLACE));
  const rewrap = new DataKeyRewrap(here.database, new EncryptionKeyRing([NEW, OLD]));
  const left = async (): Promise<number> =>
    (await sql('SELECT 1 FROM tenant_data_keys WHERE key_version <> $1', [NEW.version])).length;

  // It is stopped after the second key.
  const stopping = {
    checks: 0,
    get aborted() {
      return (this.checks += 1) > 2;
    },
  };
  expect(await rewrap.run(stopping as unknown as AbortSignal)).toEqual({ moved: 2, unreadable: 0 });
  expect(await left()).toBe(3);
  for (const [tenantId, text] of texts) {
    expect((await cipherOf(there, [NEW, OLD]).decrypt(tenantId, text, PLACE)).toString()).toBe(SECRET);
  }

  // An unreadable key does not block the others.
  await sql(
    'UPDATE tenant_data_keys SET envelope = set_byte(envelope, 40, get_byte(envelope, 40) # 1) WHERE tenant_id = (SELECT max(tenant_id) FROM tenant_data_keys WHERE key_version <> $1)',
    [NEW.version],
  );
  logger.level = 'silent';
  expect(await rewrap.run(new AbortController().signal)).toEqual({ moved: 2, unreadable: 1 });
  expect(await left()).toBe(1);
  const opened = await Promise.all(
    [...texts].map(([tenantId, text]) => failureOf(cipherOf(there, [NEW]).decrypt(tenantId, text, PLACE))),
  );
  expect(opened.sort()).toEqual([null, null, null, null, 'unknown_key']);
});
