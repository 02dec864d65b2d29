/** A provider that answers in the other form than requested: the caller gets the requested form. */
import { ChatServer, type ChatAnswer } from '../../../test/support/chat-server.js';
import {
  DONE,
  OpenaiUpstream,
  UPSTREAM_MODEL,
  completion,
  streamPieces,
  usageChunk,
  usageOf,
  type UpstreamAnswer,
} from '../../../test/support/openai-upstream.js';
import { logger } from '../../platform/logging/index.js';
import { Tokenizer } from '../tokens/tokenizer.js';

const BODY = { model: UPSTREAM_MODEL, messages: [{ role: 'user', content: 'Say hello.' }] };
const STREAM = { ...BODY, stream: true };
const JSON_HEADERS = { 'content-type': 'application/json' };

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
});

async function ask(answer: UpstreamAnswer, body: object): Promise<ChatAnswer> {
  upstream.next(answer);
  return server.post(body);
}

const dataOf = (text: string): unknown[] =>
  text
    .split('\n\n')
    .filter((event) => event.startsWith('data: {'))
    .map((event) => JSON.parse(event.slice(6)) as unknown);

const chunk = (delta: object, finish: string | null = null, index = 0): object => ({
  id: 'c',
  object: 'chat.completion.chunk',
  model: UPSTREAM_MODEL,
  choices: [{ index, delta, finish_reason: finish }],
});

describe('a stream for a caller who asked for JSON', () => {
  it.each(['text/event-stream', 'application/json'])('as %s is joined into one answer', async (type) => {
    const pieces = [...streamPieces(), usageChunk(usageOf(11, 7))];
    const answer = await ask({ kind: 'stream', pieces, headers: { 'content-type': type } }, BODY);
    expect(answer.status).toBe(200);
    expect(answer.headers['content-type']).toBe('application/json');
    expect(JSON.parse(answer.text)).toMatchObject({
      object: 'chat.completion',
      model: UPSTREAM_MODEL,
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: 'Hello from the upstream.' },
          finish_reason: 'stop',
        },
      ],
      usage: usageOf(11, 7),
    });
    expect((JSON.parse(answer.text) as { choices: object[] }).choices[0]).not.toHaveProperty('delta');
    expect(await server.book.settlement()).toMatchObject({ outcome: 'OK', inputTokens: 11, outputTokens: 7 });
  });

  it('that begins with a field of its own is one by its type', async () => {
    const answer = await ask({ kind: 'stream', pieces: ['x-served-by: a\n', ...streamPieces()] }, BODY);
    expect([answer.status, answer.text]).toEqual([200, expect.stringContaining('Hello from the upstream.')]);
  });

  it('keeps the calls of tools, and the choices, separate', async () => {
    const call = (index: number, fields: object): object => chunk({ tool_calls: [{ index, ...fields }] });
    const pieces = [
      chunk({ role: 'assistant', content: null, reasoning_content: 'Let me ' }),
      chunk({ reasoning_content: 'see.' }),
      call(0, { id: 'a', type: 'function', function: { name: 'one', arguments: '' } }),
      call(1, { id: 'b', type: 'function', function: { name: 'two', arguments: '{"x"' } }),
      call(0, { function: { arguments: '{}' } }),
      call(1, { function: { name: 'two', arguments: ':1}' } }),
      chunk({ content: 'Other' }, null, 1),
      chunk({}, 'tool_calls'),
      chunk({ content: '.' }, 'stop', 1),
    ];
    const { text } = await ask({ kind: 'stream', pieces }, { ...BODY, n: 2 });
    expect((JSON.parse(text) as { choices: object }).choices).toEqual([
      {
        index: 0,
        finish_reason: 'tool_calls',
        message: {
          role: 'assistant',
          content: null,
          reasoning_content: 'Let me see.',
          tool_calls: [
            { id: 'a', type: 'function', function: { name: 'one', arguments: '{}' } },
            { id: 'b', type: 'function', function: { name: 'two', arguments: '{"x":1}' } },
          ],
        },
      },
      { index: 1, finish_reason: 'stop', message: { content: 'Other.' } },
    ]);
  });

  it('without usage is estimated', async () => {
    await ask({ kind: 'stream', pieces: streamPieces(), done: false }, BODY);
    expect(await server.book.settlement()).toMatchObject({
      outcome: 'OK',
      outputTokens: tokenizer.count('Hello from the upstream.'),
      estimated: true,
    });
  });

  it.each([
    ['ends', {}],
    ['breaks off', { breakAfter: 3 }],
  ])(
    'that %s before its end is a failure, not half an answer, and the received part is charged',
    async (_how, broken) => {
      const pieces = [...streamPieces().slice(0, 3), 'never sent'];
      const sent = 'breakAfter' in broken ? pieces : pieces.slice(0, 3);
      const answer = await ask({ kind: 'stream', pieces: sent, done: false, ...broken }, BODY);
      expect([answer.status, answer.text]).toEqual([502, expect.stringContaining('upstream_broken')]);
      expect(await server.book.settlement()).toMatchObject({ outputTokens: tokenizer.count('Hello from') });
      expect(answer.headers['x-should-retry']).toBe('false');
    },
  );

  const WHOLE = [...streamPieces(), usageChunk(usageOf(11, 7)), DONE];

  it.each<[string, object]>([
    ['a reset of the connection', { pieces: [...WHOLE, 'never sent'], breakAfter: WHOLE.length }],
    ['an error event', { pieces: [...WHOLE, { error: { message: 'overloaded' } }] }],
    ['a comment', { pieces: [...WHOLE, ': cost=0.0001\n\n'] }],
  ])('has ended with its mark: %s after it changes nothing', async (_what, stream) => {
    const answer = await ask({ kind: 'stream', done: false, ...stream } as UpstreamAnswer, BODY);
    expect([answer.status, answer.text]).toEqual([200, expect.stringContaining('Hello from the upstream.')]);
    expect(await server.book.settlement()).toMatchObject({ outcome: 'OK', inputTokens: 11, outputTokens: 7 });
  });

  it('that contains an error is that error, and nothing is charged', async () => {
    const pieces = [...streamPieces().slice(0, 2), { error: { message: 'overloaded', code: 503 } }];
    const answer = await ask({ kind: 'stream', pieces }, BODY);
    expect([answer.status, answer.text]).toEqual([503, expect.stringContaining('overloaded')]);
    expect(await server.book.settlement()).toMatchObject({ inputTokens: 0, outputTokens: 0, counted: false });
  });
});

