/** A human's app, with OpenAI's own client and a usage token as its key; and invalid tokens. */
import { createPrivateKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import OpenAI from 'openai';
import { connectionTo } from '../../support/sql.js';
import { eventually, pause } from '../../support/eventually.js';
import { UPSTREAM_MODEL, streamPieces } from '../../support/openai-upstream.js';
import { startUserIssuer, type UserIssuer } from '../../support/oidc-issuer.js';
import { startService, type MadeKey, type Org, type TestService } from '../../support/service.js';
import { OpenStream } from '../open-stream.js';
import { settledCall } from '../ledger.js';
import { UsageServer, askedLimits, bearer, chat, statusOf } from './usage-client.js';

const ASK = { model: UPSTREAM_MODEL, messages: [{ role: 'user' as const, content: 'Say hello.' }] };

let users: UserIssuer;
let service: TestService;
let org: Org;
let key: MadeKey;
let server: UsageServer;

beforeAll(async () => {
  users = await startUserIssuer();
  service = await startService({ settings: { ...users.settings, requestsPerMinutePerHuman: 1_000_000 } });
  org = await service.createOrg('founder');
  key = await service.createKey(org);
  server = new UsageServer(service, key.key);
});

afterAll(async () => {
  await service.stop();
  await users.stop();
});

/** A stream whose first words have arrived. */
async function openStream(token: string): Promise<OpenStream> {
  const words = Array.from({ length: 40 }, (_, index) => ` word${index}`);
  service.upstream.next({ kind: 'stream', pieces: streamPieces({ words }), delayMs: 25 });
  const stream = OpenStream.start(service, token, { ...ASK, stream: true });
  await stream.until('word0');
  return stream;
}

const clientOf = (apiKey: string): OpenAI => new OpenAI({ baseURL: `${service.baseUrl}/v1`, apiKey, maxRetries: 0 });

describe("OpenAI's client with a usage token", () => {
  it("completes, streams and lists models, charged to the token's human at the token's key", async () => {
    const client = clientOf(await server.token('ann', { limits: [{ type: 'request_cnt', value: 10 }] }));
    const { choices } = await client.chat.completions.create(ASK);
    expect(choices[0]?.message.content).toBe('Hello from the upstream.');
    const [human] = await service.sql<{ id: string }>("SELECT id FROM humans WHERE human = 'ann'");
    expect(await settledCall(service)).toMatchObject({ key_id: key.keyId, human_id: human?.id, user_id: null });
    let streamed = '';
    for await (const { choices: pieces } of await client.chat.completions.create({ ...ASK, stream: true })) {
      streamed += pieces[0]?.delta.content ?? '';
    }
    expect(streamed).not.toBe('');
    expect((await client.models.list()).data.map(({ id }) => id)).toContain(UPSTREAM_MODEL);
    expect(await server.limits('ann')).toEqual([{ type: 'request_cnt', value: 8 }]);
  });

  it('gets a used-up limit as a quota error, and is told not to retry', async () => {
    const client = clientOf(await server.token('bea', { limits: [{ type: 'request_cnt', value: 0 }] }));
    const before = service.upstream.requests.length;
    await expect(client.chat.completions.create(ASK)).rejects.toMatchObject({
      status: 429,
      type: 'usage_limit_exceeded',
    });
    expect(service.upstream.requests).toHaveLength(before);
  });

  it('is refused as unauthenticated once the token is revoked', async () => {
    const client = clientOf(await server.token('cem'));
    await client.chat.completions.create(ASK);
    await server.revoke('cem');
    await eventually(() =>
      expect(client.chat.completions.create(ASK)).rejects.toBeInstanceOf(OpenAI.AuthenticationError),
    );
  });

  it('finishes an open stream, which is charged, although the token is revoked meanwhile', async () => {
    const token = await server.token('dan', { limits: [{ type: 'request_cnt', value: 5 }] });
    const stream = await openStream(token);
    await server.revoke('dan');
    await eventually(async () => (await statusOf(service, token)) === 401);
    await stream.whole();
    expect(stream.events.at(-1)).toBe('[DONE]');
    expect(await server.limits('dan')).toEqual([{ type: 'request_cnt', value: 4 }]);
  });

  it('gets the rest of its limit only once earlier usage is charged', async () => {
    const token = await server.token('eve', { limits: [{ type: 'request_cnt', value: 5 }] });
    const stream = await openStream(token);
    const holder = connectionTo(service.database.superuserUrl);
    await holder.connect();
    try {
      // The call was admitted; its usage can't be written while another transaction locks the human's row.
      await holder.query('BEGIN');
      await holder.query("SELECT 1 FROM humans WHERE human = 'eve' FOR UPDATE");
      await stream.whole();
      const asked = askedLimits(service, token);
      await pause(100);
      await holder.query('COMMIT');
      expect((await asked).json()).toEqual([{ type: 'request_cnt', value: 4 }]);
    } finally {
      await holder.end();
    }
  });

  it('reads its own threads', async () => {
    const headers = bearer(await server.token('ann'));
    const answer = await service.call('POST', '/api/v1/llm/gateway/list-threads', { headers, body: {} });
    expect([answer.status, answer.json()]).toEqual([200, { threads: [], nextPageToken: '' }]);
  });

  it('contains nothing about its human or tenant', async () => {
    const [header, payload] = (await server.token('ann@example.org'))
      .split('.', 2)
      .map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>);
    expect(header).toEqual({ alg: 'ES256', typ: 'usage+jwt', kid: expect.any(String) });
    expect(payload).toEqual({
      iss: 'urn:gatehouse:usage-tokens',
      jti: expect.stringMatching(/^ut_[0-9A-Za-z]{24}$/),
      iat: expect.any(Number),
    });
  });
});

