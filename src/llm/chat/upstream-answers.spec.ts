/** Answers of real providers that deviate from OpenAI's own contract, and their results for the caller and the ledger. */
import { ChatServer, until, type ChatAnswer } from '../../../test/support/chat-server.js';
import { pause } from '../../../test/support/eventually.js';
import {
  DONE,
  OpenaiUpstream,
  UPSTREAM_MODEL,
  completion,
  eventOf,
  streamPieces,
  usageChunk,
  usageOf,
  type UpstreamAnswer,
} from '../../../test/support/openai-upstream.js';
import { logger } from '../../platform/logging/index.js';
import { Tokenizer } from '../tokens/tokenizer.js';

const BODY = { model: UPSTREAM_MODEL, messages: [{ role: 'user', content: 'Say hello.' }] };
const STREAM = { ...BODY, stream: true };

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
  const { reservations, settlements } = server.book;
  expect(settlements.map(({ id }) => id)).toEqual(reservations.map(({ id }) => id));
});

const textOf = (pieces: readonly unknown[]): string => pieces.map(eventOf).join('');
const errorOf = ({ status, text }: ChatAnswer): [number, string] => [
  status,
  (JSON.parse(text) as { error: { message: string } }).error.message,
];

async function ask(answer: UpstreamAnswer, body: object): Promise<ChatAnswer> {
  upstream.next(answer);
  return server.post(body);
}

describe('the end of a stream', () => {
  const pieces = streamPieces();

  it.each([
    ['with its usage', [...pieces, usageChunk(usageOf(11, 7))], { inputTokens: 11, outputTokens: 7, estimated: false }],
    ['without usage', pieces, { estimated: true }],
  ])('that came to a finish reason, %s, is whole without its mark', async (_what, sent, settled) => {
    const answer = await ask({ kind: 'stream', pieces: sent, done: false }, STREAM);
    expect(answer.text).toBe(textOf(pieces) + DONE);
    expect(await server.book.settlement()).toMatchObject({ outcome: 'OK', ...settled });
  });

  it('before any finish reason is a broken answer', async () => {
    const answer = await ask({ kind: 'stream', pieces: pieces.slice(0, 3), done: false }, STREAM);
    expect(answer.text).toContain('upstream_broken');
    expect((await server.book.settlement()).outcome).toBe('UPSTREAM_BROKEN');
  });

  it.each([
    ['a comment', { pieces: [...pieces, usageChunk(usageOf(11, 7)), DONE, ': cost=0.0001\n\n'], done: false }],
    ['a comment in the same breath', { pieces: [...pieces, usageChunk(usageOf(11, 7)), `${DONE}: cost=0.0001\n\n`] }],
    [
      'a reset of the connection',
      { pieces: [...pieces, usageChunk(usageOf(11, 7)), DONE, 'never'], breakAfter: pieces.length + 2 },
    ],
  ])('is its mark: %s after it changes nothing', async (_what, stream) => {
    const answer = await ask({ kind: 'stream', ...stream }, STREAM);
    expect(answer.text).toBe(textOf(pieces) + DONE);
    expect(await server.book.settlement()).toMatchObject({ outcome: 'OK', inputTokens: 11, outputTokens: 7 });
  });

  it('is not reached where a text only quotes the mark', async () => {
    const quoting = streamPieces({ words: ['It ends with data: [DONE]', ' and goes on.'] });
    expect((await ask({ kind: 'stream', pieces: quoting }, STREAM)).text).toBe(textOf(quoting) + DONE);
  });
});

describe('an error with status 200', () => {
  const error = { message: 'overloaded', type: 'server_error' };

  it.each<[string, object, UpstreamAnswer, number]>([
    ['as JSON', BODY, { kind: 'body', body: { error } }, 502],
    ['as JSON with its status', BODY, { kind: 'body', body: { error: { ...error, code: 503 } } }, 503],
    ['as JSON where a stream was asked for', STREAM, { kind: 'body', body: { error } }, 502],
    ['as the first event', STREAM, { kind: 'stream', pieces: [{ error }] }, 502],
    ['as an event of that name', STREAM, { kind: 'stream', pieces: [`event: error\n${eventOf({ error })}`] }, 502],
    ['after a comment', STREAM, { kind: 'stream', pieces: [': PROCESSING\n\n', { error }] }, 502],
    [
      'as a whole body that calls itself a stream',
      STREAM,
      { kind: 'stream', pieces: [JSON.stringify({ code: 429, message: 'overloaded' })], done: false },
      429,
    ],
  ])('gets an error status and is charged nothing: %s', async (_what, body, answer, status) => {
    expect(errorOf(await ask(answer, body))).toEqual([status, 'overloaded']);
    expect(await server.book.settlement()).toMatchObject({
      outcome: 'UPSTREAM_ERROR',
      inputTokens: 0,
      outputTokens: 0,
      counted: false,
    });
  });
});

