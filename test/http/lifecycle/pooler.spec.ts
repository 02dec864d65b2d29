/** The service behind PgBouncer in transaction mode, which keeps no prepared statements, over four connections. */
import { randomBytes } from 'node:crypto';
import { eventually } from '../../support/eventually.js';
import { OpenaiUpstream, UPSTREAM_MODEL } from '../../support/openai-upstream.js';
import { PgBouncer, type PooledLogin } from '../../support/pgbouncer.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';
import {
  productionEnvironment,
  spawnService,
  startServiceProcess,
  type Org,
  type ServiceProcess,
} from '../../support/service.js';
import { rowsOf, seedTenant } from '../../support/sql.js';
import { SteadyLoad } from '../../support/steady-load.js';
import { TestIssuer } from '../../support/tokens.js';
import { settledCalls } from '../ledger.js';
import { openaiError } from '../refusals.js';

const login: PooledLogin = { user: `pooled_${randomBytes(4).toString('hex')}`, password: 'of-the-test' };

let database: TestDatabase;
let issuer: TestIssuer;
let upstream: OpenaiUpstream;
let pooler: PgBouncer;
let org: Org;
let pooled: string;

beforeAll(async () => {
  [database, issuer, upstream] = await Promise.all([createTestDatabase(), TestIssuer.start(), OpenaiUpstream.start()]);
  const { username, password } = new URL(database.ownerUrl);
  await sql(`CREATE ROLE ${login.user} LOGIN PASSWORD '${login.password}' IN ROLE gatehouse_app`);
  pooler = await PgBouncer.start(database.ownerUrl, [
    login,
    { user: username, password: decodeURIComponent(password) },
  ]);
  pooled = pooler.through(database.ownerUrl, login);
  const { orgId, tenantId, ownerId } = await seedTenant(database.superuserUrl);
  org = { orgId, tenantId, user: ownerId };
});

afterAll(async () => {
  await pooler.stop();
  await Promise.all([upstream.close(), issuer.stop()]);
  await sql(`DROP ROLE ${login.user}`);
  await database.drop();
});

const sql = (text: string): Promise<unknown> => rowsOf(database.superuserUrl, text);

/** The message with which the service ends on such a database. */
async function refusal(env: Record<string, string>): Promise<string> {
  const { exited } = await spawnService({ ...productionEnvironment({ database, issuer, upstream }), ...env });
  const { code, stderr } = await exited;
  expect(code).toBe(1);
  return stderr;
}

describe('a pooler that the settings do not mention is reported at the start', () => {
  it('where migrations would go through it', async () => {
    expect(await refusal({ DATABASE_URL: pooler.through(database.ownerUrl) })).toMatch(
      /is reached through a connection pooler, .* set DATABASE_URL to Postgres itself, and DATABASE_APP_URL to the pooler/,
    );
  });

  it('where the service would go through it', async () => {
    expect(await refusal({ DATABASE_APP_URL: pooled })).toMatch(/append \?pgbouncer=true to DATABASE_APP_URL/);
  });

  it('and so is a login without a statement time-out', async () => {
    expect(await refusal({ DATABASE_APP_URL: `${pooled}?pgbouncer=true` })).toContain(
      `run ALTER ROLE ${login.user} SET statement_timeout = '4800ms'`,
    );
  });
});

describe('behind it', () => {
  let service: ServiceProcess;

  beforeAll(async () => {
    await sql(`ALTER ROLE ${login.user} SET statement_timeout = '4800ms'`);
    // The pooler's connections were opened with the old settings of their logins.
    await sql(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '${login.user}'`);
    const env = { DATABASE_APP_URL: `${pooled}?pgbouncer=true` };
    service = await startServiceProcess({ database, issuer, upstream, providerTenants: [org.tenantId], env });
  });

  afterAll(() => service.stop());

  it('parallel calls, management and reports work side by side, limits are exact, and a revoked key is refused', async () => {
    const { key, keyId } = await service.createKey(org, {
      scopes: ['chat:write', 'humans:write', 'humans:read', 'usage:read', 'usage:write'],
    });
    const headers = { 'x-api-key': key };
    const post = (path: string, body: object, more: Record<string, string> = {}): Promise<{ status: number }> =>
      service.call('POST', path, { headers: { ...headers, ...more }, body });
    const limited = { human: 'ann', limits: [{ type: 'request_cnt', value: 20 }] };
    expect((await post('/api/v1/humans/upsert', limited)).status).toBe(200);
    const messages = [{ role: 'user', content: 'Hi' }];
    const calls = await Promise.all(
      Array.from({ length: 60 }, (_, index) =>
        post('/v1/chat/completions', { model: UPSTREAM_MODEL, messages }, { 'x-human-id': index % 2 ? 'ann' : 'bea' }),
      ),
    );
    const others = await Promise.all(
      Array.from({ length: 20 }, (_, index) => [
        post('/api/v1/usage/report', {
          ...{ type: 'conversational_seconds', value: 1, human: `h${index}`, idempotency_key: `report-${index}` },
        }),
        post('/api/v1/humans/list', {}),
      ]).flat(),
    );
    const counts = (answers: readonly { status: number }[]): Record<string, number> =>
      Object.fromEntries(
        [...new Set(answers.map(({ status }) => status))]
          .sort()
          .map((status) => [status, answers.filter((answer) => answer.status === status).length]),
      );
    expect(counts(calls)).toEqual({ 200: 50, 429: 10 });
    expect(counts(others)).toEqual({ 200: others.length });
    await settledCalls(service, 50);

    const token = service.dashboardToken({ user: org.user, tenant: org.tenantId });
    await service.call('POST', '/api/v1/api-keys/revoke', {
      headers: { authorization: `Bearer ${token}` },
      body: { keyId },
    });
    await eventually(async () => (await post('/api/v1/humans/list', {})).status === 401);
  });

  it('a crash of it under load costs 503s that may be repeated, no call twice, and no call of the upstream unrecorded', async () => {
    await service.sql('DELETE FROM usage_records');
    upstream.reset();
    const { key } = await service.createKey(org, { requestsPerMinute: 1_000_000 });
    const load = SteadyLoad.start(service.baseUrl, service, key, 40);
    await eventually(() => load.sent.length > 40);
    expect(load.failed).toEqual([]);

    await pooler.kill();
    const body = { model: UPSTREAM_MODEL, messages: [{ role: 'user', content: 'Hi' }] };
    const refused = await service.call('POST', '/v1/chat/completions', { headers: { 'x-api-key': key }, body });
    expect(openaiError(refused, 503).code).toBe('unavailable');
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect((await service.call('GET', '/health/ready')).status).toBe(503);
    await eventually(() => load.failed.length > 40);
    await pooler.startAgain();
    await eventually(async () => (await service.call('GET', '/health/ready')).status === 200);
    const failedSoFar = load.failed.length;
    await load.stopAfter(load.sent.length + 80);

    // Those that were on their way as it came back may have been refused.
    expect(load.failed.length).toBeLessThan(failedSoFar + 80);
    await load.expectExact(upstream);
  });
});
