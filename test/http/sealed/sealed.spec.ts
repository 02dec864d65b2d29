/** Sealed access tokens: their use on `/process` and by OpenAI's clients, and what they can't do. */
import { startService, type Org, type TestService } from '../../support/service.js';
import { clearLedger, settledCall } from '../ledger.js';
import { OpenStream } from '../open-stream.js';
import { MANY_OF_EACH, askedBody, eventsOf, mint, mintBody, processing, type Secret } from './sealed-client.js';

const DUMMY = { serviceId: 'chat:dummy' };

let service: TestService;
let org: Org;
let key: string;

beforeAll(async () => {
  service = await startService({ settings: MANY_OF_EACH });
  org = await service.createOrg('founder');
  ({ key } = await service.createKey(org));
});

afterAll(() => service.stop());

beforeEach(async () => {
  service.upstream.reset();
  await clearLedger(service);
});

const secret = (serviceId: string, authSecret: string): Secret => ({ serviceId, authSecret });
const sentUpstream = (): (string | undefined)[] =>
  service.upstream.requests.map(({ headers }) => headers.authorization);

describe('the secret for a service', () => {
  const FIRST = secret('chat:openai.com/gpt-4', 'sk-first');
  const SECOND = secret('chat:openai.com', 'sk-second');
  const ANY = secret('', 'sk-any');

  it.each<[string, readonly Secret[], string, string]>([
    ['the first entry that the service id begins with', [FIRST, SECOND, ANY], 'chat:openai.com/gpt-4o', 'sk-first'],
    ['in their order, not by length', [SECOND, FIRST], 'chat:openai.com/gpt-4o', 'sk-second'],
    ['an entry for other services is skipped', [FIRST, SECOND], 'chat:openai.com/o3', 'sk-second'],
    ['an empty id is for all', [secret('chat:google.com', 'x'), ANY], 'chat:openai.com/o3', 'sk-any'],
    ['a part of a name matches too', [secret('chat:open', 'sk-part')], 'chat:openai.com/o3', 'sk-part'],
    ['a service without an engine has one too', [SECOND], 'chat:openai.com', 'sk-second'],
    ['INVALID goes upstream', [secret('', 'INVALID')], 'chat:openai.com/o3', 'INVALID'],
  ])('%s', async (_what, secrets, serviceId, arrived) => {
    const { token } = await mint(service, { secrets });
    expect((await processing(service, token, { serviceId })).status).toBe(200);
    expect(sentUpstream()).toEqual([`Bearer ${arrived}`]);
  });

  it.each<[string, readonly Secret[]]>([
    ['no secret', []],
    ['no secret for it', [secret('chat:anthropic.com', 'x')]],
    ['an empty secret', [secret('chat:openai.com', '')]],
    ['an empty secret that comes first', [secret('chat:openai.com', ''), ANY]],
    ['a secret with the id in capitals', [secret('CHAT:OPENAI.COM', 'x')]],
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

  it("the provider's refusal is passed on unchanged", async () => {
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

  it.each(['application/json', 'text/plain', 'text/plain;charset=UTF-8'])('accepts JSON as %s', async (type) => {
    expect((await processing(service, token, { ...DUMMY, headers: { 'content-type': type } })).status).toBe(200);
  });

  it('accepts no other type', async () => {
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

  const PIECE = { choices: [{ index: 0, delta: { content: 'Hel' }, finish_reason: null }] };
  it.each<[string, Parameters<typeof service.upstream.next>[0]]>([
    ['what broke it', { kind: 'stream', pieces: [PIECE, PIECE], breakAfter: 1 }],
    ["the provider's own error", { kind: 'stream', pieces: [PIECE, { error: { message: 'overloaded' } }] }],
  ])('reports within a stream that has begun %s', async (_what, given) => {
    service.upstream.next(given);
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

  it('continues the conversation of the state that is sent', async () => {
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

  it('accepts no state of another caller, no changed state, and no token in place of one', async () => {
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

  it('answers a caller without a token for the echo only', async () => {
    expect((await processing(service, null, DUMMY)).status).toBe(200);
    expect((await processing(service, null)).status).toBe(401);
  });
});

describe('the other routes', () => {
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
