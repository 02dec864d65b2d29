/** Sealed access tokens: made, used on `/process` and by OpenAI's clients, and what is never done with them. */
import OpenAI from 'openai';
import { eventually } from '../../support/eventually.js';
import { startService, type Org, type TestService } from '../../support/service.js';
import { clearLedger, settledCall } from '../ledger.js';
import { OpenStream } from '../open-stream.js';
import {
  askForToken,
  askedBody,
  eventsOf,
  mint,
  mintBody,
  OPENAI_SECRET,
  processing,
  textOf,
  type Secret,
} from './sealed-client.js';

const MANY = [1_000_000, 1_000_000, 1_000_000] as const;
const DUMMY = { serviceId: 'chat:dummy' };

let service: TestService;
let org: Org;
let key: string;
let keyId: string;

beforeAll(async () => {
  service = await startService({
    settings: {
      sealedGlobalQuota: MANY,
      sealedClientQuota: MANY,
      anonymousGlobalQuota: MANY,
      anonymousClientQuota: MANY,
    },
  });
  org = await service.createOrg('founder');
  ({ key, keyId } = await service.createKey(org));
});

afterAll(() => service.stop());

beforeEach(async () => {
  service.upstream.reset();
  await clearLedger(service);
});

const secret = (serviceId: string, authSecret: string): Secret => ({ serviceId, authSecret });
const sentUpstream = (): (string | undefined)[] =>
  service.upstream.requests.map(({ headers }) => headers.authorization);

