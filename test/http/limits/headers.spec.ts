import { UPSTREAM_MODEL, errorBody } from '../../support/openai-upstream.js';
import { startService, type Answer, type CallOptions, type Org, type TestService } from '../../support/service.js';

const LIMIT = 500;
const WINDOW_SECONDS = 60;

let service: TestService;
let org: Org;
let key: string;

beforeAll(async () => {
  service = await startService({
    settings: { bodyLimitBytes: 50_000, rateWindowSeconds: WINDOW_SECONDS, openaiModels: [UPSTREAM_MODEL] },
  });
  org = await service.createOrg('founder');
  ({ key } = await service.createKey(org, { requestsPerMinute: LIMIT }));
});

afterAll(() => service.stop());

beforeEach(() => service.upstream.reset());

const MESSAGES = [{ role: 'user', content: 'Hi' }];
const EXPOSED = [
  'x-ratelimit-limit',
  'x-ratelimit-remaining',
  'x-ratelimit-reset',
  'x-ratelimit-limit-requests',
  'x-ratelimit-remaining-requests',
  'x-ratelimit-reset-requests',
  'x-ratelimit-limit-tokens',
  'x-ratelimit-remaining-tokens',
  'x-ratelimit-reset-tokens',
  'ratelimit-policy',
  'ratelimit',
  'retry-after',
  'x-request-id',
];

/** Checks every header of the window and that they agree; returns the remaining requests. */
function expectWindow({ headers, status }: Answer, limit: number, policy: 'key' | 'user' = 'key'): number {
  expect(headers['x-ratelimit-limit']).toBe(String(limit));
  const remaining = Number(headers['x-ratelimit-remaining']);
  expect(String(remaining)).toBe(headers['x-ratelimit-remaining']);
  expect(remaining).toBeGreaterThanOrEqual(0);
  expect(remaining).toBeLessThan(limit);

  // A moment in Unix seconds, not a duration.
  const now = Date.now() / 1000;
  const reset = Number(headers['x-ratelimit-reset']);
  expect(Number.isInteger(reset)).toBe(true);
  expect(reset).toBeGreaterThanOrEqual(Math.floor(now));
  expect(reset).toBeLessThanOrEqual(Math.ceil(now + WINDOW_SECONDS) + 1);

  expect(headers['ratelimit-policy']).toMatch(new RegExp(`^"${policy}";q=${limit};w=${WINDOW_SECONDS}$`));
  const [, shown, left, seconds] = /^"([^"]+)";r=(\d+);t=(\d+)$/.exec(String(headers['ratelimit']))!;
  expect(shown).toBe(policy);
  expect(Number(left)).toBe(remaining);
  expect(Math.abs(reset - now - Number(seconds))).toBeLessThanOrEqual(2);

  // OpenAI's own headers, where present, agree: there the reset is a duration.
  if (headers['x-ratelimit-limit-requests'] !== undefined) {
    expect(headers['x-ratelimit-limit-requests']).toBe(String(limit));
    expect(headers['x-ratelimit-remaining-requests']).toBe(String(remaining));
    expect(headers['x-ratelimit-reset-requests']).toBe(Number(seconds) === 60 ? '1m0s' : `${seconds}s`);
  }

  if (status === 429) {
    expect(headers['retry-after']).toMatch(/^[1-9]\d*$/);
    expect(Number(headers['retry-after'])).toBeLessThanOrEqual(WINDOW_SECONDS);
  } else {
    expect(headers).not.toHaveProperty('retry-after');
  }
  return remaining;
}