describe('an error with status 200 and without a status of its own', () => {
  it.each([
    ['insufficient_quota', 429],
    ['rate_limit_exceeded', 429],
    ['RESOURCE_EXHAUSTED', 429],
    ['model_not_found', 404],
    ['context_length_exceeded', 400],
    ['overloaded_error', 503],
    ['something_else', 502],
  ])('but with the code %s gets the status %i', async (code, status) => {
    const error = { message: 'No.', type: 'error', code };
    for (const [body, answer] of [
      [BODY, { kind: 'body', body: { error } }],
      [STREAM, { kind: 'stream', pieces: [{ error }] }],
    ] as const)
      expect(errorOf(await ask(answer, body))).toEqual([status, 'No.']);
  });

  it.each(['invalid_api_key', 'authentication_error', 'permission_error'])(
    'but with the type %s is about our credential, so its message is not passed on',
    async (type) => {
      const answer = await ask({ kind: 'body', body: { error: { message: 'Bad key sk-12…', type } } }, BODY);
      expect(answer.status).toBe(502);
      expect(answer.text).toContain('provider_authentication_failed');
      expect(answer.text).not.toContain('sk-12');
    },
  );
});

describe('usage', () => {
  const last = { id: 'c', object: 'chat.completion.chunk', choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] };

  it.each<[string, readonly unknown[], [number, number]]>([
    [
      'in pieces',
      [
        { ...last, usage: { prompt_tokens: 1100 } },
        { ...last, usage: { completion_tokens: 700 } },
      ],
      [1100, 700],
    ],
    ['and zeros after it', [usageChunk(usageOf(1100, 700)), usageChunk(usageOf(0, 0))], [1100, 700]],
    [
      'inside a choice',
      [{ ...last, choices: [{ index: 0, delta: {}, finish_reason: 'stop', usage: usageOf(1100, 700) }] }],
      [1100, 700],
    ],
    ['in a field of its own', [{ ...last, x_groq: { usage: usageOf(1100, 700) } }], [1100, 700]],
    ['with reasoning beside it', [usageChunk({ ...usageOf(9, 664), total_tokens: 1994 })], [9, 1985]],
  ])('%s is charged whole', async (_what, reports, [inputTokens, outputTokens]) => {
    await ask({ kind: 'stream', pieces: [...streamPieces(), ...reports] }, STREAM);
    expect(await server.book.settlement()).toMatchObject({ inputTokens, outputTokens, estimated: false });
  });

  it('inside a choice of a JSON answer is charged too', async () => {
    const { choices, ...rest } = completion({ usage: null }) as { choices: readonly object[] };
    const body = { ...rest, choices: choices.map((choice) => ({ ...choice, usage: usageOf(1100, 700) })) };
    await ask({ kind: 'body', body }, BODY);
    expect(await server.book.settlement()).toMatchObject({ inputTokens: 1100, outputTokens: 700, estimated: false });
  });

  it('that was reported before the words is not final: a caller who hangs up pays for the words', async () => {
    const words = Array.from({ length: 200 }, () => ' word');
    upstream.next({
      kind: 'stream',
      pieces: [usageChunk(usageOf(10, 0)), ...streamPieces({ words })],
      stallAfter: 202,
    });
    const response = await server.open(STREAM);
    let text = '';
    await new Promise<void>((resolve) => {
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString();
        if (text.split(' word').length > 200) resolve();
      });
    });
    response.destroy();
    expect(await server.book.settlement()).toMatchObject({
      outcome: 'CLIENT_ABORTED',
      outputTokens: 200,
      estimated: true,
    });
  });
});

