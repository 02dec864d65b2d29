/** Callers who hang up where only the end of the answer has the usage: the service reads the answer to its end. */
import { ChatServer, until } from '../../../test/support/chat-server.js';
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

const BODY = { model: UPSTREAM_MODEL, messages: [{ role: 'user', content: 'Say hello.' }] };
const WHOLE = { kind: 'body', body: completion({ usage: usageOf(12, 3456) }) } as const;
const REPORTED = { outcome: 'CLIENT_ABORTED', inputTokens: 12, outputTokens: 3456, estimated: false, counted: true };

let upstream: OpenaiUpstream;
let server: ChatServer;
/** Lets the provider continue. */
let goOn: () => void;
let held: Promise<void>;
const tokenizer = new Tokenizer();

beforeAll(async () => {
  logger.level = 'silent';
  await tokenizer.load();
});

beforeEach(async () => {
  held = new Promise((resolve) => (goOn = resolve));
  upstream = await OpenaiUpstream.start();
  upstream.models = null;
  server = await ChatServer.start(upstream, tokenizer);
});

afterEach(async () => {
  await server.stop();
  await upstream.close();
});

async function restart(environment: Record<string, string>): Promise<void> {
  await server.stop();
  server = await ChatServer.start(upstream, tokenizer, environment);
}

/** A caller who leaves before the provider sends anything. */
async function leave(answer: UpstreamAnswer, body: object): Promise<void> {
  upstream.next({ ...answer, after: held });
  const before = upstream.requests.length;
  const request = server.send(body).on('error', () => undefined);
  await upstream.request(before + 1);
  request.destroy();
  await new Promise((resolve) => request.once('close', resolve));
  // The hang-up has been noticed by now, since the next call is answered after it.
  await server.post(BODY);
}

describe('a caller of an answer that is not streamed', () => {
  it('is charged the reported usage, although the caller is gone', async () => {
    await leave(WHOLE, BODY);
    expect(upstream.requests[0]!.aborted).toBe(false);
    goOn();
    await until(() => server.book.settlements.length === 2);
    expect(server.book.settlements[1]).toMatchObject(REPORTED);
  });

  it.each([
    ['as JSON', { kind: 'body', status: 400, body: errorBody('No.', 'x') } as const],
    ['with status 200', { kind: 'body', body: { error: { message: 'No.' } } } as const],
  ])('is charged no tokens where the provider refuses, %s', async (_how, refusal) => {
    await leave(refusal, BODY);
    goOn();
    await until(() => server.book.settlements.length === 2);
    expect(server.book.settlements[1]).toMatchObject({ outcome: 'CLIENT_ABORTED', inputTokens: 0, outputTokens: 0 });
  });

  it('is charged the prompt where no answer comes within the total time', async () => {
    await restart({ GATEHOUSE_TOTAL_TIMEOUT_MS: '2000' });
    await leave({ kind: 'hang' }, BODY);
    await upstream.abort();
    await until(() => server.book.settlements.length === 2);
    const [, settled] = server.book.settlements;
    expect(settled).toMatchObject({ outcome: 'CLIENT_ABORTED', outputTokens: 0, estimated: true, counted: true });
    expect(settled!.inputTokens).toBeGreaterThan(0);
  });

  it('is awaited only while its tenant has places for late calls', async () => {
    await restart({ GATEHOUSE_PROVIDER_CALLS: '40', GATEHOUSE_TENANT_CALLS: '30' });
    upstream.otherwise = async () => {
      await held;
      return WHOLE;
    };
    const requests = Array.from({ length: 26 }, () => server.send(BODY).on('error', () => undefined));
    await upstream.request(26);
    for (const request of requests) request.destroy();
    await until(() => server.book.settlements.length === 16);
    await until(() => upstream.requests.filter(({ aborted }) => aborted).length === 16);
    goOn();
    await until(() => server.book.settlements.length === 26);
    expect(server.book.settlements.filter(({ estimated }) => !estimated)).toHaveLength(10);
  });
});

describe('a caller of a stream that may hide reasoning', () => {
  it.each([
    'ft:o4-mini-2025-04-16:acme::abc',
    'gemini-flash-latest',
    'grok-4',
    'openai/gpt-oss-120b:nitro',
    'claude-opus-5',
    'an-unknown-model',
  ])('of %s is charged the usage that its end reports', async (model) => {
    upstream.next({
      kind: 'stream',
      pieces: [...streamPieces({ model }).slice(0, 3), held.then(() => streamPieces({ model })[6]), usage(model)],
    });
    const response = await server.open({ ...BODY, model, stream: true });
    await new Promise<void>((resolve) => response.once('data', () => resolve()));
    response.destroy();
    await server.post(BODY);
    expect(upstream.requests[0]!.aborted).toBe(false);
    goOn();
    await until(() => server.book.settlements.length === 2);
    expect(server.book.settlements[1]).toMatchObject({
      outcome: 'CLIENT_ABORTED',
      inputTokens: 30,
      outputTokens: 20_000,
      estimated: false,
    });
  });

  it('is charged by its words where the operator says that the model shows all its output', async () => {
    const shown = { id: 'shown', context_tokens: 1000, max_output_tokens: 1000, hides_reasoning: false };
    await restart({ GATEHOUSE_MODELS: JSON.stringify([shown]) });
    upstream.next({ kind: 'stream', pieces: [...streamPieces().slice(0, 2), held] });
    const response = await server.open({ ...BODY, model: 'shown', stream: true });
    await new Promise<void>((resolve) => response.once('data', () => resolve()));
    response.destroy();
    await upstream.abort();
    expect(await server.book.settlement()).toMatchObject({ outcome: 'CLIENT_ABORTED', estimated: true });
  });
});

function usage(model: string): object {
  return { id: 'c', object: 'chat.completion.chunk', model, choices: [], usage: usageOf(30, 20_000) };
}