describe('every answer to a recognised key carries its window', () => {
  const chat = (body: unknown, headers: Record<string, string> = {}): [string, string, CallOptions] => [
    'POST',
    '/v1/chat/completions',
    { body, headers },
  ];

  it.each<[string, number, [string, string, CallOptions]]>([
    ['a completion', 200, chat({ model: UPSTREAM_MODEL, messages: MESSAGES })],
    ['a stream', 200, chat({ model: UPSTREAM_MODEL, messages: MESSAGES, stream: true })],
    ['the models', 200, ['GET', '/v1/models', {}]],
    ['malformed JSON', 400, chat('{')],
    ['a missing field', 400, chat({ model: UPSTREAM_MODEL })],
    ['a request for a human', 200, ['GET', '/v1/models', { headers: { 'x-human-id': 'user_1' } }]],
    ['a blank human', 400, ['GET', '/v1/models', { headers: { 'x-human-id': ' ' } }]],
    ['acting for a human without the scope', 403, ['GET', '/v1/models', { headers: { 'x-on-behalf-of': 'user_1' } }]],
    ['a route for people', 403, ['POST', '/api/v1/api-keys/list', { body: {} }]],
    ['a route for accounts', 403, ['POST', '/api/v1/orgs/create', { body: { name: 'X' } }]],
    ['an unknown model', 404, chat({ model: 'gpt-404', messages: MESSAGES })],
    ['an unknown route of this surface', 404, ['POST', '/v1/nothing', { body: {} }]],
    ['an unknown route of the other surface', 404, ['GET', '/api/v1/nothing', {}]],
    ['an unknown route of no surface', 404, ['GET', '/nothing', {}]],
    ['another method', 405, ['GET', '/v1/chat/completions', {}]],
    ['a body over the limit', 413, chat('x'.repeat(50_001))],
    ['another type', 415, chat('Hi', { 'content-type': 'text/plain' })],
    ['a compressed body', 415, chat('Hi', { 'content-encoding': 'gzip' })],
  ])('%s (%d)', async (_what, status, [method, path, options]) => {
    const headers = { ...options.headers, 'x-api-key': key };
    const first = await service.call(method, path, { ...options, headers });
    expect(first.status).toBe(status);
    const left = expectWindow(first, LIMIT);
    expect('x-ratelimit-limit-requests' in first.headers).toBe(path.startsWith('/v1/'));
    // Each is counted exactly once, whether or not something else refuses it.
    expect(expectWindow(await service.call(method, path, { ...options, headers }), LIMIT)).toBe(left - 1);
  });

  it.each([
    ['breaks off', { kind: 'break', part: '{' } as const, 502],
    [
      'answers 429',
      {
        kind: 'body',
        status: 429,
        body: errorBody('Slower.', 'x'),
        headers: { 'x-ratelimit-remaining': '0' },
      } as const,
      429,
    ],
    ['answers 500', { kind: 'body', status: 500, body: errorBody('Ouch.', 'x') } as const, 500],
  ])('also with an upstream that %s', async (_what, answer, status) => {
    service.upstream.next(answer);
    const headers = { authorization: `Bearer ${key}` };
    const received = await service.call('POST', '/v1/chat/completions', {
      headers,
      body: { model: UPSTREAM_MODEL, messages: MESSAGES },
    });
    expect(received.status).toBe(status);
    // The window shows whose 429 it is: ours still has room.
    if (status !== 429) expectWindow(received, LIMIT);
    else expect(Number(received.headers['x-ratelimit-remaining'])).toBeGreaterThan(0);
  });

  it('also a refusal by the full window, until the window closes', async () => {
    const { key: small } = await service.createKey(org, { requestsPerMinute: 2 });
    const answers: Answer[] = [];
    for (let index = 0; index < 5; index += 1)
      answers.push(await service.call('GET', '/v1/models', { headers: { 'x-api-key': small } }));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 429, 429, 429]);
    expect(answers.map((answer) => expectWindow(answer, 2))).toEqual([1, 0, 0, 0, 0]);
    // The first request opened it, and later ones do not move its end.
    expect(new Set(answers.map(({ headers }) => headers['x-ratelimit-reset'])).size).toBe(1);
    expect(answers[4]!.json()).toMatchObject({ error: { code: 'rate_limit_exceeded' } });
    const other = await service.call('POST', '/api/v1/api-keys/list', { headers: { 'x-api-key': small }, body: {} });
    expect(other.status).toBe(429);
    expect(other.json()).toMatchObject({ error: { code: 429, status: 'RESOURCE_EXHAUSTED' } });
    expectWindow(other, 2);
  });

  it("calls of a key for a human, or as one, use the key's own window", async () => {
    const made = await service.createKey(org, { requestsPerMinute: 4, scopes: ['chat:write', 'users:impersonate'] });
    const models = (headers: Record<string, string>) =>
      service.call('GET', '/v1/models', { headers: { 'x-api-key': made.key, ...headers } });
    const answers = [
      await models({}),
      await models({ 'x-human-id': 'user_1' }),
      await models({ 'x-human-id': 'user_2' }),
      await models({ 'x-on-behalf-of': 'user_1' }),
      await models({ 'x-on-behalf-of': 'user_2' }),
    ];
    expect(answers.map(({ status }) => status === 429)).toEqual([false, false, false, false, true]);
    expect(answers.map((answer) => expectWindow(answer, 4))).toEqual([3, 2, 1, 0, 0]);
  });

  it('each key has a window of its own, and so has each person', async () => {
    const [one, two] = [await service.createKey(org, { requestsPerMinute: 9 }), await service.createKey(org)];
    const models = (headers: Record<string, string>) => service.call('GET', '/v1/models', { headers });
    expect(expectWindow(await models({ 'x-api-key': one.key }), 9)).toBe(8);
    expect(expectWindow(await models({ 'x-api-key': two.key }), 1000)).toBe(999);
    expect(expectWindow(await models({ 'x-api-key': one.key }), 9)).toBe(7);
    await service.addMember(org, 'grace', 'developer');
    const authorization = `Bearer ${service.dashboardToken({ user: 'grace', tenant: org.tenantId })}`;
    expect(expectWindow(await models({ authorization }), 1000, 'user')).toBe(999);
    expect(expectWindow(await models({ authorization }), 1000, 'user')).toBe(998);
  });
});

