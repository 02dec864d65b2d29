/** The platform surface's JSON over HTTP: a refusal names the field as the caller spelled it, and quotes no long value. */
import type { Answer, Org } from '../../support/service-client.js';
import { sharedService, type SharedService } from '../../support/shared-service.js';
import { rowCounts } from '../ledger.js';
import { platformError } from '../refusals.js';

let service: SharedService;
let org: Org;
let before: Record<string, number>;

beforeAll(async () => {
  service = await sharedService();
  org = await service.seedOrg();
  before = await rowCounts(service);
});

afterAll(() => service.stop());

const post = (route: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> =>
  service.call('POST', `/api/v1/${route}`, {
    headers: {
      authorization: `Bearer ${service.dashboardToken({ user: org.user, tenant: org.tenantId })}`,
      ...headers,
    },
    body,
  });

describe('a message that breaks the mapping is 400, names its field as the caller spelled it, and writes nothing', () => {
  afterEach(async () => {
    expect(await rowCounts(service)).toEqual(before);
  });

  it.each<[string, string, readonly string[]]>([
    ['a field in both spellings', '{"name":"K","expiresAt":null,"expires_at":null}', ['expires_at']],
    [
      'a field in both spellings, the other way round',
      '{"name":"K","expires_at":"2031-01-01T00:00:00Z","expiresAt":"2031-01-01T00:00:00Z"}',
      ['expiresAt'],
    ],
    [
      'a field in both spellings, further in',
      '{"name":"K","rate_limit":{"requestsPerMinute":1,"requests_per_minute":1}}',
      ['rate_limit.requests_per_minute'],
    ],
    ['a field twice', '{"name":"K","name":"K"}', ['name']],
    [
      'a field twice, further in',
      '{"name":"K","rateLimit":{"requestsPerMinute":1,"requestsPerMinute":1}}',
      ['rateLimit.requestsPerMinute'],
    ],
    ['an unknown field', '{"name":"K","tenant_id":"globex"}', ['tenant_id']],
    ['an unknown field that is null', '{"name":"K","tenantId":null}', ['tenantId']],
    [
      'unknown fields, further in',
      '{"name":"K","rate_limit":{"requests_per_minute":1,"per_day":1,"perHour":1}}',
      ['rate_limit.per_day', 'rate_limit.perHour'],
    ],
    ['a third spelling', '{"Name":"K"}', ['Name', 'name']],
    ['the prototype', '{"name":"K","__proto__":{"permissions":[]}}', ['__proto__']],
    ['names that every object inherits', '{"name":"K","constructor":1,"toString":1}', ['constructor', 'toString']],
    ['null in a list', '{"name":"K","permissions":["chat:write",null]}', ['permissions.1']],
    ['an object for a list', '{"name":"K","permissions":{"0":"chat:write"}}', ['permissions']],
    ['a list for an object', '{"name":"K","rate_limit":[{"requests_per_minute":1}]}', ['rate_limit']],
    ['a number for a text', '{"name":9007199254740993}', ['name']],
    ['U+0000', '{"name":"a\\u0000"}', ['name']],
    ['half a surrogate pair', '{"name":"\\ud83d"}', ['name']],
    [
      'a number with a fraction',
      '{"name":"K","rate_limit":{"requests_per_minute":1.5}}',
      ['rate_limit.requests_per_minute'],
    ],
    [
      'a number with a leading zero',
      '{"name":"K","rate_limit":{"requests_per_minute":"010"}}',
      ['rate_limit.requests_per_minute'],
    ],
    [
      'a number with a blank',
      '{"name":"K","rate_limit":{"requests_per_minute":" 1"}}',
      ['rate_limit.requests_per_minute'],
    ],
    ['a timestamp in lower case', '{"name":"K","expires_at":"2031-01-01t00:00:00z"}', ['expires_at']],
    ['a leap second', '{"name":"K","expires_at":"2030-12-31T23:59:60Z"}', ['expires_at']],
    [
      'a timestamp in the past, which the service checks',
      '{"name":"K","expires_at":"2001-01-01T00:00:00Z"}',
      ['expires_at'],
    ],
    ['several at once', '{"name":7,"expires_at":"soon","bogus_one":1}', ['bogus_one', 'name', 'expires_at']],
    ['a body that is a list', '[{"name":"K"}]', []],
    ['a body that is null', 'null', []],
    ['a body of blanks', '  \n', []],
    ['a body with a comment', '{"name":"K"/**/}', []],
    [
      '100 lists within each other',
      `{"name":"K","permissions":${'['.repeat(100)}${']'.repeat(100)}}`,
      ['permissions.0'],
    ],
  ])('%s', async (_what, body, fields) => {
    const error = platformError(await post('api-keys/create', body), 400);
    expect(error.details.map(({ field }) => field)).toEqual(fields);
    for (const { field, reason } of error.details) expect(error.message).toContain(`${field}: ${reason}`);
  });

  it.each<[string, string]>([
    ['4,000 unknown fields', `{${Array.from({ length: 4_000 }, (_, index) => `"bogus_${index}":1`).join()}}`],
    ['an unknown field with a name of a million letters', `{"${'x'.repeat(1_000_000)}":1}`],
    ['the same twice', `{"${'x'.repeat(1_000_000)}":1,"${'x'.repeat(1_000_000)}":1}`],
    ['a text of a million letters', `{"name":"${'x'.repeat(1_000_000)}"}`],
    ['100,000 unknown scopes', `{"name":"K","permissions":[${'"x",'.repeat(100_000)}"x"]}`],
    ['a number of a million digits', `{"name":"K","rate_limit":{"requests_per_minute":${'9'.repeat(1_000_000)}}}`],
  ])('the answer is small, however large the body: %s', async (_what, body) => {
    const answer = await post('api-keys/create', body);
    const { details } = platformError(answer, 400);
    expect(details.length).toBeGreaterThanOrEqual(1);
    expect(details.length).toBeLessThanOrEqual(10);
    expect(answer.text.length).toBeLessThan(4000);
  });
});

describe('a message within the mapping is read', () => {
  it.each<[string, string | Buffer | undefined]>([
    ['without a body', undefined],
    ['with an empty body', ''],
    ['that is empty', '{}'],
    ['with a byte order mark', '\ufeff{}'],
    ['with null for what is absent', '{"page_size":null,"pageToken":null}'],
    ['with a number as text', '{"page_size":"5"}'],
    ['with a whole number that has a point', '{"pageSize":5.0}'],
    ['with a whole number that has an exponent', '{"page_size":"5e1"}'],
    ['with an escaped name', '{"page\\u005fsize":5}'],
  ])('%s', async (_what, body) => {
    expect((await post('api-keys/list', body)).json()).toEqual({ apiKeys: [], nextPageToken: '' });
  });
});

describe('every answer of the surface', () => {
  /** The parts of an answer that the mapping would not write, by their paths. */
  function problemsOf(value: unknown, path = ''): string[] {
    if (value === null) return [`${path} is null`];
    if (typeof value !== 'object') return [];
    return Object.entries(value).flatMap(([name, item]) => [
      ...(Array.isArray(value) || /^[a-z][a-zA-Z0-9]*$/.test(name) ? [] : [`${path}.${name} is not in lowerCamelCase`]),
      ...problemsOf(item, `${path}.${name}`),
    ]);
  }

  it('names its fields in lowerCamelCase and holds no null', async () => {
    const made = await post('api-keys/create', { name: 'K', description: null, expires_at: null });
    const { result } = made.json<{ result: { keyId: string } }>();
    const answers = [
      made,
      await post('api-keys/list', {}),
      await post('api-keys/get', { key_id: result.keyId }),
      await post('api-keys/update', { key_id: result.keyId, description: 'D' }),
      await post('api-keys/revoke', { key_id: result.keyId }),
      await post(
        'orgs/create',
        { name: 'New' },
        {
          authorization: `Bearer ${service.dashboardToken({ user: 'founder' })}`,
        },
      ),
    ];
    for (const answer of answers) {
      expect({ status: answer.status, problems: problemsOf(answer.json()) }).toEqual({ status: 200, problems: [] });
    }
  });
});
