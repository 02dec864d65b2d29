/** Odd, undocumented answers: the caller gets an answer or an error, and pays for what arrived. */
import { createServer, type Server } from 'node:net';
import type { AddressInfo } from 'node:net';
import { ChatServer, PROVIDER_SECRET, TENANT, type ChatAnswer } from '../../../test/support/chat-server.js';
import { eventually } from '../../../test/support/eventually.js';
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
const NOTHING = { inputTokens: 0, outputTokens: 0, counted: false };

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

async function ask(answer: UpstreamAnswer, body: object): Promise<ChatAnswer> {
  upstream.next(answer);
  return server.post(body);
}

const stream = (pieces: readonly unknown[]): UpstreamAnswer => ({ kind: 'stream', pieces });
const chunk = (choice: object): object => ({ id: 'c', model: UPSTREAM_MODEL, choices: [{ index: 0, ...choice }] });
const ROLE = chunk({ delta: { role: 'assistant', content: '' }, finish_reason: null });
const END = chunk({ delta: {}, finish_reason: 'stop' });

describe('a stream that begins with an error', () => {
  it.each<[string, readonly unknown[], number, string]>([
    ['that names its status', [{ code: 429, message: 'Exhausted.' }], 429, 'Exhausted.'],
    ['by its name alone', ['event: error\ndata: {"type":"overloaded_error","message":"Busy."}\n\n'], 503, 'Busy.'],
    ['as a text', ['event: error\ndata: Busy.\n\n'], 502, 'Busy.'],
    ['beside an empty choice', [{ ...ROLE, error: { code: 503, message: 'Busy.' } }], 503, 'Busy.'],
  ])('%s has an error status and costs nothing', async (_what, pieces, status, message) => {
    const answer = await ask(stream(pieces), STREAM);
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.text)).toMatchObject({ error: { message } });
    expect(await server.book.settlement()).toMatchObject({ outcome: 'UPSTREAM_ERROR', ...NOTHING });
  });
});

it.each([BODY, STREAM])(
  'an error in place of each choice’s message is reported, and costs nothing: %j',
  async (body) => {
    const error = { code: 503, message: 'Busy.' };
    const choices = [{ index: 0, message: { role: 'assistant', content: '' }, finish_reason: 'error', error }];
    const answer = await ask({ kind: 'body', body: { ...completion({}), choices } }, body);
    expect(answer.status).toBe(503);
    expect(JSON.parse(answer.text)).toMatchObject({ error: { message: 'Busy.' } });
    expect(await server.book.settlement()).toMatchObject({ outcome: 'UPSTREAM_ERROR', ...NOTHING });
  },
);

it.each([true, false])('an error before any word costs nothing, its end mark sent or not: %s', async (done) => {
  const answer = await ask({ kind: 'stream', pieces: [ROLE, { error: { message: 'Busy.' } }], done }, STREAM);
  expect(answer.text).toContain('Busy.');
  expect(await server.book.settlement()).toMatchObject({ outcome: 'UPSTREAM_ERROR', ...NOTHING });
});

describe('an answer without a choice', () => {
  const whole = completion({});

  it.each<[string, object, UpstreamAnswer]>([
    ['an empty object', BODY, { kind: 'body', body: {} }],
    ['null for choices', BODY, { kind: 'body', body: { ...whole, choices: null } }],
    ['no choice in the list', BODY, { kind: 'body', body: { ...whole, choices: [] } }],
    ['no choice, where a stream was asked for', STREAM, { kind: 'body', body: { ...whole, choices: [] } }],
    ['a stream of its end mark', STREAM, stream([])],
    ['a stream of an event without one', STREAM, stream([{ id: 'c' }])],
    ['a stream with no choice in any list', STREAM, stream([{ id: 'c', choices: [] }, usageChunk(usageOf(9, 0))])],
    ['a stream with null for choices', STREAM, stream([{ id: 'c', choices: null }])],
  ])('is a failure that costs nothing: %s', async (_what, body, answer) => {
    expect((await ask(answer, body)).status).toBe(502);
    expect(await server.book.settlement()).toMatchObject({ outcome: 'UPSTREAM_BROKEN', ...NOTHING });
  });
});

