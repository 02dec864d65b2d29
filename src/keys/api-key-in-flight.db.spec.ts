import { eventually } from '../../test/support/eventually.js';
import { createTestDatabase, type TestDatabase } from '../../test/support/postgres.js';
import { person, startKeysNode, type KeysNode } from '../../test/support/keys-node.js';
import { rowsOf, seedTenant, type SeededTenant } from '../../test/support/sql.js';

let database: TestDatabase;
let here: KeysNode;
let there: KeysNode;
let acme: SeededTenant;

beforeAll(async () => {
  database = await createTestDatabase();
  here = await startKeysNode(database.ownerUrl);
  there = await startKeysNode(database.ownerUrl);
  acme = await seedTenant(database.superuserUrl);
});

afterAll(async () => {
  here.proxy.tcp.thaw();
  await here.stop();
  await there.stop();
  await database.drop();
});

const TYPES = ['SECRET', 'PUBLISHABLE'] as const;

/** Actions on another replica that end a secret. */
const ENDINGS: Readonly<Record<string, (keyId: string) => Promise<unknown>>> = {
  revoked: (keyId) => there.service.revoke(person(acme), keyId),
  'rotated without a grace': (keyId) => there.rotate(person(acme), { keyId }),
  expired: (keyId) =>
    rowsOf(database.superuserUrl, 'UPDATE api_keys SET expires_at = clock_timestamp() WHERE id = $1', [keyId]),
  deleted: (keyId) => rowsOf(database.superuserUrl, 'DELETE FROM api_keys WHERE id = $1', [keyId]),
};

const accepts = (key: string): Promise<boolean> => {
  const { directory } = here;
  const found = key.startsWith('pk_') ? directory.authenticatePublishable(key) : directory.authenticate(key);
  return found.then(
    () => true,
    (error: unknown) => {
      expect(error).toMatchObject({ kind: 'unauthenticated' });
      return false;
    },
  );
};

/** Resolves once the database has answered a look-up that began after this moment, even if the answer was lost. */
async function lookedUpSince(moment: Date): Promise<void> {
  await eventually(async () => {
    const answered = await rowsOf(
      database.superuserUrl,
      `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query ~ 'find_api_key' AND state = 'idle'
       AND pid <> pg_backend_pid() AND query_start > $1`,
      [moment],
    );
    return answered.length > 0;
  });
}

const now = async (): Promise<Date> =>
  (await rowsOf<{ now: Date }>(database.superuserUrl, 'SELECT clock_timestamp() AS now'))[0]?.now ?? new Date(NaN);

it.each(Object.keys(ENDINGS).flatMap((what) => TYPES.map((type) => [what, type] as const)))(
  'a key that is %s (%s) while it is being looked up is not cached as valid',
  async (what, type) => {
    const { record, key } = await (type === 'SECRET'
      ? there.create(person(acme), {})
      : there.createPublishable(person(acme), {}));
    await here.hearEverything();
    // Opens a connection now, since a new one would need answers, which are held back below.
    await here.database.ping();
    const began = await now();
    here.proxy.tcp.freeze('to-client');
    const lookUp = accepts(key);
    await lookedUpSince(began);
    await ENDINGS[what]?.(record.id);
    await here.hearEverything();
    here.proxy.tcp.thaw();
    // The look-up read the old row: earlier requests are admitted, and no later ones.
    expect(await lookUp).toBe(true);
    for (let i = 0; i < 3; i += 1) expect(await accepts(key)).toBe(false);
  },
);
