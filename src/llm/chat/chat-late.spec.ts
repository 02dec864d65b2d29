/**
 * A provider that does not begin to answer in time: the caller gets an error at once, and the ledger gets the true usage later.
 */
import { ChatServer, until, type ChatAnswer } from '../../../test/support/chat-server.js';
import {
  OpenaiUpstream,
  UPSTREAM_MODEL,
  completion,
  errorBody,
  streamPieces,
  usageOf,
  type UpstreamAnswer,
} from '../../../test/support/openai-upstream.js';
import { logger } from '../../platform/logging/index.js';
import { Tokenizer } from '../tokens/tokenizer.js';

const MESSAGES = [{ role: 'user', content: 'Say hello.' }];
const BODY = { model: UPSTREAM_MODEL, messages: MESSAGES };
/** A model that shows none of its reasoning. */
const REASONING = 'o3';
const NOTHING = { inputTokens: 0, cachedInputTokens: 0, outputTokens: 0, costPicoUsd: 0n, counted: false };

let upstream: OpenaiUpstream;
let server: ChatServer;
/** Lets the provider begin. */
let answerNow: () => void;
let begun: Promise<void>;
const tokenizer = new Tokenizer();

beforeAll(async () => {
  logger.level = 'silent';
  await tokenizer.load();
});

beforeEach(async () => {
  begun = new Promise((resolve) => (answerNow = resolve));
  upstream = await OpenaiUpstream.start();
  upstream.models = [UPSTREAM_MODEL, REASONING];
  await start({});
});

afterEach(async () => {
  await server.stop();
  await upstream.close();
  const { reservations, settlements } = server.book;
  expect(settlements.map(({ id }) => id).sort()).toEqual(reservations.map(({ id }) => id).sort());
});

async function start(environment: Record<string, string>): Promise<void> {
  server = await ChatServer.start(upstream, tokenizer, { GATEHOUSE_FIRST_BYTE_TIMEOUT_MS: '100', ...environment });
  // On an open connection a call is sent before its short time is over, even if this process stands still.
  while ((await server.post(BODY)).status !== 200);
  const { reservations, settlements } = server.book;
  await until(() => settlements.length === reservations.length);
  for (const past of [reservations, settlements, upstream.requests]) past.length = 0;
}

async function restart(environment: Record<string, string>): Promise<void> {
  await server.stop();
  await start(environment);
}

function expectTimeout({ status, text }: ChatAnswer): void {
  expect(status).toBe(504);
  expect(JSON.parse(text)).toMatchObject({ error: { code: 'upstream_timeout' } });
}

/** Calls a provider that answers only after its caller got the time-out. */
async function callLate(answer: UpstreamAnswer, body: object = BODY): Promise<void> {
  upstream.next({ ...answer, after: begun });
  const told = await server.post(body);
  expectTimeout(told);
  // The answer will be charged: a client that retried by itself would pay twice.
  expect(told.headers['x-should-retry']).toBe('false');
  expect(server.book.settlements).toEqual([]);
  answerNow();
}

