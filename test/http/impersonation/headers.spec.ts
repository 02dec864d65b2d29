/** The human of a request, as the headers on the wire name it. */
import type { OutgoingHttpHeaders } from 'node:http';
import { startService, type Answer, type MadeKey, type Org, type TestService } from '../../support/service.js';
import { startUserIssuer, type UserIssuer } from '../../support/oidc-issuer.js';
import { clearAuditLog, impersonatedCalls } from '../audit/audit-log.js';
import { asEndUser, createAppKey } from '../end-users/app.js';
import { fieldsOf, openaiError, platformError } from '../refusals.js';
import { sendRaw } from '../raw-http.js';

const ON_BEHALF_OF = 'X-On-Behalf-Of';
const HUMAN_ID = 'x-human-id';
const PERCENT = { 'x-human-id-encoding': 'percent' };

let issuer: UserIssuer;
let service: TestService;
let org: Org;
let key: MadeKey;
let bareKey: MadeKey;

beforeAll(async () => {
  issuer = await startUserIssuer();
  service = await startService({ settings: issuer.settings });
  org = await service.createOrg('founder');
  key = await service.createKey(org, { scopes: ['chat:write', 'conversations:read', 'users:impersonate'] });
  bareKey = await service.createKey(org, { scopes: ['chat:write', 'conversations:read'] });
});

afterAll(async () => {
  await service.stop();
  await issuer.stop();
});

beforeEach(() => clearAuditLog(service));

/** Node writes a header's characters as Latin-1: these produce the text's UTF-8 bytes. */
const bytes = (text: string): string => Buffer.from(text).toString('latin1');
/** As bytes: with a body of text, Node would encode the headers as UTF-8 once more. */
const EMPTY_MESSAGE = Buffer.from('{}');

const list = (headers: OutgoingHttpHeaders): Promise<Answer> =>
  service.call('POST', '/api/v1/llm/gateway/list-threads', { headers, body: EMPTY_MESSAGE });
const send = (headers: OutgoingHttpHeaders, apiKey = key.key): Promise<Answer> =>
  list({ 'x-api-key': apiKey, ...headers });

/** Refused on both surfaces in their dialects, with the key's window shown, and without an impersonation. */
async function refused(headers: OutgoingHttpHeaders, status: number, fields: string[] = [], apiKey = key.key) {
  const threads = await send(headers, apiKey);
  const models = await service.call('GET', '/v1/models', { headers: { 'x-api-key': apiKey, ...headers } });
  const error = platformError(threads, status);
  expect(fieldsOf(error)).toEqual([...fields].sort());
  openaiError(models, status);
  for (const { headers: answered } of [threads, models]) expect(answered['x-ratelimit-limit']).toBeDefined();
  expect(await impersonatedCalls(service)).toEqual([]);
  return error;
}

/** The human for whom the log records a request. */
async function actedFor(headers: OutgoingHttpHeaders): Promise<string | null> {
  await clearAuditLog(service);
  const answer = await send(headers);
  expect({ status: answer.status, text: answer.text }).toEqual({
    status: 200,
    text: '{"threads":[],"nextPageToken":""}',
  });
  const [row, ...others] = await impersonatedCalls(service);
  expect(others).toEqual([]);
  return row!.human;
}

describe('X-On-Behalf-Of', () => {
  it('is 403 from a key without users:impersonate, never ignored, even where it is blank or repeated', async () => {
    for (const value of ['ann', '', ' ', bytes('ü'), ['ann', 'ann']]) {
      const error = await refused({ [ON_BEHALF_OF]: value }, 403, [], bareKey.key);
      expect(error.message).toMatch(/users:impersonate/);
    }
    platformError(await list({ authorization: `Bearer ${bareKey.key}`, [ON_BEHALF_OF]: 'ann' }), 403);
  });

  it("is 403 from a person at the dashboard, and from an app’s user, even with the user's own id", async () => {
    const token = service.dashboardToken({ user: org.user, tenant: org.tenantId });
    for (const path of ['/api/v1/llm/gateway/list-threads', '/api/v1/api-keys/list', '/api/v1/orgs/list']) {
      const headers = { authorization: `Bearer ${token}`, [ON_BEHALF_OF]: 'ann' };
      platformError(await service.call('POST', path, { headers, body: {} }), 403);
    }
    const app = await createAppKey(service, org, issuer);
    const user = asEndUser(app, issuer.token({ sub: 'bea' }));
    expect((await list(user)).status).toBe(200);
    await refused({ ...user, [ON_BEHALF_OF]: 'ann' }, 403);
    await refused({ ...user, [ON_BEHALF_OF]: 'bea' }, 403);
    await refused({ ...user, [HUMAN_ID]: 'ann' }, 403);
    expect((await list({ ...user, [HUMAN_ID]: 'bea' })).status).toBe(200);
    expect(await impersonatedCalls(service)).toEqual([]);
  });

  it("is refused on unknown paths too, and an unknown caller gets the credential's error first", async () => {
    const headers = { 'x-api-key': bareKey.key, [ON_BEHALF_OF]: 'ann' };
    platformError(await service.call('POST', '/api/v1/nothing', { headers }), 403);
    openaiError(await service.call('GET', '/v1/nothing', { headers }), 403);
    platformError(await send({ [ON_BEHALF_OF]: 'ann' }, `${bareKey.key.slice(0, -1)}!`), 401);
    platformError(await list({ [ON_BEHALF_OF]: 'ann' }), 401);
  });

  it('and x-human-id must name the same human: otherwise the request is 400', async () => {
    expect(await actedFor({ [ON_BEHALF_OF]: 'ann', [HUMAN_ID]: 'ann' })).toBe('ann');
    await clearAuditLog(service);
    for (const other of ['bea', 'Ann', '', ' '])
      await refused({ [ON_BEHALF_OF]: 'ann', [HUMAN_ID]: other }, 400, [HUMAN_ID]);
    const forms = { [ON_BEHALF_OF]: bytes('é'.normalize('NFC')), [HUMAN_ID]: bytes('é'.normalize('NFD')) };
    await refused(forms, 400, [HUMAN_ID]);
  });
});