describe('for a caller who is not recognised', () => {
  it.each<[string, string, string, Record<string, string>]>([
    ['an unknown key', 'GET', '/v1/models', { 'x-api-key': 'sk_gh_0000000000000000000000000000000000' }],
    ['no credential', 'GET', '/v1/models', {}],
    ['two identities', 'GET', '/v1/models', { 'x-api-key': 'sk_x', authorization: 'Bearer sk_y' }],
    ['an unknown path', 'GET', '/nothing', {}],
    ['the health', 'GET', '/health/live', {}],
    ['the documentation', 'GET', '/openapi.json', {}],
  ])('%s shows no window', async (_what, method, path, headers) => {
    const answer = await service.call(method, path, { headers });
    expect(Object.keys(answer.headers).filter((name) => /ratelimit|retry-after/.test(name))).toEqual([]);
  });

  it('a health probe is not counted, whatever credential it has', async () => {
    const { key: unused } = await service.createKey(org, { requestsPerMinute: 2 });
    for (let index = 0; index < 5; index += 1) {
      expect((await service.call('GET', '/health/ready', { headers: { 'x-api-key': unused } })).status).toBe(200);
    }
    expect(expectWindow(await service.call('GET', '/v1/models', { headers: { 'x-api-key': unused } }), 2)).toBe(1);
  });
});

describe('a browser', () => {
  const ORIGIN = { origin: 'https://app.example' };

  it.each(['/v1/chat/completions', '/api/v1/api-keys/create', '/v1/models', '/nothing'])(
    'gets a positive preflight at %s, and is not counted',
    async (path) => {
      const { key: unused } = await service.createKey(org, { requestsPerMinute: 2 });
      const wanted = 'authorization,content-type,x-api-key,x-stainless-arch,x-stainless-helper-method,x-anything';
      for (let index = 0; index < 4; index += 1) {
        const answer = await service.call('OPTIONS', path, {
          headers: {
            ...ORIGIN,
            'access-control-request-method': 'POST',
            'access-control-request-headers': wanted,
            'x-api-key': unused,
          },
        });
        expect(answer.status).toBe(204);
        expect(answer.text).toBe('');
        expect(answer.headers).toMatchObject({
          'access-control-allow-origin': '*',
          'access-control-max-age': '600',
          'access-control-allow-headers': wanted,
        });
        expect(answer.headers['access-control-allow-methods']).toContain('POST');
        expect(answer.headers).not.toHaveProperty('access-control-allow-credentials');
        expect(answer.headers).not.toHaveProperty('x-ratelimit-limit');
      }
      expect(expectWindow(await service.call('GET', '/v1/models', { headers: { 'x-api-key': unused } }), 2)).toBe(1);
    },
  );

  it.each<[string, number, Record<string, string>]>([
    ['an answer', 200, {}],
    ['a refusal', 400, { 'x-human-id': ' ' }],
    ['a rejected key', 401, { 'x-api-key': 'sk_gh_0000000000000000000000000000000000' }],
  ])('may read the headers of %s (%d)', async (_what, status, headers) => {
    const answer = await service.call('GET', '/v1/models', { headers: { 'x-api-key': key, ...ORIGIN, ...headers } });
    expect(answer.status).toBe(status);
    expect(answer.headers['access-control-allow-origin']).toBe('*');
    expect(answer.headers).not.toHaveProperty('access-control-allow-credentials');
    const exposed = String(answer.headers['access-control-expose-headers']).toLowerCase().split(/,\s*/);
    expect(exposed).toEqual(expect.arrayContaining(EXPOSED));
  });

  it('may read the headers of a stream', async () => {
    const body = { model: UPSTREAM_MODEL, messages: MESSAGES, stream: true };
    const answer = await service.call('POST', '/v1/chat/completions', {
      headers: { 'x-api-key': key, ...ORIGIN },
      body,
    });
    expect(answer.headers['access-control-allow-origin']).toBe('*');
    expect(String(answer.headers['access-control-expose-headers'])).toContain('X-RateLimit-Remaining');
  });
});