describe('a provider that begins too late', () => {
  it('and answers is charged its reported usage, and the request', async () => {
    await callLate({ kind: 'body', body: completion({ usage: usageOf(1234, 567) }) });
    expect(await server.book.settlement()).toMatchObject({
      outcome: 'UPSTREAM_TIMEOUT',
      statusCode: 200,
      inputTokens: 1234,
      outputTokens: 567,
      estimated: false,
      counted: true,
    });
  });

  it('and streams is stopped at its first output, and charged up to there', async () => {
    await callLate(
      { kind: 'stream', pieces: streamPieces({ words: ['Hello there'] }), stallAfter: 2 },
      { ...BODY, stream: true },
    );
    await upstream.abort();
    const settled = await server.book.settlement();
    expect(settled).toMatchObject({ outcome: 'UPSTREAM_TIMEOUT', statusCode: 200, estimated: true, counted: true });
    expect(settled.outputTokens).toBe(tokenizer.count('Hello there'));
    expect(settled.inputTokens).toBeGreaterThan(0);
  });

  it('and hides its reasoning is read to its own report', async () => {
    await callLate(
      { kind: 'stream', pieces: streamPieces({ model: REASONING, usage: usageOf(1234, 5678) }) },
      { ...BODY, model: REASONING, stream: true },
    );
    expect(await server.book.settlement()).toMatchObject({
      outcome: 'UPSTREAM_TIMEOUT',
      inputTokens: 1234,
      outputTokens: 5678,
      estimated: false,
    });
  });

  it.each([
    ['refuses', { kind: 'body', status: 500, body: errorBody('No.', 'server_error') } as const],
    ['breaks off before it answers', { kind: 'cut' } as const],
  ])('and %s is charged for nothing', async (_what, answer) => {
    await callLate(answer);
    expect(await server.book.settlement()).toMatchObject({ outcome: 'UPSTREAM_TIMEOUT', ...NOTHING });
  });

  it('and never answers is given up after the total time, and charged nothing', async () => {
    await restart({ GATEHOUSE_TOTAL_TIMEOUT_MS: '2000' });
    upstream.next({ kind: 'hang' });
    expectTimeout(await server.post(BODY));
    expect((await upstream.request()).aborted).toBe(false);
    await upstream.abort();
    expect(await server.book.settlement()).toMatchObject({
      outcome: 'UPSTREAM_TIMEOUT',
      statusCode: null,
      ...NOTHING,
    });
  });

  it('is awaited by a service that stops, up to the deadline', async () => {
    upstream.next({ kind: 'body', body: completion({ usage: usageOf(9, 12) }), after: begun });
    expectTimeout(await server.post(BODY));
    const drained = server.drain.run(60_000, 10);
    answerNow();
    await drained;
    expect(server.book.settlements).toMatchObject([{ inputTokens: 9, outputTokens: 12, counted: true }]);
  });

  it('is given up at the deadline of a service that stops', async () => {
    upstream.next({ kind: 'hang' });
    expectTimeout(await server.post(BODY));
    await server.drain.run(0, 10);
    expect(server.book.settlements).toMatchObject([{ outcome: 'UPSTREAM_TIMEOUT', ...NOTHING }]);
    await upstream.abort();
  });

  it('is awaited too where a caller of a model with hidden reasoning hung up before', async () => {
    upstream.next({ kind: 'body', body: completion({ model: REASONING, usage: usageOf(12, 3456) }), after: begun });
    const request = server.send({ ...BODY, model: REASONING }).on('error', () => undefined);
    await upstream.request();
    request.destroy();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(server.book.settlements).toEqual([]);
    answerNow();
    expect(await server.book.settlement()).toMatchObject({
      outcome: 'CLIENT_ABORTED',
      inputTokens: 12,
      outputTokens: 3456,
      estimated: false,
    });
  });

  it('holds at most a quarter of the places for calls for one tenant: further calls are given up until places are free', async () => {
    await restart({
      GATEHOUSE_FIRST_BYTE_TIMEOUT_MS: '1000',
      GATEHOUSE_TOTAL_TIMEOUT_MS: '4000',
      GATEHOUSE_PROVIDER_CALLS: '40',
      GATEHOUSE_TENANT_CALLS: '30',
    });
    upstream.otherwise = () => ({ kind: 'hang' });
    const answers = await Promise.all(Array.from({ length: 26 }, () => server.post(BODY)));
    for (const answer of answers) expectTimeout(answer);
    await until(() => upstream.requests.filter(({ aborted }) => aborted).length === 16);
    expect(server.book.settlements).toHaveLength(16);
    // Those calls are charged nothing, and may be retried.
    expect(answers.filter(({ headers }) => headers['x-should-retry'] === undefined)).toHaveLength(16);
    await until(() => server.book.settlements.length === 26);
    expect(server.book.settlements.filter(({ outcome }) => outcome !== 'UPSTREAM_TIMEOUT')).toEqual([]);
    upstream.next({ kind: 'body', body: completion(), after: begun });
    expectTimeout(await server.post(BODY));
    answerNow();
    await until(() => server.book.settlements.length === 27);
    expect(server.book.settlements[26]).toMatchObject({ statusCode: 200, counted: true });
  });
});
