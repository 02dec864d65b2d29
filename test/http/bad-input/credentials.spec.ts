import { withOtherEnd } from '../../support/other-end.js';
import type { Answer, MadeKey, Org } from '../../support/service-client.js';
import { sharedService, type SharedService } from '../../support/shared-service.js';
import { rowCounts } from '../ledger.js';
import { RawConnection, sendRaw } from '../raw-http.js';
import { openaiError, platformError } from '../refusals.js';

let service: SharedService;
let org: Org;
let key: MadeKey;
let goodToken: string;
let before: Record<string, number>;

beforeAll(async () => {
  service = await sharedService();
  org = await service.createOrg();
  key = await service.createKey(org);
  goodToken = service.dashboardToken({ user: org.user, tenant: org.tenantId });
  before = await rowCounts(service);
});

afterAll(() => service.stop());

afterEach(async () => {
  expect(service.upstream.requests).toEqual([]);
  expect(await rowCounts(service)).toEqual(before);
  for (const headers of [{ 'x-api-key': key.key }, { authorization: `Bearer ${goodToken}` }]) {
    expect((await service.call('GET', '/v1/models', { headers })).status).toBe(200);
  }
});

const BODY = { model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hi' }] };

/** The challenge for each code. */
const CHALLENGES: Readonly<Record<string, string>> = {
  missing_credential: 'Bearer',
  wrong_scheme: 'Bearer',
  publishable_key_needs_user_token: 'Bearer',
  malformed_credential: 'Bearer error="invalid_token"',
  expired_token: 'Bearer error="invalid_token"',
  invalid_credential: 'Bearer error="invalid_token"',
};

/** Sends the same headers to both surfaces, each of which must refuse them in its own dialect. */
async function expectRefused(
  headers: Record<string, string | string[]>,
  status: number,
  code = 'invalid_credential',
): Promise<Answer[]> {
  const chat = await service.call('POST', '/v1/chat/completions', { headers, body: BODY });
  const { code: told } = openaiError(chat, status);
  const keys = await service.call('POST', '/api/v1/api-keys/create', { headers, body: { name: 'Stolen' } });
  const { details } = platformError(keys, status);
  if (status === 401) expect({ told, details }).toEqual({ told: code, details: [{ reason: code }] });
  for (const answer of [chat, keys]) {
    // No caller was recognised, so no request is counted and the answer shows no window.
    expect(Object.keys(answer.headers).filter((name) => /ratelimit/.test(name))).toEqual([]);
    expect(answer.headers['www-authenticate']).toBe(status === 401 ? CHALLENGES[code] : undefined);
  }
  return [chat, keys];
}

describe('a dashboard token', () => {
  it('of every broken kind is refused with 401, at both surfaces', async () => {
    const broken = service.issuer.brokenTokens({ sub: org.user, tenant_id: org.tenantId });
    expect(Object.keys(broken).length).toBeGreaterThan(30);
    // In one list, so that a failure names the kinds that passed.
    const passed: string[] = [];
    for (const [kind, token] of Object.entries(broken)) {
      const headers = { authorization: `Bearer ${token}` };
      const answers = [
        await service.call('POST', '/v1/chat/completions', { headers, body: BODY }),
        await service.call('POST', '/api/v1/api-keys/create', { headers, body: { name: 'Stolen' } }),
        await service.call('POST', '/api/v1/orgs/create', { headers, body: { name: 'Stolen' } }),
      ];
      if (answers.some(({ status }) => status !== 401))
        passed.push(`${kind}: ${answers.map(({ status }) => status).join()}`);
      for (const { text } of answers) expect(text).not.toContain(token);
    }
    expect(passed).toEqual([]);
  });

  it.each<[string, string, Record<string, string>]>([
    ['nothing', 'missing_credential', {}],
    ['an empty one', 'malformed_credential', { authorization: '' }],
    ['Bearer alone', 'malformed_credential', { authorization: 'Bearer' }],
    ['Bearer and blanks', 'malformed_credential', { authorization: 'Bearer   ' }],
    ['another scheme', 'wrong_scheme', { authorization: 'Basic Zm9vOmJhcg==' }],
    ['no scheme', 'wrong_scheme', { authorization: 'sk_gh_0000000000000000000000000000000000' }],
    ['two in one', 'malformed_credential', { authorization: 'Bearer a.b.c d.e.f' }],
    ['two in one by a comma', 'malformed_credential', { authorization: 'Bearer a.b.c, Bearer d.e.f' }],
    ['a very long one', 'malformed_credential', { authorization: `Bearer ${'a'.repeat(9000)}` }],
    ['dots alone', 'malformed_credential', { authorization: 'Bearer ..' }],
    [
      'an unknown issuer',
      'invalid_credential',
      { authorization: `Bearer e30.${Buffer.from('{"iss":"https://evil.example"}').toString('base64url')}.x` },
    ],
    [
      'an issuer that is an object',
      'malformed_credential',
      { authorization: `Bearer e30.${Buffer.from('{"iss":{"a":1}}').toString('base64url')}.x` },
    ],
    [
      'the prototype for an issuer',
      'invalid_credential',
      { authorization: `Bearer e30.${Buffer.from('{"iss":"__proto__"}').toString('base64url')}.x` },
    ],
    [
      'the key of an unknown kind',
      'malformed_credential',
      { 'x-api-key': 'key_gh_0000000000000000000000000000000000' },
    ],
    ['a JWT where a key belongs', 'malformed_credential', { 'x-api-key': 'a.b.c' }],
    [
      'a publishable key alone',
      'publishable_key_needs_user_token',
      { 'x-api-key': 'pk_gh_000000000000000000000000000000000' },
    ],
    ['a forged sealed token', 'invalid_credential', { authorization: 'Bearer aisbreaker_eyJ2ZXIiOiIx.x.x.x.x' }],
    [
      'a key with Latin-1 in it',
      'malformed_credential',
      { 'x-api-key': 'sk_gh_\u00e9\u00ff00000000000000000000000000000' },
    ],
    ['a key that is empty', 'malformed_credential', { 'x-api-key': '' }],
  ])('and any other malformed credential is 401: %s, %s', async (_what, code, headers) => {
    await expectRefused(headers, 401, code);
  });
});

describe('a key', () => {
  it('with a bad checksum is refused without a look-up, like one that is cut off', async () => {
    const { key: good } = key;
    const answers = [
      ...(await expectRefused({ 'x-api-key': withOtherEnd(good) }, 401, 'malformed_credential')),
      ...(await expectRefused({ 'x-api-key': 'sk_x' }, 401, 'malformed_credential')),
    ];
    expect(answers[0]!.text).toBe(answers[2]!.text);
  });

  it('with other letters of the same checksum is refused', async () => {
    const other = await service.createKey(org);
    await service.asUser({ user: org.user, tenant: org.tenantId }, 'api-keys/revoke', { key_id: other.keyId });
    await expectRefusedLater(other.key);
    before = await rowCounts(service);
  });

  async function expectRefusedLater(revoked: string): Promise<void> {
    let status = 200;
    while (status === 200)
      ({ status } = await service.call('GET', '/v1/models', { headers: { 'x-api-key': revoked } }));
    await expectRefused({ 'x-api-key': revoked }, 401);
  }
});

describe('two identities', () => {
  it.each<[string, () => Record<string, string>]>([
    ['a key and a token', () => ({ 'x-api-key': key.key, authorization: `Bearer ${goodToken}` })],
    [
      'a key and another key',
      () => ({ 'x-api-key': key.key, authorization: 'Bearer sk_gh_0000000000000000000000000000000000' }),
    ],
    ['a key and anything else', () => ({ 'x-api-key': key.key, authorization: 'Basic Zm9vOmJhcg==' })],
  ])('are 400, and the answer names the field: %s', async (_what, headers) => {
    const [chat, keys] = await expectRefused(headers(), 400);
    expect(openaiError(chat!, 400).param).toBe('authorization');
    expect(platformError(keys!, 400).details).toMatchObject([{ field: 'authorization' }]);
  });

  it('pass where both are the same key', async () => {
    const headers = { 'x-api-key': key.key, authorization: `bearer ${key.key}` };
    expect((await service.call('GET', '/v1/models', { headers })).status).toBe(200);
  });

  it.each(['Authorization', 'X-API-Key'])('in a repeated %s are 400, even where they are equal', async (name) => {
    const value = name === 'Authorization' ? `Bearer ${key.key}` : key.key;
    for (const second of [value, 'Bearer a.b.c', '']) {
      const answer = await sendRaw(service.baseUrl, [
        'GET /v1/models HTTP/1.1',
        `${name}: ${value}`,
        `${name.toLowerCase()}: ${second}`,
      ]);
      expect(answer.status).toBe(400);
      expect(answer.json<{ error: { param: string } }>().error.param).toBe(name.toLowerCase());
    }
  });
});

describe('naming another human', () => {
  it.each([
    ['x-on-behalf-of', 'user_1', false, 403],
    ['x-on-behalf-of', '', true, 400],
    ['x-human-id', '', false, 400],
  ])('by %s: %j (with users:impersonate: %s) is never ignored', async (name, value, may, status) => {
    const used = may ? await service.createKey(org, { scopes: ['chat:write', 'users:impersonate'] }) : key;
    before = await rowCounts(service);
    const headers = { 'x-api-key': used.key, [name]: value };
    const answer = await service.call('POST', '/v1/chat/completions', { headers, body: BODY });
    expect(openaiError(answer, status).message).toContain(name);
  });
});

describe('a large body', () => {
  it.each(['Content-Length: 15000000', 'Transfer-Encoding: chunked'])(
    'of a caller without a valid credential is refused before any of it was sent (%s)',
    async (length) => {
      for (const credential of [
        'X-Nothing: 1',
        'X-API-Key: sk_gh_0000000000000000000000000000000000',
        'Authorization: Bearer a.b.c',
      ]) {
        for (const path of ['/v1/chat/completions', '/api/v1/orgs/create', '/api/v1/api-keys/create']) {
          const head = [`POST ${path} HTTP/1.1`, 'Content-Type: application/json', credential, length];
          expect((await sendRaw(service.baseUrl, head)).status).toBe(401);
        }
      }
    },
  );

  it('that such a caller goes on sending is no longer read by the service', async () => {
    const connection = await RawConnection.open(service.baseUrl);
    connection.send('POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n');
    expect((await connection.answer()).status).toBe(401);
    const sending = setInterval(() => connection.send(Buffer.alloc(65536, 0x20)), 1);
    try {
      await connection.closed();
    } finally {
      clearInterval(sending);
      connection.destroy();
    }
  });
});
