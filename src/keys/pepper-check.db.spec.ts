import { captureLog, type CapturedLog } from '../../test/support/captured-log.js';
import { createTestDatabase, type TestDatabase } from '../../test/support/postgres.js';
import { startService } from '../../test/support/service.js';
import { testPepper } from '../../test/support/settings.js';
import { rowsOf, seedTenant } from '../../test/support/sql.js';
import type { Pepper, Settings } from '../platform/config/index.js';
import { OperatorError } from '../platform/errors/index.js';

const [ONE, TWO] = [testPepper(1), testPepper(2)];
/** The same version as ONE, with another secret. */
const OTHER_ONE = testPepper(1);

let database: TestDatabase;
let tenantId: string;
let log: CapturedLog;

beforeEach(async () => {
  database = await createTestDatabase();
  ({ tenantId } = await seedTenant(database.superuserUrl));
  log = captureLog();
});

afterEach(async () => {
  log.stop();
  await database.drop();
});

/** Starts the whole service with these peppers and stops it again. */
async function start(peppers: readonly Pepper[], mode: Settings['mode'] = 'production'): Promise<void> {
  const service = await startService({ database, settings: { peppers, mode } });
  await service.stop();
}

const failureOf = (peppers: readonly Pepper[]): Promise<unknown> =>
  start(peppers).then(
    () => null,
    (error: unknown) => error,
  );

const errors = (): unknown[] => log.lines.filter(({ setting }) => setting === 'GATEHOUSE_PEPPERS');

let made = 0;
async function makeKey(version: number, state: 'live' | 'revoked' | 'expired' = 'live'): Promise<void> {
  made += 1;
  await rowsOf(
    database.superuserUrl,
    `INSERT INTO api_keys (id, tenant_id, type, name, key_prefix, hash, pepper_version, scopes, created_by, revoked_at, expires_at)
     VALUES ($1, $2, 'SECRET', 'A key', 'sk_gh_', $3, $4, '{}', 'somebody',
             CASE WHEN $5 = 'revoked' THEN now() END, CASE WHEN $5 = 'expired' THEN now() - interval '1 second' END)`,
    [`key_${made}`, tenantId, Buffer.from(`hash ${made}`), version, state],
  );
}

it('logs nothing while every live key has its pepper, whatever else is configured', async () => {
  await start([ONE]);
  await makeKey(1);
  await makeKey(9, 'revoked');
  await makeKey(9, 'expired');
  await start([ONE]);
  await start([TWO, ONE]);
  await makeKey(2);
  await start([TWO, ONE]);
  expect(errors()).toEqual([]);
});

it('names a version that live keys need and that is not configured, counts the keys, and starts', async () => {
  await makeKey(1);
  await makeKey(1);
  await makeKey(2);
  await start([TWO]);
  expect(errors()).toMatchObject([
    { level: 50, pepperVersion: 1, secrets: 2, msg: expect.stringContaining('GATEHOUSE_PEPPERS') as string },
  ]);
});

it('counts secrets that a rotation replaced and that still work', async () => {
  await makeKey(2);
  await rowsOf(
    database.superuserUrl,
    `INSERT INTO api_key_retired_secrets (hash, tenant_id, key_id, pepper_version, expires_at)
     VALUES ('\\x01', $1, $2, 1, now() + interval '1 hour'), ('\\x02', $1, $2, 1, now() - interval '1 second')`,
    [tenantId, `key_${made}`],
  );
  await start([TWO]);
  expect(errors()).toMatchObject([{ pepperVersion: 1, secrets: 1 }]);
});

it('refuses to start in production where the secret of a version has changed', async () => {
  await start([ONE]);
  await makeKey(1);
  for (const peppers of [[OTHER_ONE], [TWO, OTHER_ONE]]) {
    const failure = await failureOf(peppers);
    expect(failure).toBeInstanceOf(OperatorError);
    const { message } = failure as OperatorError;
    expect(message).toMatch(/GATEHOUSE_PEPPERS.* version 1 .*1 live API key secret/);
    expect(message).not.toContain(OTHER_ONE.secret.toString('base64url'));
  }
  // The right secret is still the stored one.
  expect(await failureOf([ONE])).toBeNull();
  expect(errors()).toEqual([]);
});

it('starts in development, where secrets are created anew, and logs it', async () => {
  await start([ONE]);
  await makeKey(1);
  await start([OTHER_ONE], 'development');
  expect(errors()).toMatchObject([{ level: 50, pepperVersion: 1, secrets: 1 }]);
});

it('accepts another secret for a version that no live key uses, and remembers that one', async () => {
  await start([ONE]);
  await makeKey(1, 'revoked');
  await start([OTHER_ONE]);
  await makeKey(1);
  expect(await failureOf([OTHER_ONE])).toBeNull();
  expect(await failureOf([ONE])).toBeInstanceOf(OperatorError);
});

it('stores nothing from which a pepper could be read or guessed', async () => {
  await start([ONE]);
  const rows = await rowsOf<{ version: number; hash: Buffer }>(database.superuserUrl, 'SELECT * FROM pepper_checks');
  expect(rows).toEqual([{ version: 1, hash: expect.any(Buffer) as Buffer }]);
  expect(rows[0]!.hash).toHaveLength(32);
  expect(rows[0]!.hash.equals(ONE.secret)).toBe(false);
});
