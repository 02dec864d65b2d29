/** Only failed authentications are limited, by the address that they come from. */
import { eventually } from '../../support/eventually.js';
import { PostgresProxy, isCallOf } from '../../support/postgres-proxy.js';
import { startService, type Answer, type Org, type TestService } from '../../support/service.js';
import { openaiError, platformError } from '../refusals.js';

const LIMIT = 30;
const WINDOW_SECONDS = 600;
/** A key of the right shape, with a valid checksum, that was never issued. */
let unknownKey: string;
let key: string;
let org: Org;
let service: TestService;

beforeAll(async () => {
  service = await startService({
    settings: {
      failedAuthenticationsPerMinute: LIMIT,
      rateWindowSeconds: WINDOW_SECONDS,
      trustedProxies: ['127.0.0.1/32'],
      credentialCacheEntries: 1,
    },
  });
  org = await service.createOrg('founder');
  ({ key } = await service.createKey(org));
  const unknown = await service.createKey(org);
  await service.sql('DELETE FROM api_keys WHERE id = $1', [unknown.keyId]);
  unknownKey = unknown.key;
  await eventually(async () => (await models('192.0.2.250', { 'x-api-key': unknownKey })).status === 401);
});

afterAll(() => service.stop());

type Headers = Readonly<Record<string, string>>;

const WRONG: Headers = { 'x-api-key': 'sk_gh_0000000000000000000000000000000000' };
const models = (address: string, headers: Headers = WRONG, on: TestService = service): Promise<Answer> =>
  on.call('GET', '/v1/models', { headers: { ...headers, 'x-forwarded-for': address } });
const modelsMany = (count: number, address: string, headers?: Headers): Promise<Answer[]> =>
  Promise.all(Array.from({ length: count }, () => models(address, headers)));
const statuses = (answers: readonly Answer[]): number[] => [...new Set(answers.map(({ status }) => status))];
const dashboard = (claims: Record<string, unknown> = {}): Headers => ({
  authorization: `Bearer ${service.dashboardToken({ user: org.user, tenant: org.tenantId, claims })}`,
});

let last = 0;
/** An address without any failures yet. */
const newAddress = (): string => `198.51.100.${(last += 1)}`;

async function weightOf(address: string): Promise<number> {
  const rows = await service.sql<{ used: number }>('SELECT used FROM rate_windows WHERE key = $1', [
    `failed:${address}`,
  ]);
  return rows[0]?.used ?? 0;
}

it(`the ${LIMIT + 1}st failure from an address is 429 with the time to retry`, async () => {
  const address = newAddress();
  for (let index = 0; index < LIMIT; index += 1) expect((await models(address)).status).toBe(401);
  const answer = await models(address);
  openaiError(answer, 429);
  expect(answer.headers['retry-after']).toMatch(/^[1-9]\d*$/);
  expect(Number(answer.headers['retry-after'])).toBeLessThanOrEqual(WINDOW_SECONDS);
  // No caller was recognised, so there is no window to show.
  expect(Object.keys(answer.headers).filter((name) => name.includes('ratelimit'))).toEqual([]);
  expect(answer.text).not.toContain(address);

  const other = await service.call('POST', '/api/v1/api-keys/list', {
    headers: { ...WRONG, 'x-forwarded-for': address },
    body: {},
  });
  expect(platformError(other, 429).message).toBe(openaiError(answer, 429).message);
  expect((await service.call('GET', '/nowhere', { headers: { ...WRONG, 'x-forwarded-for': address } })).status).toBe(
    429,
  );
  expect(await weightOf(address)).toBe(LIMIT);
});

it('of many simultaneous failures exactly as many get 401 as the limit allows', async () => {
  const answers = await modelsMany(200, newAddress());
  expect(answers.filter(({ status }) => status === 401)).toHaveLength(LIMIT);
  expect(answers.filter(({ status }) => status === 429)).toHaveLength(200 - LIMIT);
});

describe('from an address with too many failures', () => {
  let address: string;

  beforeAll(async () => {
    address = newAddress();
    await modelsMany(2 * LIMIT, address);
    expect((await models(address)).status).toBe(429);
  });

  it('a valid key and a valid token pass, with the headers of their own windows', async () => {
    for (const headers of [{ 'x-api-key': key }, { authorization: `Bearer ${key}` }, dashboard()]) {
      const answer = await models(address, headers);
      expect(answer.status).toBe(200);
      expect(answer.headers).toHaveProperty('x-ratelimit-remaining');
      expect(answer.headers).not.toHaveProperty('retry-after');
    }
  });

  it('a valid key without the scope still gets the usual answer', async () => {
    const headers = { 'x-api-key': key, 'x-forwarded-for': address };
    platformError(await service.call('POST', '/api/v1/api-keys/list', { headers, body: {} }), 403);
    openaiError(await service.call('GET', '/v1/nothing', { headers }), 404);
  });

  it('an expired token is still 401, so that its holder fetches a new one', async () => {
    openaiError(await models(address, dashboard({ exp: Math.floor(Date.now() / 1000) - 1 })), 401);
  });

  it('a caller without a credential is told to send one', async () => {
    openaiError(await models(address, {}), 401);
    expect((await service.call('GET', '/health/live', { headers: { 'x-forwarded-for': address } })).status).toBe(200);
  });

  it('every other wrong credential is 429', async () => {
    const wrong: Headers[] = [
      { 'x-api-key': unknownKey },
      { authorization: 'Bearer garbage' },
      dashboard({ aud: 'other' }),
    ];
    for (const headers of wrong) expect((await models(address, headers)).status).toBe(429);
  });
});