describe('a token that is made without a credential', () => {
  it('begins as clients know it, and is not kept by anybody on the way', async () => {
    const answer = await askForToken(service, { span: '365d', client: [60, 600, 600], global: [120, 1200, 1200] });
    expect(answer.status).toBe(200);
    expect(answer.json()).toEqual({
      access_token: expect.stringMatching(/^aisbreaker_eyJ2ZXIi/),
      token_type: 'Bearer',
    });
    expect(answer.headers['cache-control']).toBe('no-store');
  });

  it('drives /process: the secret for the service arrives upstream, and the call stands in the ledger', async () => {
    const { token } = await mint(service);
    const answer = await processing(service, token);
    expect(answer.status).toBe(200);
    expect(answer.json()).toEqual({
      outputs: [{ text: { index: 0, role: 'assistant', content: expect.stringMatching(/./) } }],
      conversationState: expect.any(String),
      usage: {
        service: { serviceId: 'chat:openai.com/gpt-4o-mini', engine: 'gpt-4o-mini' },
        totalMilliseconds: expect.any(Number),
      },
    });
    expect(sentUpstream()).toEqual([`Bearer ${OPENAI_SECRET}`]);
    const sent = JSON.parse(service.upstream.requests[0]!.body.toString()) as Record<string, unknown>;
    expect(sent).toMatchObject({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hello' }] });
    expect(await settledCall(service)).toMatchObject({ outcome: 'OK', model: 'gpt-4o-mini' });
    const rows = await service.sql(
      'SELECT tenant_id, key_id, provider, length(sealed_token_hash) AS hash FROM usage_records',
    );
    expect(rows).toEqual([{ tenant_id: 'gatehouse-anonymous', key_id: null, provider: 'sealed/openai.com', hash: 64 }]);
  });

  it.each([
    ['gpt-4o-mini', 'gpt-4o-mini'],
    ['chat:openai.com/gpt-4o-mini', 'gpt-4o-mini'],
    ['openai.com/gpt-4o', 'gpt-4o'],
    ['ft:gpt-4o-mini:acme::b7', 'ft:gpt-4o-mini:acme::b7'],
  ])('drives completions of OpenAI’s client: %s goes upstream as %s', async (model, sent) => {
    const { token } = await mint(service);
    const client = new OpenAI({ baseURL: `${service.baseUrl}/v1`, apiKey: token, maxRetries: 0 });
    const completion = await client.chat.completions.create({ model, messages: [{ role: 'user', content: 'Hi' }] });
    expect(completion.choices[0]?.message.content).toMatch(/./);
    expect(sentUpstream()).toEqual([`Bearer ${OPENAI_SECRET}`]);
    expect(JSON.parse(service.upstream.requests[0]!.body.toString())).toMatchObject({ model: sent });
  });

  it('drives embeddings and responses too', async () => {
    const { token } = await mint(service);
    const client = new OpenAI({ baseURL: `${service.baseUrl}/v1`, apiKey: token, maxRetries: 0 });
    await client.embeddings.create({ model: 'text-embedding-3-small', input: 'a' });
    await client.responses.create({ model: 'gpt-4o-mini', input: 'a' });
    expect(sentUpstream()).toEqual([`Bearer ${OPENAI_SECRET}`, `Bearer ${OPENAI_SECRET}`]);
  });

  it.each(['chat:dummy', 'chat:dummy/any'])('drives the echo, without any secret: %s', async (serviceId) => {
    const { token } = await mint(service, { secrets: [] });
    expect(textOf(await processing(service, token, { serviceId, text: 'Echo' }))).toContain('Echo');
    const client = new OpenAI({ baseURL: `${service.baseUrl}/v1`, apiKey: token, maxRetries: 0 });
    const messages = [{ role: 'user' as const, content: 'Echo' }];
    expect(
      (await client.chat.completions.create({ model: serviceId, messages })).choices[0]?.message.content,
    ).toContain('Echo');
    expect(service.upstream.requests).toEqual([]);
  });
});

describe('a token that is made with a secret key', () => {
  it("belongs to the key's tenant, carries the key's id, and dies with the key", async () => {
    const { key: mortal, keyId: mortalId } = await service.createKey(org);
    const { token } = await mint(service, { key: mortal });
    expect((await processing(service, token)).status).toBe(200);
    await settledCall(service);
    expect(await service.sql('SELECT tenant_id, key_id FROM usage_records')).toEqual([
      { tenant_id: org.tenantId, key_id: mortalId },
    ]);
    await service.asUser({ user: org.user, tenant: org.tenantId }, 'api-keys/revoke', { key_id: mortalId });
    await eventually(async () => (await processing(service, token)).status === 401);
  });

  it('is held to the budgets of its key and of its tenant', async () => {
    const limited = await service.createKey(org);
    await service.asUser({ user: org.user, tenant: org.tenantId }, 'budgets/set', {
      ...{ holder: { keyId: limited.keyId }, type: 'request_cnt', period: 'DAY', limit: '1' },
    });
    const { token } = await mint(service, { key: limited.key });
    expect((await processing(service, token)).status).toBe(200);
    const refused = await processing(service, token);
    expect([refused.status, refused.headers['retry-after'], service.upstream.requests.length]).toEqual([
      429,
      expect.stringMatching(/^\d+$/),
      1,
    ]);
  });

  it('may only use the models of the key', async () => {
    const confined = await service.createKey(org);
    await service.sql("UPDATE api_keys SET models = '{gpt-4o}' WHERE id = $1", [confined.keyId]);
    const { token } = await mint(service, { key: confined.key });
    expect((await processing(service, token, { serviceId: 'chat:openai.com/gpt-4o' })).status).toBe(200);
    expect((await processing(service, token)).status).toBe(403);
    expect(service.upstream.requests.length).toBe(1);
  });

  it('needs a key that may chat; no other caller makes tokens', async () => {
    const { key: reader } = await service.createKey(org, { scopes: ['usage:read'] });
    expect((await askForToken(service, { key: reader })).status).toBe(403);
    const token = service.dashboardToken({ user: org.user, tenant: org.tenantId });
    const headers = { authorization: `Bearer ${token}` };
    expect((await service.call('POST', '/api/v1/oauth/token', { headers, body: mintBody() })).status).toBe(403);
    expect(keyId).not.toBe('');
  });
});

describe('which secret', () => {
  const FIRST = secret('chat:openai.com/gpt-4', 'sk-first');
  const SECOND = secret('chat:openai.com', 'sk-second');
  const ANY = secret('', 'sk-any');

  it.each<[string, readonly Secret[], string, string]>([
    ['the first entry that the service id begins with', [FIRST, SECOND, ANY], 'chat:openai.com/gpt-4o', 'sk-first'],
    ['in their order, not by length', [SECOND, FIRST], 'chat:openai.com/gpt-4o', 'sk-second'],
    ['an entry for other services is passed over', [FIRST, SECOND], 'chat:openai.com/o3', 'sk-second'],
    ['an empty id is for all', [secret('chat:google.com', 'x'), ANY], 'chat:openai.com/o3', 'sk-any'],
    ['a part of a name is a beginning too', [secret('chat:open', 'sk-part')], 'chat:openai.com/o3', 'sk-part'],
    ['a service without an engine gets one', [SECOND], 'chat:openai.com', 'sk-second'],
    ['INVALID goes upstream', [secret('', 'INVALID')], 'chat:openai.com/o3', 'INVALID'],
  ])('%s', async (_what, secrets, serviceId, arrived) => {
    const { token } = await mint(service, { secrets });
    expect((await processing(service, token, { serviceId })).status).toBe(200);
    expect(sentUpstream()).toEqual([`Bearer ${arrived}`]);
  });

  it.each<[string, readonly Secret[]]>([
    ['none', []],
    ['none for it', [secret('chat:anthropic.com', 'x')]],
    ['an empty one', [secret('chat:openai.com', '')]],
    ['an empty one that comes first', [secret('chat:openai.com', ''), ANY]],
    ['one whose id only looks like it', [secret('CHAT:OPENAI.COM', 'x')]],
  ])(
    'a token with %s is refused, though the tenant and the platform have keys of their own',
    async (_what, secrets) => {
      for (const made of [{ secrets }, { secrets, key }]) {
        const { token } = await mint(service, made);
        const answer = await processing(service, token);
        expect([answer.status, answer.json()]).toEqual([
          401,
          { error: { message: expect.stringContaining('no secret'), statusCode: 401, statusText: 'Unauthorized' } },
        ]);
        const headers = { authorization: `Bearer ${token}` };
        const body = { model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'a' }] };
        expect((await service.call('POST', '/v1/chat/completions', { headers, body })).status).toBe(401);
      }
      expect(service.upstream.requests).toEqual([]);
      expect(await service.sql('SELECT 1 FROM usage_records')).toEqual([]);
    },
  );

  it.each(['chat:unknown.org/m', 'chat:openai.com.example.org/m', 'image:openai.com/m', 'nonsense'])(
    'no factory serves %s',
    async (serviceId) => {
      const { token } = await mint(service, { secrets: [secret('', 'x')] });
      const answer = await processing(service, token, { serviceId });
      expect([answer.status, answer.json()]).toEqual([
        404,
        {
          error: {
            message: `No factory registered for serviceId '${serviceId}'`,
            statusCode: 404,
            statusText: 'Not Found',
          },
        },
      ]);
      expect(service.upstream.requests).toEqual([]);
    },
  );

  it.each<[string, object]>([
    ['an address', { serviceId: 'chat:openai.com/gpt-4o', url: 'https://elsewhere.example.org' }],
    ['the network', { serviceId: 'aisbreaker:network' }],
    ['the network at an address', { serviceId: 'aisbreaker:network', url: 'http://127.0.0.1:1' }],
    ['no address at all', { serviceId: 'chat:openai.com/gpt-4o', url: 'nonsense' }],
  ])('nothing is sent on to %s where the operator lists no origin', async (_what, asked) => {
    const { token } = await mint(service, { secrets: [secret('', '{{secret}}')] });
    const answer = await processing(service, token, asked);
    expect([answer.status, answer.text]).toEqual([400, expect.stringContaining('service.url')]);
    expect(service.upstream.requests).toEqual([]);
  });

  it("the provider's refusal is told as it is", async () => {
    const { token } = await mint(service, { secrets: [secret('', 'INVALID')] });
    const error = {
      message: 'Incorrect API key provided',
      type: 'invalid_request_error',
      param: null,
      code: 'invalid_api_key',
    };
    service.upstream.next({ kind: 'body', status: 401, body: { error } });
    const answer = await processing(service, token, { stream: true });
    expect(answer.status).toBe(401);
    expect(answer.json<{ error: object }>().error).toMatchObject({ statusCode: 401, statusText: 'Unauthorized' });
  });
});

