import type { Answer, Identity, Org } from '../../support/service-client.js';
import { sharedService, type SharedService } from '../../support/shared-service.js';
import { expectPlatformRefusal, fieldsOf } from '../refusals.js';

let service: SharedService;
let org: Org;
let owner: Identity;
let keyId: string;

beforeAll(async () => {
  service = await sharedService();
  org = await service.seedOrg();
  owner = { user: org.user, tenant: org.tenantId };
  ({ keyId } = await service.createKey(org, { name: 'Untouched' }));
});

afterAll(() => service.stop());

afterEach(async () => {
  // Whatever was refused: the key that was there is as it was.
  const { apiKey } = await service.asUser<{ apiKey: Record<string, unknown> }>(owner, 'api-keys/get', {
    key_id: keyId,
  });
  expect(apiKey).toMatchObject({
    name: 'Untouched',
    description: '',
    status: 'ACTIVE',
    rateLimit: { requestsPerMinute: 1000 },
  });
  expect(apiKey).not.toHaveProperty('expiresAt');
});

function send(
  route: string,
  identity: Identity | null,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  return service.call('POST', `/api/v1/api-keys/${route}`, {
    headers: {
      ...(identity === null ? {} : { authorization: `Bearer ${service.dashboardToken(identity)}` }),
      ...headers,
    },
    body,
  });
}

const OIDC = { issuer: 'https://issuer.example', audience: 'app' };
const APP = { name: 'App', oidc_config: OIDC, unlimited: true };

const deep = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);

