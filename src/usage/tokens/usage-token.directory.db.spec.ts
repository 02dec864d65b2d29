import { eventually } from '../../../test/support/eventually.js';
import { createTestDatabase, type TestDatabase } from '../../../test/support/postgres.js';
import { PostgresProxy } from '../../../test/support/postgres-proxy.js';
import { startReplica, type Replica } from '../../../test/support/replica.js';
import { rowsOf, seedTenant, type SeededTenant } from '../../../test/support/sql.js';
import { ExpiredCredentialFault, type UsageTokenPrincipal } from '../../identity/index.js';
import { SigningKeyRing, parseSigningKeys } from '../../platform/crypto/index.js';
import type { Fault } from '../../platform/errors/index.js';
import { Drain, PacedRefusals } from '../../platform/http/index.js';
import { UsageTokenDirectory } from './usage-token.directory.js';
import { UsageTokenJwt, newUsageTokenId } from './usage-token.jwt.js';

let database: TestDatabase;
let proxy: PostgresProxy;
let replica: Replica;
let directory: UsageTokenDirectory;
let jwt: UsageTokenJwt;
let tenant: SeededTenant;

beforeAll(async () => {
  database = await createTestDatabase();
  proxy = await PostgresProxy.start(database.ownerUrl);
  replica = await startReplica(database.ownerUrl, {
    databaseUrl: proxy.through(database.ownerUrl),
    databaseDirectUrl: database.ownerUrl,
    requestsPerMinutePerHuman: 60,
  });
  jwt = new UsageTokenJwt(new SigningKeyRing(parseSigningKeys(replica.settings.signingKeys)));
  const refusals = new PacedRefusals(replica.settings, new Drain());
  directory = new UsageTokenDirectory(replica.database, replica.revocations, jwt, refusals, replica.settings);
});

afterAll(async () => {
  await replica.stop();
  await proxy.close();
  await database.drop();
});

const sql = (text: string, values: unknown[] = []) => rowsOf(database.superuserUrl, text, values);

beforeEach(async () => {
  tenant = await seedTenant(database.superuserUrl);
  await sql(
    `INSERT INTO api_keys (id, tenant_id, type, name, key_prefix, hash, pepper_version, scopes, created_by)
     VALUES ($1, $2, 'SECRET', 'A key', 'sk_gh_', $3, 1, '{chat:write,usage:write,usage:read,audit:read}', 'somebody')`,
    [keyId(), tenant.tenantId, Buffer.from(keyId())],
  );
  await sql("INSERT INTO humans (tenant_id, human, id) VALUES ($1, 'bea', 'hum_' || $1)", [tenant.tenantId]);
});

const keyId = (): string => `key_${tenant.tenantId}`;

/** Good for an hour. */
async function newToken(): Promise<string> {
  const id = newUsageTokenId();
  await sql(
    `INSERT INTO usage_tokens (id, tenant_id, key_id, human_id, expires_at)
     VALUES ($1, $2, $3, 'hum_' || $2, now() + interval '1 hour')`,
    [id, tenant.tenantId, keyId()],
  );
  return jwt.write(id, new Date());
}

async function statementsOf(work: () => Promise<unknown>): Promise<number> {
  const before = proxy.statements;
  await work().catch(() => undefined);
  return proxy.statements - before;
}

const failure = (token: string): Promise<unknown> =>
  directory.authenticate(token).then(
    () => null,
    (error: unknown) => error,
  );

const end = async (token: string, interval: string): Promise<void> => {
  const id = jwt.read(token);
  await sql('UPDATE usage_tokens SET expires_at = now() + $2::interval WHERE id = $1', [id, interval]);
  await replica.hearEverything();
};

it('gives the key, the human, and of the scopes those that a token can hold', async () => {
  const token = await newToken();
  const principal = await directory.authenticate(token);
  expect(principal).toEqual({
    kind: 'usageToken',
    tenantId: tenant.tenantId,
    tokenId: jwt.read(token),
    keyId: keyId(),
    human: 'bea',
    scopes: new Set(['chat:write', 'usage:read']),
    requestsPerMinutePerHuman: 60,
  } satisfies UsageTokenPrincipal);
  expect(Object.isFrozen(principal)).toBe(true);
  await sql('UPDATE api_keys SET requests_per_minute_per_human = 7 WHERE id = $1', [keyId()]);
  await replica.hearEverything();
  expect(await directory.authenticate(token)).toMatchObject({ requestsPerMinutePerHuman: 7 });
});

