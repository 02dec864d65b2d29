/** Whatever a caller sends, the answer is JSON and not a 5xx, and the service keeps running. */
import fc from 'fast-check';
import { UPSTREAM_MODEL } from '../../support/openai-upstream.js';
import { startService, type Answer, type TestService } from '../../support/service.js';
import { settledCalls } from '../ledger.js';

const SEED = 20_261_121;

let service: TestService;
let key: string;
let token: string;

beforeAll(async () => {
  service = await startService({ settings: { requestsPerMinute: 1_000_000, bodyLimitBytes: 50_000 } });
  const org = await service.createOrg('founder');
  ({ key } = await service.createKey(org));
  token = service.dashboardToken({ user: org.user, tenant: org.tenantId });
});

afterAll(() => service.stop());

const anyText = fc.string({ unit: 'binary', maxLength: 30 });
const nasty = fc.constantFrom<unknown>(
  '\0',
  '\ud800',
  '__proto__',
  '',
  -1,
  0,
  1.5,
  1e308,
  2 ** 53,
  null,
  true,
  [],
  {},
  [[]],
  [null],
  '2031-01-01T00:00:00Z',
);
const anyValue = fc.oneof(fc.jsonValue({ maxDepth: 3 }), nasty, anyText);

/** A good body with one to three of its fields, or other fields, set to any value; sometimes cut or doubled as text. */
function bodies(good: Readonly<Record<string, unknown>>, others: readonly string[]): fc.Arbitrary<string> {
  const field = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...Object.keys(good), ...others) },
    { weight: 1, arbitrary: anyText },
  );
  const changed = fc.array(fc.tuple(field, anyValue), { minLength: 1, maxLength: 3 }).map((changes) => {
    const fields = [...Object.entries(good), ...changes].map(
      ([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`,
    );
    return `{${[...new Map(fields.map((text) => [text.slice(0, text.indexOf(':')), text])).values()].join(',')}}`;
  });
  const broken = fc
    .tuple(changed, fc.nat(), anyText)
    .map(([text, at, piece]) => text.slice(0, at % (text.length + 1)) + piece);
  return fc.oneof(
    { weight: 5, arbitrary: changed },
    { weight: 1, arbitrary: broken },
    { weight: 1, arbitrary: anyText },
  );
}

const headerValue = fc.string({
  unit: fc
    .integer({ min: 0x20, max: 0xff })
    .filter((byte) => byte !== 0x7f)
    .map((byte) => String.fromCharCode(byte)),
  maxLength: 40,
});

function check(answer: Answer): void {
  const { status, text } = answer;
  if (status >= 500 || status < 200) throw new Error(`answered ${status}: ${text}`);
  expect(answer.headers['x-request-id']).toMatch(/^[A-Za-z0-9._:-]{1,128}$/);
  if (status >= 400) expect(answer.json()).toHaveProperty('error');
}

describe('no answer is ever a 5xx', () => {
  it('to chat completions', async () => {
    const good = { model: UPSTREAM_MODEL, messages: [{ role: 'user', content: 'Hi' }], stream: false };
    const others = [
      'max_tokens',
      'max_completion_tokens',
      'n',
      'stream_options',
      'tools',
      'response_format',
      'stop',
      'user',
    ];
    await fc.assert(
      fc.asyncProperty(bodies(good, others), async (body) => {
        check(
          await service.call('POST', '/v1/chat/completions', { headers: { authorization: `Bearer ${key}` }, body }),
        );
      }),
      { seed: SEED, numRuns: 120 },
    );
    const passed = service.upstream.requests.length;
    expect(passed).toBeGreaterThan(0);
    await settledCalls(service, passed);
  });

  it.each([
    [
      'api-keys/create',
      {
        name: 'K',
        description: 'D',
        permissions: ['chat:write'],
        rate_limit: { requests_per_minute: 5 },
        expires_at: '2031-01-01T00:00:00Z',
      },
      ['rateLimit', 'expiresAt'],
    ],
    [
      'api-keys/update',
      { key_id: 'key_x', name: 'K', never_expires: true },
      ['rate_limit', 'expiresAt', 'permissions'],
    ],
    ['api-keys/list', { page_size: 5, page_token: '' }, ['pageSize', 'pageToken']],
    [
      'tenants/update',
      { tenant_id: 'x', name: 'T', default_limits: [{ type: 'token_cnt', value: 1 }] },
      ['tenantId', 'defaultLimits'],
    ],
    [
      'humans/upsert',
      { human: 'ann', limits: [{ type: 'token_cnt', value: 1.5 }], remove_limits: ['request_cnt'] },
      ['removeLimits'],
    ],
    ['humans/list', { page_size: 5, page_token: '' }, ['pageSize', 'pageToken']],
    ['humans/delete', { human: 'ann' }, []],
    [
      'usage/report',
      { type: 'conversational_seconds', value: 1.5, human: 'ann', idempotency_key: 'k' },
      ['idempotencyKey'],
    ],
    [
      'usage/query',
      {
        start_time: '2026-01-01T00:00:00Z',
        end_time: '2026-02-01T00:00:00Z',
        group_by: ['HUMAN', 'DAY'],
        format: 'JSON',
      },
      ['startTime', 'endTime', 'human', 'key_id', 'model', 'page_token'],
    ],
    ['orgs/create', { name: 'Acme', slug: 'acme' }, ['display_name']],
  ])('to %s', async (route, good, others) => {
    await fc.assert(
      fc.asyncProperty(bodies(good, others), async (body) => {
        check(await service.call('POST', `/api/v1/${route}`, { headers: { authorization: `Bearer ${token}` }, body }));
      }),
      { seed: SEED, numRuns: 30 },
    );
  });

  it('to any headers', async () => {
    const names = [
      'authorization',
      'x-api-key',
      'content-type',
      'content-encoding',
      'x-request-id',
      'x-human-id',
      'x-on-behalf-of',
      'origin',
      'accept',
      'if-none-match',
      'range',
      'cookie',
    ];
    const presented = fc.oneof(
      headerValue,
      headerValue.map((text) => `Bearer ${text}`),
      headerValue.map((text) => `sk_gh_${text}`),
      fc
        .tuple(anyText, fc.jsonValue())
        .map(
          ([head, payload]) =>
            `Bearer ${[head, JSON.stringify(payload), 'x'].map((part) => Buffer.from(part).toString('base64url')).join('.')}`,
        ),
    );
    await fc.assert(
      fc.asyncProperty(fc.dictionary(fc.constantFrom(...names), presented, { maxKeys: 5 }), async (headers) => {
        check(await service.call('POST', '/v1/chat/completions', { headers, body: '{}' }));
        check(await service.call('POST', '/api/v1/orgs/create', { headers, body: '{}' }));
      }),
      { seed: SEED, numRuns: 60 },
    );
  });

  it('and the service still serves afterwards', async () => {
    const body = { model: UPSTREAM_MODEL, messages: [{ role: 'user', content: 'Hi' }] };
    expect((await service.call('POST', '/v1/chat/completions', { headers: { 'x-api-key': key }, body })).status).toBe(
      200,
    );
  });
});