describe('/process', () => {
  let token: string;
  beforeAll(async () => {
    ({ token } = await mint(service));
  });

  it.each(['application/json', 'text/plain', 'text/plain;charset=UTF-8'])('takes JSON as %s', async (type) => {
    expect((await processing(service, token, { ...DUMMY, headers: { 'content-type': type } })).status).toBe(200);
  });

  it('takes nothing else', async () => {
    expect((await processing(service, token, { headers: { 'content-type': 'text/html' } })).status).toBe(415);
  });

  it('streams parts, and then the whole', async () => {
    const answer = await processing(service, token, { ...DUMMY, text: 'one two three', stream: true });
    expect(answer.headers['content-type']).toContain('text/event-stream');
    const events = eventsOf(answer);
    expect(events.at(-1)?.event).toBe('final');
    const parts = events.slice(0, -1);
    expect(parts.length).toBeGreaterThan(2);
    expect(parts.every(({ event }) => event === 'progress')).toBe(true);
    const textIn = ({ data }: { data: Record<string, unknown> }): string =>
      (data['outputs'] as { text: { content: string } }[])[0]!.text.content;
    expect(parts.map(textIn).join('')).toBe(textIn(events.at(-1)!));
    expect(events.at(-1)?.data).toMatchObject({ conversationState: expect.any(String) });
  });

  it('tells in a stream that has begun what broke it', async () => {
    const piece = { choices: [{ index: 0, delta: { content: 'Hel' }, finish_reason: null }] };
    service.upstream.next({ kind: 'stream', pieces: [piece, piece], breakAfter: 1 });
    const events = eventsOf(await processing(service, token, { stream: true }));
    expect(events.map(({ event }) => event)).toEqual(['progress', 'error']);
    expect(events[1]?.data).toEqual({
      error: { message: expect.any(String), statusCode: 502, statusText: 'Bad Gateway' },
    });
  });

  it('ends the call upstream where the caller leaves', async () => {
    const piece = { choices: [{ index: 0, delta: { content: 'Hel' }, finish_reason: null }] };
    service.upstream.next({ kind: 'stream', pieces: [piece, piece], stallAfter: 1 });
    const stream = OpenStream.start(service, token, askedBody({ stream: true }), {}, '/api/v1/process');
    await stream.until('progress');
    stream.hangUp();
    await service.upstream.abort();
    expect(await settledCall(service)).toMatchObject({ outcome: 'CLIENT_ABORTED' });
  });

  it('goes on where the state says that the conversation was', async () => {
    const stateOf = (answer: { json<T>(): T }): string =>
      answer.json<{ conversationState: string }>().conversationState;
    const first = stateOf(await processing(service, token, { text: 'My name is Ann' }));
    expect(first).not.toContain('Ann');
    const second = stateOf(await processing(service, token, { text: 'And you?', state: first }));
    await processing(service, token, { text: 'Bye', state: second });
    const sent = JSON.parse(service.upstream.requests[2]!.body.toString()) as {
      messages: { role: string; content: string }[];
    };
    expect(sent.messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'user', 'assistant', 'user']);
    expect(sent.messages.map(({ content }) => content)).toEqual(
      expect.arrayContaining(['My name is Ann', 'And you?', 'Bye']),
    );
  });

  it('takes no state of another caller, no changed state, and no token for one', async () => {
    const { conversationState: state } = (await processing(service, token)).json<{ conversationState: string }>();
    const { token: other } = await mint(service);
    const bad: [string, string][] = [
      [other, state],
      [token, `${state.slice(0, -3)}AAA`],
      [token, token.slice('aisbreaker_'.length)],
      [token, 'x'.repeat(300_000)],
      [token, ''],
    ];
    for (const [asking, presented] of bad) {
      const answer = await processing(service, asking, { state: presented });
      expect([answer.status, answer.text]).toEqual([400, expect.stringContaining('conversationState')]);
    }
    expect((await processing(service, `aisbreaker_${state}`)).status).toBe(401);
  });

  it.each<[string, unknown, string]>([
    ['no service', { request: { inputs: [{ text: { role: 'user', content: 'a' } }] } }, 'service'],
    ['no inputs', { service: { serviceId: 'chat:dummy' }, request: { inputs: [] } }, 'request.inputs'],
    ['no text', { service: { serviceId: 'chat:dummy' }, request: { inputs: [{}] } }, 'request.inputs[0].text'],
    ['no request', { service: { serviceId: 'chat:dummy' } }, 'request'],
  ])('refuses %s, and names the field', async (_what, body, field) => {
    const answer = await service.call('POST', '/api/v1/process', {
      headers: { authorization: `Bearer ${token}` },
      body,
    });
    expect(answer.status).toBe(400);
    expect(answer.json<{ error: { message: string } }>().error.message).toContain(`${field}:`);
  });

  it('answers who has no token for the echo alone', async () => {
    expect((await processing(service, null, DUMMY)).status).toBe(200);
    expect((await processing(service, null)).status).toBe(401);
  });
});

describe('beside it', () => {
  it.each(['/api/v1', '/api/v1alpha1'])('ping, version, HEAD and OPTIONS under %s', async (prefix) => {
    expect((await service.call('GET', `${prefix}/ping`)).json()).toEqual({ message: 'api-pong' });
    expect((await service.call('GET', `${prefix}/version?name=Ann`)).json()).toEqual({
      version: expect.stringMatching(/^\d+\.\d+\.\d+$/),
      message: 'Hello Ann!',
    });
    expect((await service.call('HEAD', `${prefix}/process`)).status).toBe(204);
    const options = await service.call('OPTIONS', `${prefix}/process`, {
      headers: { origin: 'https://app.example.org', 'access-control-request-headers': 'authorization' },
    });
    expect([options.status, options.headers['access-control-allow-origin']]).toEqual([204, '*']);
  });

  it('the older names do the same', async () => {
    const made = await service.call('POST', '/api/v1alpha1/oauth/token', { body: mintBody() });
    const { access_token: token } = made.json<{ access_token: string }>();
    expect((await processing(service, token, { ...DUMMY, path: '/api/v1alpha1/process' })).status).toBe(200);
  });
});
