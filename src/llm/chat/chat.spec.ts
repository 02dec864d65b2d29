import { ChatServer, PROVIDER_SECRET, TENANT, until, type ChatAnswer } from '../../../test/support/chat-server.js';
import {
  DONE,
  OpenaiUpstream,
  UPSTREAM_MODEL,
  completion,
  streamPieces,
} from '../../../test/support/openai-upstream.js';
import { Fault } from '../../platform/errors/index.js';
import { logger } from '../../platform/logging/index.js';
import { Tokenizer } from '../tokens/tokenizer.js';

const BODY = { model: UPSTREAM_MODEL, messages: [{ role: 'user', content: 'Say hello.' }] };

const jsonOf = (
  answer: ChatAnswer,
): { error: { code: string | null; message: string; param: string | null; type: string } } =>
  JSON.parse(answer.text) as never;

let upstream: OpenaiUpstream;
let server: ChatServer;
const tokenizer = new Tokenizer();

beforeAll(async () => {
  logger.level = 'silent';
  await tokenizer.load();
});

beforeEach(async () => {
  upstream = await OpenaiUpstream.start();
  server = await ChatServer.start(upstream, tokenizer);
});

afterEach(async () => {
  await server.stop();
  await upstream.close();
  // Every reservation must have been settled exactly once.
  const { reservations, settlements } = server.book;
  expect(settlements.map(({ id }) => id)).toEqual(reservations.map(({ id }) => id));
});

async function restart(environment: Record<string, string>): Promise<void> {
  await server.stop();
  server = await ChatServer.start(upstream, tokenizer, environment);
}

describe('a JSON answer', () => {
  it('is returned byte for byte, with the headers that were set before it', async () => {
    const body =
      '{ "id":"x",\n "choices":[{}],"big":12345678901234567890, "usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}';
    upstream.next({
      kind: 'body',
      body,
      headers: {
        'openai-processing-ms': '17',
        'set-cookie': 'a=b',
        'openai-organization': 'org-1',
        'x-ratelimit-remaining': '7',
      },
    });
    const answer = await server.post(BODY);
    expect(answer).toMatchObject({ status: 200, text: body });
    expect(answer.headers).toMatchObject({
      'content-type': 'application/json',
      'openai-processing-ms': '17',
      'x-ratelimit-remaining': '41',
    });
    expect(answer.headers['set-cookie']).toBeUndefined();
    expect(answer.headers['openai-organization']).toBeUndefined();
  });

  it('is reserved before anything goes upstream, and settled with the provider’s own count', async () => {
    let askedBefore = -1;
    server.book.onReserve = () => {
      askedBefore = upstream.requests.length;
    };
    await server.post({ ...BODY, n: 2, max_completion_tokens: 10 });
    expect(askedBefore).toBe(0);
    expect(server.book.reservations).toEqual([
      expect.objectContaining({
        tenantId: TENANT,
        keyId: 'key_1',
        userId: null,
        requestId: 'req_1',
        provider: 'openai',
        model: UPSTREAM_MODEL,
        streamed: false,
        reservedOutputTokens: 20,
      }),
    ]);
    expect(server.book.settlements).toEqual([
      expect.objectContaining({ outcome: 'OK', statusCode: 200, inputTokens: 9, outputTokens: 12, estimated: false }),
    ]);
  });

  it('without usage is counted here, and marked as estimated', async () => {
    upstream.next({ kind: 'body', body: completion({ words: ['one two three four'], usage: null }) });
    await server.post(BODY);
    expect(await server.book.settlement()).toMatchObject({ outcome: 'OK', outputTokens: 4, estimated: true });
    expect(server.book.settlements[0]?.inputTokens).toBeGreaterThan(3);
  });
});