it('costs one query the first time and none after; a token that we did not sign never costs any', async () => {
  const token = await newToken();
  expect(await statementsOf(() => directory.authenticate(token))).toBe(1);
  expect(await statementsOf(() => directory.authenticate(token))).toBe(0);
  const [header, payload, signature] = token.split('.');
  for (const forged of [
    `${header}.${payload}.`,
    `${header}.${payload}.${signature?.startsWith('A') === true ? 'B' : 'A'}${signature?.slice(1)}`,
    'a.b.c',
  ]) {
    expect(await statementsOf(() => directory.authenticate(forged))).toBe(0);
    expect(await failure(forged)).toMatchObject({ kind: 'unauthenticated' });
  }
});

it('the holder of an expired one is told so; a revoked one is refused like an unknown one', async () => {
  const [expired, revoked] = [await newToken(), await newToken()];
  for (const token of [expired, revoked]) await directory.authenticate(token);
  await end(expired, '-1 second');
  await sql('UPDATE usage_tokens SET revoked_at = now() WHERE id = $1', [jwt.read(revoked)]);
  await replica.hearEverything();
  const [over, gone] = [await failure(expired), await failure(revoked)];
  expect(over).toBeInstanceOf(ExpiredCredentialFault);
  expect(gone).not.toBeInstanceOf(ExpiredCredentialFault);
  expect([(over as Fault).code, (gone as Fault).code]).toEqual(['expired_token', 'invalid_credential']);
});

it('ends by the database’s clock although it is in memory, and then asks the database once more', async () => {
  const token = await newToken();
  await end(token, '1 second');
  expect(await failure(token)).toBeNull();
  await eventually(async () => (await failure(token)) instanceof ExpiredCredentialFault);
  expect(await statementsOf(() => directory.authenticate(token))).toBe(1);
  await end(token, '1 hour');
  expect(await failure(token)).toBeNull();
});

it.each<[string, () => Promise<unknown>]>([
  ['its human is erased', () => sql('DELETE FROM humans WHERE tenant_id = $1', [tenant.tenantId])],
  ['its key is revoked', () => sql('UPDATE api_keys SET revoked_at = now() WHERE id = $1', [keyId()])],
  ['its key is deleted', () => sql('DELETE FROM api_keys WHERE id = $1', [keyId()])],
  ['its tenant is purged', () => sql('SELECT purge_tenant($1, gen_random_uuid())', [tenant.tenantId])],
])('is gone from memory when %s', async (_what, take) => {
  const token = await newToken();
  expect(await failure(token)).toBeNull();
  await take();
  await replica.hearEverything();
  expect(await failure(token)).toMatchObject({ kind: 'unauthenticated' });
});

it('stays in memory when its key is used or renamed, and when old tokens are pruned', async () => {
  const [token, old] = [await newToken(), await newToken()];
  await directory.authenticate(token);
  await end(old, '-2 hours');
  await directory.authenticate(token);
  const heard: string[] = [];
  replica.revocations.onRevoked((topic, tag) => topic !== 'fence' && heard.push(`${topic}:${tag}`));
  await sql("UPDATE api_keys SET name = 'Renamed', last_used_at = now() WHERE id = $1", [keyId()]);
  await sql('SELECT prune_usage_tokens()');
  await replica.hearEverything();
  expect(heard).toEqual([]);
  expect(await sql('SELECT 1 FROM usage_tokens WHERE id = $1', [jwt.read(old)])).toEqual([]);
  expect(await statementsOf(() => directory.authenticate(token))).toBe(0);
});

it('a database that is out of reach is 503, not 401', async () => {
  const token = await newToken();
  proxy.tcp.refuse(true);
  proxy.tcp.cut();
  expect(await failure(token)).toMatchObject({ kind: 'unavailable' });
  proxy.tcp.refuse(false);
  await eventually(async () => (await failure(token)) === null);
});