describe('JSON for a caller who asked for a stream', () => {
  it.each([
    [JSON_HEADERS, false],
    [JSON_HEADERS, true],
    [{ 'content-type': 'text/event-stream' }, false],
  ])('as %j is turned into events (usage asked for: %s)', async (headers, isAsked) => {
    const body = completion({ usage: usageOf(11, 7) });
    const answer = await ask(
      { kind: 'body', body, headers },
      { ...STREAM, ...(isAsked ? { stream_options: { include_usage: true } } : {}) },
    );
    expect(answer.headers['content-type']).toBe('text/event-stream; charset=utf-8');
    expect(answer.text.endsWith(DONE)).toBe(true);
    const envelope = { object: 'chat.completion.chunk', model: UPSTREAM_MODEL };
    expect(dataOf(answer.text)).toMatchObject([
      {
        ...envelope,
        choices: [{ index: 0, delta: { role: 'assistant', content: 'Hello from the upstream.' }, finish_reason: null }],
      },
      { ...envelope, choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] },
      ...(isAsked ? [{ ...envelope, choices: [], usage: usageOf(11, 7) }] : []),
    ]);
    expect(await server.book.settlement()).toMatchObject({
      outcome: 'OK',
      inputTokens: 11,
      outputTokens: 7,
      estimated: false,
    });
  });

  it('numbers the calls of tools, which clients need to join them', async () => {
    const calls = ['a', 'b'].map((id) => ({ id, type: 'function', function: { name: id, arguments: '{}' } }));
    const message = { role: 'assistant', content: null, tool_calls: calls };
    const { text } = await ask(
      { kind: 'body', body: { id: 'c', choices: [{ index: 0, message, finish_reason: 'tool_calls' }] } },
      STREAM,
    );
    expect(dataOf(text)[0]).toMatchObject({
      choices: [{ delta: { tool_calls: calls.map((call, index) => ({ index, ...call })) } }],
    });
  });

  it('without choices is not an answer', async () => {
    const answer = await ask({ kind: 'body', body: { id: 'c' } }, STREAM);
    expect([answer.status, answer.text]).toEqual([502, expect.stringContaining('upstream_broken')]);
  });
});

describe('events whose JSON stands on several lines', () => {
  const onLines = (piece: unknown): string => `${JSON.stringify(piece, null, 2).replace(/^/gm, 'data: ')}\n\n`;

  it.each([
    ['LF', BODY, '\n'],
    ['LF', STREAM, '\n'],
    ['CRLF', STREAM, '\r\n'],
    ['CR', STREAM, '\r'],
  ])('with %s are an answer: %j', async (_what, body, end) => {
    const pieces = [...streamPieces(), usageChunk(usageOf(11, 7))].map((piece) => onLines(piece).replaceAll('\n', end));
    const answer = await ask({ kind: 'stream', pieces }, body);
    const said = body === BODY ? /Hello from the upstream\./ : /Hello[^]*from[^]*upstream/;
    expect([answer.status, answer.text]).toEqual([200, expect.stringMatching(said)]);
    expect(await server.book.settlement()).toMatchObject({ outcome: 'OK', inputTokens: 11, outputTokens: 7 });
  });
});

it.each([
  [BODY, { kind: 'body', body: completion({ usage: usageOf(11, 7) }) }],
  [STREAM, { kind: 'stream', pieces: [...streamPieces(), usageChunk(usageOf(11, 7))] }],
] as const)('a header that stands there twice does not cost the answer: %j', async (body, answer) => {
  const headers = { 'content-type': ['text/html', 'application/json'], 'content-encoding': ['identity', 'identity'] };
  expect((await ask({ ...answer, headers }, body)).status).toBe(200);
  expect(await server.book.settlement()).toMatchObject({ outcome: 'OK', inputTokens: 11, outputTokens: 7 });
});

it('a time to wait that is said twice is told once', async () => {
  const headers = { 'retry-after': ['7', '7'] };
  const answer = await ask({ kind: 'body', status: 429, headers, body: { error: { message: 'Slow.' } } }, BODY);
  expect([answer.status, answer.headers['retry-after']]).toEqual([429, '7']);
});