describe('what an answer without a choice says is passed on, and it costs nothing', () => {
  it.each<[string, object]>([
    ['detail', { detail: 'No such model.' }],
    ['a list of errors', { success: false, errors: [{ code: 7003, message: 'No such model.' }], result: null }],
    ['a message beside a code of its own', { code: 'InvalidParameter', message: 'No such model.' }],
    ['error_msg', { error_code: 336003, error_msg: 'No such model.' }],
    ['base_resp', { choices: null, base_resp: { status_code: 1008, status_msg: 'No such model.' } }],
    ['an error beside a report', { choices: [], error: { message: 'No such model.' }, usage: usageOf(9, 0) }],
  ])('%s', async (_what, said) => {
    const whole: UpstreamAnswer = { kind: 'body', body: said };
    const bare: UpstreamAnswer = { kind: 'stream', pieces: [JSON.stringify(said)], done: false };
    for (const [answer, body] of [
      [whole, BODY],
      [whole, STREAM],
      [bare, STREAM],
      [stream([said]), STREAM],
      [{ kind: 'stream', pieces: [said], done: false }, STREAM],
    ] as const) {
      const { status, text } = await ask(answer, body);
      expect([status, JSON.parse(text)]).toMatchObject([502, { error: { message: 'No such model.' } }]);
    }
    for (const settlement of server.book.settlements)
      expect(settlement).toMatchObject({ outcome: 'UPSTREAM_ERROR', ...NOTHING });
  });
});

describe('an error that stands in the middle of a stream beside', () => {
  const error = { message: 'Busy.' };
  const choice = (fields: object): object => ({ choices: [{ index: 0, delta: { content: '' }, ...fields }] });

  it.each([
    ['a report', { choices: [], error, usage: usageOf(9, 2) }, ''],
    ['a choice that says nothing', { ...choice({ finish_reason: 'error' }), error }, ''],
    ['a choice that says something', { ...choice({ delta: { content: ' more' } }), error }, ' more'],
    ['nothing, and within each choice', choice({ finish_reason: 'error', error }), ''],
    ['no choice, as a text', { choices: [], error: 'Busy.' }, ''],
  ])('%s is not an answer, and every client can tell it', async (_what, broken, more) => {
    const pieces = [...streamPieces().slice(0, 3), broken];
    const gathered = await ask(stream(pieces), BODY);
    expect([gathered.status, JSON.parse(gathered.text)]).toMatchObject([502, { error }]);
    await server.book.settlement();
    const { text } = await ask(stream(pieces), STREAM);
    const [last, ...others] = text.trimEnd().split('\n\n').toReversed();
    expect(JSON.parse(last!.slice(6))).toEqual({ error: expect.objectContaining(error) as object });
    expect(others[0]).toContain(more === '' ? 'from' : more);
    expect(others.join()).not.toContain('Busy.');
    expect((await server.book.settlement()).outcome).toBe('UPSTREAM_ERROR');
  });

  it.each([[''], [false], [{}], [null]])('an answer is whole where it is empty: %j', async (empty) => {
    const pieces = streamPieces().map((piece) => ({ ...piece, error: empty }));
    const answer = await ask(stream(pieces), STREAM);
    expect(answer.text.endsWith(DONE)).toBe(true);
    expect((await server.book.settlement()).outcome).toBe('OK');
  });
});

it.each(['"finish_reason" : "stop"', '"finish_reason":\t"stop"', '"finish_reason":  "stop"'])(
  'a finish reason is one, whatever white space stands in it: %j',
  async (reason) => {
    const end = `data: {"choices":[{"index":0,"delta":{},${reason}}]}\n\n`;
    const answer = await ask({ kind: 'stream', pieces: [...streamPieces().slice(0, 3), end], done: false }, STREAM);
    expect(answer.text.endsWith(DONE)).toBe(true);
    expect((await server.book.settlement()).outcome).toBe('OK');
  },
);