describe('usage beside long or cached content', () => {
  const image = `data:image/png;base64,${'A'.repeat(1_600_000)}`;
  const delta = { images: [{ type: 'image_url', image_url: { url: image } }] };
  const choices = [{ index: 0, delta, finish_reason: 'stop' }];
  const usage = usageOf(1100, 4160);

  it.each([
    ['after the picture', { id: 'c', choices, usage }, false],
    ['before the picture', { id: 'c', usage, choices }, false],
    ['inside the choice', { id: 'c', choices: [{ ...choices[0], usage }] }, false],
    ['in a stream without its mark', { id: 'c', choices, usage }, true],
  ])('in one event of 1.6 MB, %s, is charged, and no byte of it changes', async (_where, event, isBare) => {
    const pieces = [...streamPieces({ words: ['Here you are.'] }).slice(0, 2), event];
    const answer = await ask({ kind: 'stream', pieces, done: !isBare }, STREAM);
    expect(answer.text === textOf(pieces) + DONE).toBe(true);
    expect(await server.book.settlement()).toMatchObject({
      outcome: 'OK',
      inputTokens: 1100,
      outputTokens: 4160,
      estimated: false,
    });
  });

  it('that hit the cache, in DeepSeek’s words, has the cache’s price', async () => {
    upstream.models = ['deepseek-chat'];
    const cached = { ...usageOf(1_000_000, 0), prompt_cache_hit_tokens: 900_000, prompt_cache_miss_tokens: 100_000 };
    await ask(
      { kind: 'body', body: completion({ model: 'deepseek-chat', usage: cached }) },
      { ...BODY, model: 'deepseek-chat' },
    );
    expect(await server.book.settlement()).toMatchObject({
      cachedInputTokens: 900_000,
      costPicoUsd: 53_200n * 1_000_000n,
    });
  });
});

describe('the media type of a stream', () => {
  it.each(['Text/Event-Stream; charset=UTF-8', 'application/json', 'text/plain'])('may be %s', async (type) => {
    const pieces = streamPieces();
    const answer = await ask({ kind: 'stream', pieces, headers: { 'content-type': type } }, STREAM);
    expect(answer.headers['content-type']).toBe('text/event-stream; charset=utf-8');
    expect(answer.text).toBe(textOf(pieces) + DONE);
    expect((await server.book.settlement()).outcome).toBe('OK');
  });
});

describe('the message of an error', () => {
  it.each<[number, unknown, string, string]>([
    [400, [{ error: { code: 400, message: 'Cannot find field.' } }], 'application/json', 'Cannot find field.'],
    [400, { detail: 'This model has no tools' }, 'application/json', 'This model has no tools'],
    [422, { detail: [{ loc: ['body', 'tools', 0], msg: 'Field required' }] }, 'application/json', 'Field required'],
    [400, { errors: [{ message: 'Too many' }] }, 'application/json', 'Too many'],
    [400, 'context length exceeded: 9000 > 8192', 'text/plain', 'context length exceeded: 9000 > 8192'],
    [500, '<html><h1>Oops</h1></html>', 'text/html', 'The model provider answered with status 500.'],
  ])('%i %j is passed on, unless it is HTML', async (status, body, type, message) => {
    const answer = await ask({ kind: 'body', status, body, headers: { 'content-type': type } }, BODY);
    expect(errorOf(answer)).toEqual([status, message]);
  });
});

describe('a limit of -1', () => {
  it('counts as no limit, and is passed on where the caller has no budget', async () => {
    const body = JSON.stringify({ ...BODY, max_tokens: -1 });
    await server.post(body);
    expect((await upstream.request()).body.toString()).toBe(body);
  });

  it('is replaced by the rest of a budget', async () => {
    server.book.admission = { limited: true, outputTokens: 60 };
    await server.post({ ...BODY, max_tokens: -1 });
    expect(JSON.parse((await upstream.request()).body.toString())).toMatchObject({ max_tokens: 60 });
  });
});

describe('a kept connection', () => {
  it('that is reset before a byte of an answer costs the caller nothing: one more call upstream, charged once', async () => {
    await server.post(BODY);
    await pause(20);
    upstream.next({ kind: 'cut' });
    const answer = await server.post(BODY);
    expect(answer.status).toBe(200);
    expect(upstream.requests).toHaveLength(3);
    await until(() => server.book.settlements.length === 2);
    expect(server.book.settlements[1]).toMatchObject({ outcome: 'OK', inputTokens: 9, outputTokens: 12 });
  });
});

describe('a model that the provider does not list', () => {
  it.each(['openai/gpt-oss-120b:nitro', 'my-azure-deployment'])('%s is passed to the provider', async (model) => {
    upstream.models = ['openai/gpt-oss-120b'];
    await server.post(BODY);
    expect((await server.post({ ...BODY, model })).status).toBe(200);
    expect(JSON.parse(upstream.requests[1]!.body.toString())).toMatchObject({ model });
  });
});