describe('beside another identity', () => {
  it('a publishable key: 401; a secret key: 400; the same human: accepted, another: 403', async () => {
    const token = await server.token('ann');
    const { result } = await service.asUser<{ result: MadeKey }>(
      { user: org.user, tenant: org.tenantId },
      'api-keys/create-publishable',
      { name: 'An app', oidc_config: users.oidcConfig, unlimited: true },
    );
    const status = async (headers: object): Promise<number> =>
      (await chat(service, { ...bearer(token), ...headers })).status;
    expect(await status({ 'x-api-key': result.key })).toBe(401);
    expect(await status({ 'x-api-key': key.key })).toBe(400);
    expect(await status({ 'x-human-id': 'ann' })).toBe(200);
    expect(await status({ 'x-human-id': 'bea' })).toBe(403);
    expect(await status({ 'x-human-id': ' ' })).toBe(400);
    expect(await status({ 'x-on-behalf-of': 'ann' })).toBe(403);
  });
});

describe('a malformed token', () => {
  const STRANGERS = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const ours = (): KeyObject => createPrivateKey(service.settings.signingKeys);

  /** A good token's header and claims, changed, and signed by one of our own keys unless the test says otherwise. */
  function forged(token: string, header: object, claims: object, signer: KeyObject | null = ours()): string {
    const [before = {}, said = {}] = token
      .split('.', 2)
      .map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()) as object);
    const content = `${encoded({ ...before, ...header })}.${encoded({ ...said, ...claims })}`;
    if (signer === null) return `${content}.`;
    return `${content}.${sign('sha256', Buffer.from(content), { key: signer, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
  }

  it('is refused, whatever its mistake', async () => {
    const good = await server.token('ann');
    const [header = '', payload = '', signature = ''] = good.split('.');
    const lastOf = (text: string): string => text.slice(0, -1) + (text.endsWith('A') ? 'B' : 'A');
    const { issuer } = service;
    const dashboards = { sub: org.user, user_id: org.user, tenant_id: org.tenantId };
    const claims = { iss: 'urn:gatehouse:usage-tokens', jti: 'ut_000000000000000000000000' };
    const bad: Record<string, string> = {
      'alg none': forged(good, { alg: 'none' }, {}, null),
      'alg none, signed': forged(good, { alg: 'none' }, {}),
      'alg none beside a good signature': `${encoded({ alg: 'none', typ: 'usage+jwt' })}.${payload}.${signature}`,
      'another alg': forged(good, { alg: 'HS256' }, {}),
      'a JWT of ours of another type': forged(good, { typ: 'JWT' }, {}),
      'a JWT of ours of no type': forged(good, { typ: undefined }, {}),
      'a type spelled otherwise': forged(good, { typ: 'USAGE+JWT' }, {}),
      'an unknown kid': forged(good, { kid: 'nobody' }, {}),
      'no kid': forged(good, { kid: undefined }, {}),
      'a kid that is no text': forged(good, { kid: 1 }, {}),
      'something critical': forged(good, { crit: ['b64'] }, {}),
      'a key of a stranger': forged(good, {}, {}, STRANGERS),
      'no jti': forged(good, {}, { jti: undefined }),
      'a jti that is none of ours': forged(good, {}, { jti: "' OR true" }),
      'another payload': `${header}.${encoded({ iss: 'urn:gatehouse:usage-tokens', jti: 'ut_1' })}.${signature}`,
      'another signature': `${header}.${payload}.${signature.slice(1)}A`,
      'the signature spelled otherwise': `${header}.${payload}.${lastOf(signature)}`,
      'a signature cut short': `${header}.${payload}.${signature.slice(0, -2)}`,
      'no signature': `${header}.${payload}.`,
      'signed as the dashboard signs': issuer.sign({ ...dashboards, ...claims }),
    };
    for (const [how, token] of Object.entries(bad)) {
      expect([how, (await askedLimits(service, token)).status]).toEqual([how, 401]);
    }
    expect(await statusOf(service, good)).toBe(200);
  });

  it('is refused even if our own key signed it, unless its claims are those of an issued token', async () => {
    const good = await server.token('ann');
    expect(await statusOf(service, forged(good, {}, {}))).toBe(200);
    expect(await statusOf(service, forged(good, {}, { jti: 'ut_000000000000000000000000' }))).toBe(401);
    // Another issuer's name leads to another verifier.
    expect(await statusOf(service, forged(good, {}, { iss: 'urn:gatehouse:development-only' }))).toBe(401);
  });
});