describe('a complete answer', () => {
  const text = JSON.stringify(completion({}));
  const events = [...streamPieces(), usageChunk(usageOf(11, 7))].map((piece) => `data: ${JSON.stringify(piece)}\n\n`);
  const blank = '\n'.repeat(100);
  const withCr = (pieces: readonly string[]): UpstreamAnswer => ({
    kind: 'stream',
    pieces: pieces.map((piece) => piece.replaceAll('\n', '\r')),
    done: false,
  });

  it.each<[string, object, UpstreamAnswer]>([
    ['JSON after a byte order mark', BODY, { kind: 'body', body: `\ufeff${text}` }],
    ['JSON after a mark, for a stream', STREAM, { kind: 'body', body: `\ufeff${text}` }],
    ['JSON after blank lines, called a stream', STREAM, { kind: 'stream', pieces: [blank, text], done: false }],
    ['events after blank lines, called JSON', BODY, { kind: 'body', body: blank + events.join('') + DONE }],
    ['events after blank lines, for a stream', STREAM, { kind: 'body', body: blank + events.join('') + DONE }],
    ['events after a byte order mark', BODY, { kind: 'body', body: `\ufeff${events.join('')}${DONE}` }],
    ['events whose lines end with CR', STREAM, withCr([...events, DONE])],
    ['such events, for JSON', BODY, withCr([...events, DONE])],
    ['in no encoding', BODY, { kind: 'body', body: text, headers: { 'content-encoding': 'Identity' } }],
    ['in an unknown encoding', STREAM, { kind: 'stream', pieces: events, headers: { 'content-encoding': 'utf-8' } }],
  ])('is passed on as one: %s', async (_what, body, answer) => {
    const got = await ask(answer, body);
    expect(got.status).toBe(200);
    expect(got.text).toContain('Hello');
    expect(await server.book.settlement()).toMatchObject({ outcome: 'OK', estimated: false });
  });
});

it.each([BODY, STREAM])('of two reports in one object the larger one counts, whichever came last: %j', async (body) => {
  const twice = (object: object): string =>
    `${JSON.stringify({ ...object, usage: usageOf(11, 70) }).slice(0, -1)},"usage":${JSON.stringify(usageOf(0, 0))}}`;
  const asEvent = (object: object): string => `data: ${twice(object)}\n\n`;
  const answer: UpstreamAnswer =
    body === STREAM
      ? stream([...streamPieces(), asEvent({ id: 'c', choices: [] })])
      : { kind: 'body', body: twice(completion({})) };
  expect((await ask(answer, body)).status).toBe(200);
  expect(await server.book.settlement()).toMatchObject({ outcome: 'OK', inputTokens: 11, outputTokens: 70 });
});

it.each([
  ['a count', '{"prompt_tokens":11,"completion_tokens":70,"total_tokens":81,"completion_tokens":0}'],
  [
    'a part of one',
    '{"prompt_tokens":11,"completion_tokens":70,"prompt_tokens_details":{"cached_tokens":0,"cached_tokens":11}}',
  ],
])('a report that repeats %s is not used, and not shown to a caller who did not request it', async (_what, usage) => {
  const words = Array.from({ length: 200 }, () => ' word');
  const told = async (body: typeof BODY): Promise<string> => {
    const event = `data: {"id":"c","choices":[],"usage":${usage}}\n\n`;
    const answer: UpstreamAnswer =
      body === STREAM
        ? stream([...streamPieces({ words }), event])
        : {
            kind: 'body',
            body: `${JSON.stringify({ ...completion({ words }), usage: undefined }).slice(0, -1)},"usage":${usage}}`,
          };
    const got = await ask(answer, body);
    expect(await server.book.settlement()).toMatchObject({ outcome: 'OK', outputTokens: 200, estimated: true });
    return got.text;
  };
  await told(BODY);
  expect(await told(STREAM)).not.toContain('usage');
});

it('a report before the words is not final, although the stream reached its mark', async () => {
  const words = Array.from({ length: 200 }, () => ' word');
  await ask(stream([usageChunk(usageOf(10, 1)), ...streamPieces({ words })]), STREAM);
  expect(await server.book.settlement()).toMatchObject({ outcome: 'OK', outputTokens: 200, estimated: true });
});