it('another address is not affected', async () => {
  await modelsMany(2 * LIMIT, newAddress());
  expect((await models(newAddress())).status).toBe(401);
});

it('an IPv6 network of 64 bits counts as one address, and its neighbour as another', async () => {
  await modelsMany(LIMIT, '2001:db8:1:2::1');
  expect((await models('2001:db8:1:2:ffff:ffff:ffff:ffff')).status).toBe(429);
  expect((await models('2001:db8:1:3::1')).status).toBe(401);
});

it('an IPv4 address counts as the same one in IPv6', async () => {
  const address = newAddress();
  await modelsMany(LIMIT, address);
  expect((await models(`::ffff:${address}`)).status).toBe(429);
});

describe('what counts as a failure, and how often', () => {
  it.each<[string, number, () => Headers]>([
    ['a key with a bad checksum', 1, () => WRONG],
    ['an unknown key', 1, () => ({ 'x-api-key': unknownKey })],
    ['a publishable key alone', 1, () => ({ 'x-api-key': 'pk_gh_0000000000000000000000000000000000' })],
    ['another authentication scheme', 1, () => ({ authorization: 'Basic dTpw' })],
    [
      'a token of an unknown issuer',
      1,
      () => ({ authorization: `Bearer ${service.issuer.sign({ iss: 'https://other.example' })}` }),
    ],
    ['a token for another audience', 1, () => dashboard({ aud: 'other' })],
    [
      'a forged token that says it expired',
      1,
      () => ({
        authorization: `Bearer ${service.issuer.sign({ exp: 1 }, { alg: 'HS256' })}`,
      }),
    ],
    ['an expired token', 0, () => dashboard({ exp: Math.floor(Date.now() / 1000) - 1 })],
    ['a valid key', 0, () => ({ 'x-api-key': key })],
    [
      'a valid token without a membership',
      0,
      () => ({
        authorization: `Bearer ${service.dashboardToken({ user: 'stranger', tenant: org.tenantId })}`,
      }),
    ],
    ['two identities at once', 0, () => ({ 'x-api-key': key, ...dashboard() })],
    ['nothing presented', 0, () => ({})],
  ])('%s: %d', async (_what, weight, headers) => {
    const address = newAddress();
    for (let index = 0; index < 3; index += 1) await models(address, headers());
    expect(await weightOf(address)).toBe(3 * weight);
  });

  it('expired tokens never count, however many come', async () => {
    const address = newAddress();
    const expired = dashboard({ exp: Math.floor(Date.now() / 1000) - 1 });
    expect(statuses(await modelsMany(3 * LIMIT, address, expired))).toEqual([401]);
    expect(statuses(await modelsMany(LIMIT, address))).toEqual([401]);
    expect((await models(address)).status).toBe(429);
  });

  it('a preflight and a request to a public route never count', async () => {
    const address = newAddress();
    const headers = { ...WRONG, origin: 'https://app.example', 'x-forwarded-for': address };
    await service.call('OPTIONS', '/v1/models', { headers });
    expect((await service.call('GET', '/health/ready', { headers })).status).toBe(200);
    expect(await weightOf(address)).toBe(0);
  });
});

it('two replicas count together', async () => {
  const { database, issuer, upstream, google, settings } = service;
  const alike = { ...settings, platformProviderTenants: [org.tenantId] };
  const replica = await startService({ database, issuer, upstream, google, settings: alike });
  try {
    const address = newAddress();
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, index) => models(address, WRONG, index % 2 === 0 ? service : replica)),
    );
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(LIMIT);
    expect((await models(address, { 'x-api-key': key }, replica)).status).toBe(200);
  } finally {
    await replica.stop();
  }
});

it('a failure that can not be counted is 503: an outage of ours signs no user out', async () => {
  const { database, issuer, upstream, google, settings } = service;
  const proxy = await PostgresProxy.start(database.ownerUrl);
  const behindProxy = { ...settings, databaseUrl: proxy.through(database.ownerUrl) };
  const replica = await startService({ database, issuer, upstream, google, settings: behindProxy });
  try {
    proxy.judge = (message) => (isCallOf('take_rate_windows', message) ? 'cut-before' : 'pass');
    openaiError(await models(newAddress(), WRONG, replica), 503);
  } finally {
    proxy.judge = () => 'pass';
    await replica.stop();
    await proxy.close();
  }
});