describe('x-human-id', () => {
  it('needs no scope of a key, and is not impersonation', async () => {
    expect((await send({ [HUMAN_ID]: bytes('ü 🦊') }, bareKey.key)).status).toBe(200);
    expect(await impersonatedCalls(service)).toEqual([]);
  });

  it('is 403 from a person at the dashboard', async () => {
    const authorization = `Bearer ${service.dashboardToken({ user: org.user, tenant: org.tenantId })}`;
    platformError(await list({ authorization, [HUMAN_ID]: 'ann' }), 403);
  });
});

describe('an id', () => {
  const IDS = [
    'ann',
    'Ann',
    'user_123',
    'é'.normalize('NFC'),
    'é'.normalize('NFD'),
    '山田 太郎',
    '👩‍👩‍👧',
    'ß',
    'a%20b',
    'a,b',
    '🦊'.repeat(256),
  ];

  it('is compared by its UTF-8 bytes: each of these is another human', async () => {
    for (const id of IDS) expect(await actedFor({ [ON_BEHALF_OF]: bytes(id) })).toBe(id);
    const known = await service.sql<{ human: string }>('SELECT DISTINCT human, id FROM humans WHERE tenant_id = $1', [
      org.tenantId,
    ]);
    for (const id of IDS) expect(known.filter(({ human }) => human === id)).toHaveLength(1);
  });

  it('may be percent-encoded, as fetch must send it, and is then the same human', async () => {
    for (const id of IDS) expect(await actedFor({ [ON_BEHALF_OF]: encodeURIComponent(id), ...PERCENT })).toBe(id);
    const answer = await fetch(new URL('/v1/models', service.baseUrl), {
      headers: { 'x-api-key': key.key, [ON_BEHALF_OF]: encodeURIComponent('山田'), ...PERCENT },
    });
    expect(answer.status).toBe(200);
    expect((await impersonatedCalls(service)).at(-1)!.human).toBe('山田');
  });

  it.each([ON_BEHALF_OF, HUMAN_ID])('in %s is 400 where it is malformed', async (name) => {
    const field = name.toLowerCase();
    const wrong: [value: string | string[], fields?: string[]][] = [
      [''],
      ['   '],
      [bytes('\u00a0')],
      [bytes('\u3000')],
      [['ann', 'ann']],
      [['ann', 'bea']],
      [Buffer.from([0xfc]).toString('latin1')],
      [Buffer.from([0xed, 0xa0, 0x80]).toString('latin1')],
      [Buffer.from([0xc0, 0xaf]).toString('latin1')],
      ['x'.repeat(257)],
      [bytes('🦊'.repeat(257))],
    ];
    for (const [value] of wrong) await refused({ [name]: value }, 400, [field]);
    const encoded = [
      '%00',
      'a%00b',
      '%',
      '%zz',
      '%u1234',
      '%ED%A0%80',
      '%ED%A0%BD%ED%B8%80',
      '%FC',
      '%20',
      'x'.repeat(257),
      bytes('ü'),
    ];
    for (const value of encoded) await refused({ [name]: value, ...PERCENT }, 400, [field]);
    for (const encoding of ['Percent', 'base64', '', ['percent', 'percent']])
      await refused({ [name]: 'ann', 'x-human-id-encoding': encoding }, 400, ['x-human-id-encoding']);
    expect(await service.sql("SELECT 1 FROM humans WHERE human IN ('a', 'ann, bea', 'a\uFFFD')")).toEqual([]);
  });

  it("with bytes that a header can't contain never reaches a handler", async () => {
    for (const value of ['an\0n', 'an\x01n', 'an\x7fn']) {
      const answer = await sendRaw(service.baseUrl, [
        'GET /v1/models HTTP/1.1',
        `X-API-Key: ${key.key}`,
        `X-On-Behalf-Of: ${value}`,
        'Connection: close',
      ]).catch(() => ({ status: 400 }));
      expect(answer.status).toBe(400);
    }
    expect(await impersonatedCalls(service)).toEqual([]);
  });
});