describe('bad input is 400 and names the field:', () => {
  const body = (text: string): string => `{"name":"K",${text}}`;
  it.each<[string, unknown, string]>([
    ['no name', {}, 'name'],
    ['an empty name', { name: '' }, 'name'],
    ['a name of 101 characters', { name: '😀'.repeat(101) }, 'name'],
    ['a name with U+0000', { name: 'a\0' }, 'name'],
    [
      'a name with half a surrogate pair',
      body('"description":"\\udfff"').replace('"K"', '"\\ud83d"'),
      'description,name',
    ],
    ['a description of 1,001 characters', { name: 'K', description: 'd'.repeat(1001) }, 'description'],
    ['a description that is a number', { name: 'K', description: 1 }, 'description'],
    ['permissions that are text', { name: 'K', permissions: 'chat:write' }, 'permissions'],
    ['an unknown scope', { name: 'K', permissions: ['chat:write', 'chat:read'] }, 'permissions.1'],
    ['a scope in capitals', { name: 'K', permissions: ['CHAT:WRITE'] }, 'permissions.0'],
    ['a scope twice', { name: 'K', permissions: ['chat:write', 'chat:write'] }, 'permissions'],
    ['a scope that is null', body('"permissions":[null]'), 'permissions.0'],
    ['a limit that is a number', { name: 'K', rate_limit: 5 }, 'rateLimit'],
    ['a limit below zero', { name: 'K', rate_limit: { requests_per_minute: -1 } }, 'rateLimit.requestsPerMinute'],
    ['a limit with a fraction', { name: 'K', rateLimit: { requestsPerMinute: 1.5 } }, 'rateLimit.requestsPerMinute'],
    ['a limit of text', { name: 'K', rateLimit: { requestsPerMinute: 'many' } }, 'rateLimit.requestsPerMinute'],
    [
      'a limit beyond int32',
      { name: 'K', rateLimit: { requestsPerMinute: '99999999999' } },
      'rateLimit.requestsPerMinute',
    ],
    ['an endless limit', body('"rateLimit":{"requestsPerMinute":1e999}'), 'rateLimit.requestsPerMinute'],
    [
      'a limit by another window',
      { name: 'K', rate_limit: { requests_per_minute: 1, requests_per_hour: 1 } },
      'rateLimit.requestsPerHour',
    ],
    ['a limit in both spellings', { name: 'K', rate_limit: { requests_per_minute: 1 }, rateLimit: null }, 'rateLimit'],
    [
      'a number in both spellings',
      body('"rateLimit":{"requestsPerMinute":1,"requests_per_minute":1}'),
      'rateLimit.requestsPerMinute',
    ],
    [
      'a nested field that stands twice',
      body('"rateLimit":{"requestsPerMinute":9,"requestsPerMinute":1}'),
      'rateLimit.requestsPerMinute',
    ],
    ['an expiry in the past', { name: 'K', expires_at: '2020-01-01T00:00:00Z' }, 'expiresAt'],
    ['an expiry in words', { name: 'K', expires_at: 'tomorrow' }, 'expiresAt'],
    ['an expiry that is a number', { name: 'K', expiresAt: 1_924_992_000 }, 'expiresAt'],
    ['a day that does not exist', { name: 'K', expiresAt: '2031-02-29T00:00:00Z' }, 'expiresAt'],
    ['an hour that does not exist', { name: 'K', expiresAt: '2031-01-01T24:00:00Z' }, 'expiresAt'],
    ['a moment past the year 9999', { name: 'K', expiresAt: '9999-12-31T23:59:59-01:00' }, 'expiresAt'],
    ['no time zone', { name: 'K', expiresAt: '2031-01-01T00:00:00' }, 'expiresAt'],
    ['a bare date', { name: 'K', expiresAt: '2031-01-01' }, 'expiresAt'],
    ['an unknown field', { name: 'K', oidc_config: {} }, 'oidcConfig'],
    ['the prototype', body('"__proto__":{"type":"PUBLISHABLE"}'), '__proto__'],
    ['the constructor', body('"constructor":{"prototype":{}}'), 'constructor'],
    ['100 brackets', body(`"description":${deep(100)}`), 'description'],
    ['100 brackets where there is no field', body(`"x":${deep(100)}`), 'x'],
  ])('%s', async (_what, sent, fields) => {
    const refusal = await expectPlatformRefusal(service, () => send('create', owner, sent), 400);
    expect(fieldsOf(refusal)).toEqual(fields.split(','));
  });

  it.each<[string, string, object, string]>([
    ['a page of 501', 'list', { page_size: 501 }, 'pageSize'],
    ['a negative page', 'list', { page_size: -1 }, 'pageSize'],
    ['a forged page token', 'list', { page_token: 'WyIxIiwiYSJd' }, 'pageToken'],
    ['a page token that is not text', 'list', { pageToken: 7 }, 'pageToken'],
    ['no key id', 'get', {}, 'keyId'],
    ['a key id that is a number', 'revoke', { key_id: 7 }, 'keyId'],
    ['a key id with U+0000', 'get', { key_id: 'key_\0' }, 'keyId'],
    ['two key ids', 'revoke', { key_id: 'key_a', keyId: 'key_b' }, 'keyId'],
    [
      'an expiry together with neverExpires',
      'update',
      { key_id: 'key_a', never_expires: true, expires_at: '2031-01-01T00:00:00Z' },
      'neverExpires',
    ],
    ['a neverExpires that is text', 'update', { key_id: 'key_a', never_expires: 'true' }, 'neverExpires'],
    ['a negative grace', 'rotate', { key_id: 'key_a', grace_period_seconds: -1 }, 'gracePeriodSeconds'],
    ['a grace of 31 days', 'rotate', { key_id: 'key_a', grace_period_seconds: 2_678_400 }, 'gracePeriodSeconds'],
    ['an app without an issuer', 'create-publishable', { name: 'A', unlimited: true }, 'oidcConfig'],
    ['an app without limits', 'create-publishable', { name: 'A', oidc_config: OIDC }, 'defaultLimits'],
    [
      'an app with limits that is also unlimited',
      'create-publishable',
      { ...APP, default_limits: [{ type: 'token_cnt', value: 1 }] },
      'unlimited',
    ],
    [
      'a limit of an unknown type',
      'create-publishable',
      { ...APP, unlimited: false, default_limits: [{ type: 'dollars', value: 1 }] },
      'defaultLimits.0.type',
    ],
    [
      'a limit below zero',
      'create-publishable',
      { ...APP, unlimited: false, default_limits: [{ type: 'token_cnt', value: -1 }] },
      'defaultLimits.0.value',
    ],
    [
      'a limit twice',
      'create-publishable',
      {
        ...APP,
        unlimited: false,
        default_limits: [
          { type: 'token_cnt', value: 1 },
          { type: 'token_cnt', value: 1 },
        ],
      },
      'defaultLimits',
    ],
    [
      'an origin with a path',
      'create-publishable',
      { ...APP, allowed_origins: ['https://a.example/'] },
      'allowedOrigins.0',
    ],
    ['any origin', 'create-publishable', { ...APP, allowed_origins: ['*'] }, 'allowedOrigins.0'],
    [
      'a scope that an app can not hold',
      'create-publishable',
      { ...APP, permissions: ['humans:read'] },
      'permissions.0',
    ],
    [
      'a prefix of 65 characters',
      'create-publishable',
      { ...APP, oidc_config: { ...OIDC, human_prefix: 'p'.repeat(65) } },
      'oidcConfig.humanPrefix',
    ],
    [
      'an issuer without an audience',
      'create-publishable',
      { ...APP, oidc_config: { issuer: OIDC.issuer } },
      'oidcConfig.audience',
    ],
    ['a new type', 'update', { key_id: 'key_a', type: 'PUBLISHABLE' }, 'type'],
    ['a new status', 'update', { key_id: 'key_a', status: 'ACTIVE' }, 'status'],
  ])('%s', async (_what, route, sent, fields) => {
    const refusal = await expectPlatformRefusal(service, () => send(route, owner, sent), 400);
    expect(fieldsOf(refusal)).toEqual(fields.split(','));
  });

  it.each<[string, object, string]>([
    ['an issuer', { oidc_config: OIDC }, 'oidcConfig'],
    ['origins', { allowed_origins: ['https://a.example'] }, 'allowedOrigins'],
    ['limits of humans', { default_limits: [{ type: 'token_cnt', value: 1 }] }, 'defaultLimits'],
    ['humans without limits', { unlimited: true }, 'unlimited'],
  ])('a secret key with %s', async (_what, changes, field) => {
    const refusal = await expectPlatformRefusal(
      service,
      () => send('update', owner, { key_id: keyId, ...changes }),
      400,
    );
    expect(fieldsOf(refusal)).toEqual([field]);
  });

  it("names the field in the caller's spelling", async () => {
    const told = async (route: string, sent: unknown): Promise<string[]> =>
      (await expectPlatformRefusal(service, () => send(route, owner, sent), 400)).details.map(
        ({ field = '' }) => field,
      );
    const [past, limit] = ['2020-01-01T00:00:00Z', -1];
    expect(await told('create', { name: 'K', expires_at: past })).toEqual(['expires_at']);
    expect(await told('create', { name: 'K', expiresAt: past })).toEqual(['expiresAt']);
    expect(await told('create', { name: 'K', rate_limit: { requests_per_minute: limit } })).toEqual([
      'rate_limit.requests_per_minute',
    ]);
    expect(await told('create', { name: 'K', rateLimit: { requestsPerMinute: limit } })).toEqual([
      'rateLimit.requestsPerMinute',
    ]);
    expect(await told('create', { name: 'K', valid_until: past })).toEqual(['valid_until']);
    expect(await told('list', { page_size: limit })).toEqual(['page_size']);
  });

  it.each(['{', '', '[]', 'null', '{"name":"K"}{', '{"name":"K",}', '\u0000'])(
    'a body that is not an object: %j',
    async (sent) => {
      await expectPlatformRefusal(service, () => send('create', owner, sent), 400);
    },
  );

  it('a body of another type is 415', async () => {
    const headers = { 'content-type': 'text/xml' };
    const refusal = await expectPlatformRefusal(service, () => send('create', owner, '<name>K</name>', headers), 415);
    expect(fieldsOf(refusal)).toEqual(['content-type']);
  });
});