describe('the request upstream', () => {
  it('is the caller’s body byte for byte, without the caller’s headers', async () => {
    const body = `{"messages":[{"role":"user","content":"h\\u00e9 ö"}], "seed":12345678901234567890,\t"model":"${UPSTREAM_MODEL}","future_field":{"a":[1.0]}}`;
    await server.post(body, {
      authorization: 'Bearer sk_caller',
      'x-api-key': 'sk_caller',
      cookie: 'a=b',
      'openai-organization': 'org-1',
      'x-stainless-lang': 'js',
      'user-agent': 'client/1',
      'accept-encoding': 'gzip',
    });
    const { headers, body: sent } = await upstream.request();
    expect(sent.toString()).toBe(body);
    expect(headers).toEqual({
      host: new URL(upstream.baseUrl).host,
      connection: 'keep-alive',
      'content-length': String(Buffer.byteLength(body)),
      'content-type': 'application/json',
      accept: 'application/json',
      'accept-encoding': 'identity',
      'user-agent': 'gatehouse',
      authorization: `Bearer ${PROVIDER_SECRET}`,
    });
  });

  it('asks for usage in every stream', async () => {
    await server.post({ ...BODY, stream: true });
    const { body, headers } = await upstream.request();
    expect(JSON.parse(body.toString())).toEqual({ ...BODY, stream: true, stream_options: { include_usage: true } });
    expect(headers.accept).toBe('text/event-stream');
  });

  it.each([
    ['a model that the operator did not write down', { ...BODY, model: 'gpt-9' }, 404, 'model'],
    ['no model', { messages: BODY.messages }, 400, 'model'],
    ['an n of 0', { ...BODY, n: 0 }, 400, 'n'],
    ['malformed JSON', '{"model":', 400, null],
    ['a model that stands twice', `{"model":"${UPSTREAM_MODEL}","model":"x","messages":[{}]}`, 400, 'model'],
    ['a body over the limit', { ...BODY, pad: 'x'.repeat(100_000) }, 413, null],
  ])('is not sent for %s, and nothing is reserved', async (_what, body, status, param) => {
    await restart({ OPENAI_MODELS: UPSTREAM_MODEL });
    const answer = await server.post(body);
    expect(answer.status).toBe(status);
    expect(jsonOf(answer).error.param).toBe(param);
    expect(upstream.requests).toHaveLength(0);
    expect(server.book.reservations).toHaveLength(0);
  });

  it('is not sent where the ledger refuses the reservation', async () => {
    server.book.refusal = new Fault('unavailable', 'The usage ledger is behind; try again shortly.');
    const answer = await server.post(BODY);
    expect(answer.status).toBe(503);
    expect(upstream.requests).toHaveLength(0);
  });

  it('is not sent where the caller hung up while the reservation was written', async () => {
    let gone: () => void = () => undefined;
    server.book.onReserve = () => new Promise<void>((resolve) => (gone = resolve));
    const request = server.send(BODY).on('error', () => undefined);
    await until(() => gone.length === 1);
    request.destroy();
    await new Promise((resolve) => setTimeout(resolve, 50));
    gone();
    expect(await server.book.settlement()).toMatchObject({
      outcome: 'CLIENT_ABORTED',
      inputTokens: 0,
      outputTokens: 0,
      statusCode: null,
    });
    expect(upstream.requests).toHaveLength(0);
  });
});

describe('the shutdown deadline', () => {
  it('ends an open stream with an error event, and settles its output', async () => {
    upstream.next({ kind: 'stream', pieces: streamPieces({ words: ['one', ' two', ' three'] }), stallAfter: 4 });
    const response = await server.open({ ...BODY, stream: true });
    let text = '';
    response.on('data', (chunk: Buffer) => (text += chunk.toString()));
    await until(() => text.includes(' three'));
    server.drain.requestOpened();
    await server.drain.run(0, 10);
    await until(() => response.complete);
    expect(text).toContain('"code":"server_shutting_down"');
    expect(await server.book.settlement()).toMatchObject({ outcome: 'SHUTDOWN', outputTokens: 3, estimated: true });
    await upstream.abort();
  });

  it('answers an open JSON call, and later ones, with 503', async () => {
    upstream.next({ kind: 'hang' });
    const answer = server.post(BODY);
    await upstream.request();
    server.drain.requestOpened();
    await server.drain.run(0, 10);
    expect((await answer).status).toBe(503);
    expect(jsonOf(await answer).error.code).toBe('server_shutting_down');
    expect((await server.book.settlement()).outcome).toBe('SHUTDOWN');
    expect((await server.post(BODY)).status).toBe(503);
    expect(upstream.requests).toHaveLength(1);
  });
});

describe('the dummy', () => {
  it('uses the same ledger, with the same counts streamed and not', async () => {
    await restart({ GATEHOUSE_DUMMY_PROVIDER: 'on' });
    const body = { model: 'dummy', messages: [{ role: 'user', content: 'the quick brown fox' }] };
    const whole = JSON.parse((await server.post(body)).text) as {
      choices: { message: { content: string } }[];
      usage: { prompt_tokens: number; completion_tokens: number };
    };
    const streamed = (await server.post({ ...body, stream: true })).text;
    const said = streamed
      .split('\n\n')
      .filter((event) => event.startsWith('data: {'))
      .map(
        (event) =>
          (JSON.parse(event.slice(6)) as { choices: { delta: { content?: string } }[] }).choices[0]?.delta.content ??
          '',
      )
      .join('');
    expect(said).toBe('You said: the quick brown fox');
    expect(whole.choices[0]?.message.content).toBe(said);
    expect(streamed.endsWith(DONE)).toBe(true);
    const [first, second] = server.book.settlements;
    expect(first).toMatchObject({
      outcome: 'OK',
      inputTokens: whole.usage.prompt_tokens,
      outputTokens: whole.usage.completion_tokens,
      estimated: false,
    });
    expect(second).toMatchObject({
      outcome: 'OK',
      inputTokens: first?.inputTokens,
      outputTokens: first?.outputTokens,
      estimated: false,
    });
    expect(upstream.requests).toHaveLength(0);
  });
});
