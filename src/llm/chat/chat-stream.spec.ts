import { eventually } from '../../../test/support/eventually.js';
import { ChatServer, type ChatAnswer } from '../../../test/support/chat-server.js';
import {
  DONE,
  OpenaiUpstream,
  UPSTREAM_MODEL,
  errorBody,
  eventOf,
  streamPieces,
  usageChunk,
  usageOf,
} from '../../../test/support/openai-upstream.js';
import { logger } from '../../platform/logging/index.js';
import { Tokenizer } from '../tokens/tokenizer.js';

const BODY = { model: UPSTREAM_MODEL, messages: [{ role: 'user', content: 'Say hello.' }] };

const jsonOf = (
  answer: ChatAnswer,
): { error: { code: string | null; message: string; param: string | null; type: string } } =>
  JSON.parse(answer.text) as never;

const streamOf = (pieces: readonly unknown[]): string => pieces.map(eventOf).join('') + DONE;

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

describe('a stream', () => {
  it('is passed through byte for byte, without the usage chunk that the caller did not request', async () => {
    const pieces = streamPieces({ usage: usageOf(9, 5) });
    upstream.next({ kind: 'stream', pieces });
    const answer = await server.post({ ...BODY, stream: true });
    expect(answer.headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      'x-accel-buffering': 'no',
      'x-ratelimit-remaining': '41',
    });
    expect(answer.text).toBe(streamOf(pieces.slice(0, -1)));
    expect(await server.book.settlement()).toMatchObject({
      outcome: 'OK',
      statusCode: 200,
      inputTokens: 9,
      outputTokens: 5,
      estimated: false,
    });
  });

  it('keeps the usage chunk where it was requested', async () => {
    const pieces = streamPieces({ usage: usageOf(9, 5) });
    upstream.next({ kind: 'stream', pieces });
    const body = JSON.stringify({ ...BODY, stream: true, stream_options: { include_usage: true } });
    const answer = await server.post(body);
    expect(answer.text).toBe(streamOf(pieces));
    expect((await upstream.request()).body.toString()).toBe(body);
    expect(await server.book.settlement()).toMatchObject({ inputTokens: 9, outputTokens: 5, estimated: false });
  });

  it('is settled with the largest of several reports', async () => {
    upstream.next({
      kind: 'stream',
      pieces: [...streamPieces(), usageChunk(usageOf(9, 1)), usageChunk(usageOf(9, 7))],
    });
    const answer = await server.post({ ...BODY, stream: true });
    expect(answer.text).toBe(streamOf(streamPieces()));
    expect(await server.book.settlement()).toMatchObject({ inputTokens: 9, outputTokens: 7 });
  });

  it('without usage is counted here, and marked as estimated', async () => {
    upstream.next({ kind: 'stream', pieces: streamPieces({ words: ['one', ' two', ' three'] }) });
    await server.post({ ...BODY, stream: true });
    expect(await server.book.settlement()).toMatchObject({ outcome: 'OK', outputTokens: 3, estimated: true });
  });

  it('that the provider breaks off ends in an error event, and is settled with its output', async () => {
    upstream.next({ kind: 'stream', pieces: streamPieces({ words: ['one', ' two', ' three'] }), breakAfter: 3 });
    const answer = await server.post({ ...BODY, stream: true });
    const events = answer.text.trimEnd().split('\n\n');
    expect(events).toHaveLength(4);
    expect(JSON.parse(events[3]?.slice('data: '.length) ?? '')).toEqual({
      error: {
        message: 'The model provider broke off its answer.',
        type: 'upstream_error',
        param: null,
        code: 'upstream_broken',
      },
    });
    expect(await server.book.settlement()).toMatchObject({
      outcome: 'UPSTREAM_BROKEN',
      statusCode: 200,
      outputTokens: 2,
      estimated: true,
    });
  });

  it('that its provider ends with an error of its own gets no second one', async () => {
    const pieces = [...streamPieces().slice(0, 3), errorBody('Overloaded.', 'server_error')];
    upstream.next({ kind: 'stream', pieces, done: false });
    const answer = await server.post({ ...BODY, stream: true });
    expect(answer.text).toBe(pieces.map(eventOf).join(''));
    expect((await server.book.settlement()).outcome).toBe('UPSTREAM_ERROR');
  });

  it("with a provider's error before an ordinary end is not complete for the caller", async () => {
    const error = errorBody('Overloaded.', 'overloaded_error');
    const pieces = [...streamPieces().slice(0, 3), error];
    upstream.next({ kind: 'stream', pieces: [...pieces, DONE, 'never'], stallAfter: 5 });
    const { text } = await server.post({ ...BODY, stream: true });
    expect(text).toBe(pieces.map(eventOf).join(''));
    upstream.next({ kind: 'stream', pieces: [...streamPieces().slice(0, 3), `${eventOf(error)}${DONE}`] });
    expect((await server.post({ ...BODY, stream: true })).text).toBe(text);
    await eventually(() => server.book.settlements.length === 2);
    for (const settlement of server.book.settlements)
      expect(settlement).toMatchObject({ outcome: 'UPSTREAM_ERROR', outputTokens: 2, estimated: true });
  });

  it('that stops sending ends in an error event, as a timeout', async () => {
    await restart({ GATEHOUSE_IDLE_TIMEOUT_MS: '1000' });
    upstream.next({ kind: 'stream', pieces: streamPieces(), stallAfter: 3 });
    const answer = await server.post({ ...BODY, stream: true });
    expect(answer.text).toContain('"code":"upstream_timeout"');
    expect(await server.book.settlement()).toMatchObject({ outcome: 'UPSTREAM_TIMEOUT', estimated: true });
  });

  it('that fails before its first event is an error with a status', async () => {
    upstream.next({ kind: 'stream', pieces: streamPieces(), breakAfter: 0 });
    const answer = await server.post({ ...BODY, stream: true });
    expect(answer.status).toBe(502);
    expect(jsonOf(answer).error.code).toBe('upstream_broken');
    expect(await server.book.settlement()).toMatchObject({
      outcome: 'UPSTREAM_BROKEN',
      inputTokens: 0,
      outputTokens: 0,
    });
  });

  it('whose caller hangs up stops the provider and is charged the output so far', async () => {
    upstream.next({
      kind: 'stream',
      pieces: streamPieces({ words: Array.from({ length: 1000 }, () => ' word') }),
      delayMs: 5,
    });
    const response = await server.open({ ...BODY, stream: true });
    await new Promise((resolve) => response.once('data', resolve));
    response.destroy();
    await upstream.abort();
    const settlement = await server.book.settlement();
    expect(settlement).toMatchObject({ outcome: 'CLIENT_ABORTED', statusCode: 200, estimated: true });
    expect(settlement.inputTokens).toBeGreaterThan(0);
    expect(settlement.outputTokens).toBeLessThan(1000);
  });

  it('whose caller hangs up after a usage report is charged that report', async () => {
    upstream.next({
      kind: 'stream',
      pieces: [...streamPieces(), usageChunk(usageOf(9, 4)), eventOf({ choices: [] })],
      stallAfter: 9,
    });
    const response = await server.open({ ...BODY, stream: true });
    let text = '';
    await new Promise<void>((resolve) => {
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString();
        if (text.includes('data: {"choices":[]}')) resolve();
      });
    });
    response.destroy();
    await upstream.abort();
    expect(await server.book.settlement()).toMatchObject({
      outcome: 'CLIENT_ABORTED',
      inputTokens: 9,
      outputTokens: 4,
      estimated: false,
    });
  });

  it('that has sent [DONE] is complete, although the provider does not close it and the caller does', async () => {
    upstream.next({
      kind: 'stream',
      pieces: [...streamPieces({ usage: usageOf(9, 5) }), DONE, 'never'],
      stallAfter: 9,
    });
    const response = await server.open({ ...BODY, stream: true });
    let text = '';
    await new Promise<void>((resolve) => {
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString();
        if (text.endsWith(DONE)) resolve();
      });
    });
    response.destroy();
    expect(await server.book.settlement()).toMatchObject({
      outcome: 'OK',
      inputTokens: 9,
      outputTokens: 5,
      estimated: false,
    });
  });

  it('makes the provider wait for a caller that reads slowly', async () => {
    const words = Array.from({ length: 400 }, () => 'x'.repeat(64 * 1024));
    upstream.next({ kind: 'stream', pieces: streamPieces({ words }) });
    const response = await server.open({ ...BODY, stream: true });
    response.pause();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect((await upstream.request()).answered).toBe(false);
    let bytes = 0;
    for await (const chunk of response) bytes += (chunk as Buffer).length;
    expect(bytes).toBe(Buffer.byteLength(streamOf(streamPieces({ words }))));
    expect((await server.book.settlement()).outcome).toBe('OK');
  });

  it('is read on after a slow caller hung up, for as long as sent data keeps arriving', async () => {
    const word = 'The lighthouse keeper counts the ships. '.repeat(6400);
    const chunks = streamPieces({ words: Array.from({ length: 72 }, () => word) });
    let hungUp: () => void = () => undefined;
    let held = new Promise<void>((resolve) => (hungUp = resolve));
    // The first sixty fill the network; the others arrive slowly after the caller has gone.
    const pieces = chunks.map((chunk, index) => {
      if (index <= 60) return chunk;
      held = held.then(() => new Promise((resolve) => setTimeout(resolve, 75)));
      return held.then(() => chunk);
    });
    upstream.next({ kind: 'stream', pieces, stallAfter: 73 });
    const response = await server.open({ ...BODY, stream: true });
    response.pause();
    await new Promise((resolve) => setTimeout(resolve, 300));
    response.destroy();
    hungUp();
    const { outcome, outputTokens } = await server.book.settlement();
    expect(outcome).toBe('CLIENT_ABORTED');
    const sent = 72 * tokenizer.count(word);
    expect(Math.abs(outputTokens - sent) / sent).toBeLessThan(0.03);
  });
});

describe('the first call after the start', () => {
  it('is charged by the vocabulary, although that was not loaded yet', async () => {
    await server.stop();
    server = await ChatServer.start(upstream, new Tokenizer());
    const words = ['The', ' lighthouse', ' keeper', ' counts', ' the', ' ships', ' that', ' pass', '.'];
    upstream.next({ kind: 'stream', pieces: streamPieces({ words }), breakAfter: 1 + words.length });
    await server.post({ ...BODY, stream: true }).catch(() => undefined);
    expect(await server.book.settlement()).toMatchObject({ estimated: true, outputTokens: words.length });
  });
});