it.each<[string, object, object]>([
  ['zeros', usageOf(0, 0), { outputTokens: 200, estimated: true }],
  ['output alone', { completion_tokens: 70 }, { outputTokens: 70, estimated: true }],
])('a report of %s says nothing of the rest, which is counted', async (_what, usage, settled) => {
  const words = Array.from({ length: 200 }, () => ' word');
  const whole: UpstreamAnswer = { kind: 'body', body: { ...completion({ words }), usage } };
  const pieces = stream([...streamPieces({ words }), { id: 'c', choices: [], usage }]);
  for (const [answer, body] of [
    [whole, BODY],
    [whole, STREAM],
    [pieces, BODY],
    [pieces, STREAM],
  ] as const) {
    expect((await ask(answer, body)).status).toBe(200);
    await eventually(() => expect(server.book.settlements).toHaveLength(server.book.reservations.length));
    const last = server.book.settlements.at(-1)!;
    expect(last).toMatchObject({ outcome: 'OK', ...settled });
    expect(last.inputTokens).toBeGreaterThan(0);
  }
});

it("an error within a stream does not show the provider's credential", async () => {
  const said = { error: { message: `Key ${PROVIDER_SECRET} is out of credit.` } };
  const { text } = await ask(stream([...streamPieces().slice(0, 3), said]), STREAM);
  expect(text).toContain('is out of credit');
  expect(text).not.toContain(PROVIDER_SECRET);
});

it('a word that stands for a key, where a server needs none, may stand in a message', async () => {
  const local = await ChatServer.start(upstream, tokenizer, { OPENAI_API_KEY: 'ollama' });
  try {
    upstream.next({ kind: 'body', status: 400, body: { error: { message: 'ollama has no such model' } } });
    expect((await local.post(BODY)).text).toContain('ollama has no such model');
  } finally {
    await local.stop();
  }
});

it.each<[string, object]>([
  ['parts of the content', { delta: { content: [{ type: 'text', text: ' word'.repeat(200) }] } }],
  ['thoughts among them', { delta: { content: [{ type: 'thinking', thinking: [{ text: ' word'.repeat(200) }] }] } }],
  ['details of the reasoning', { delta: { reasoning_details: [{ text: ' word'.repeat(200) }] } }],
  [
    'details of what is said beside them',
    { delta: { reasoning: ' word'.repeat(200), reasoning_details: [{ text: ' word' }] } },
  ],
  ['a text beside the delta', { delta: {}, text: ' word'.repeat(200) }],
  ['a whole message', { message: { role: 'assistant', content: ' word'.repeat(200) } }],
])("a stream's output without a report is counted: %s", async (_what, choice) => {
  await ask(stream([chunk(choice), END]), STREAM);
  expect(await server.book.settlement()).toMatchObject({ outcome: 'OK', outputTokens: 200, estimated: true });
});

it('a large answer uses memory until its caller has it; without room the call fails, and pays for what arrived', async () => {
  const { places } = server.calls.answers;
  const greedy = { tenantId: 'greedy', orgId: 'of greedy' };
  const answer: UpstreamAnswer = { kind: 'body', body: completion({ words: [' word'.repeat(600_000)] }) };
  expect((await ask(answer, BODY)).status).toBe(200);
  await eventually(() => expect(places.taken).toBe(0));
  const own = { tenantId: TENANT, orgId: `org of ${TENANT}` };
  while (places.takeIfFree(own)) expect(places.taken).toBeLessThanOrEqual(places.most);
  const refused = await ask(answer, BODY);
  expect(refused.status).toBe(502);
  expect(refused.text).toContain('large answers');
  expect(places.takeIfFree(greedy)).toBe(true);
  expect(server.book.settlements).toHaveLength(2);
});

it.each([600, 999])(
  'the status %i, which HTTP does not have, is a failure that is reported and settled',
  async (status) => {
    const odd: Server = createServer((socket) =>
      socket
        .on('error', () => undefined)
        .once('data', () => socket.end(`HTTP/1.1 ${status} Odd\r\ncontent-length: 2\r\n\r\n{}`)),
    );
    await new Promise<void>((resolve) => odd.listen(0, '127.0.0.1', resolve));
    const { port } = odd.address() as AddressInfo;
    const env = { OPENAI_BASE_URL: `http://127.0.0.1:${port}`, OPENAI_MODELS: UPSTREAM_MODEL };
    const behind = await ChatServer.start(upstream, tokenizer, env);
    try {
      expect((await behind.post(BODY)).status).toBe(502);
      expect(await behind.book.settlement()).toMatchObject({ outcome: 'UPSTREAM_BROKEN', ...NOTHING });
    } finally {
      await behind.stop();
      odd.close();
    }
  },
);
