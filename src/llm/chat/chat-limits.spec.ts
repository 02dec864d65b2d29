import { ChatServer, until } from '../../../test/support/chat-server.js';
import { OpenaiUpstream, completion, streamPieces, usageOf } from '../../../test/support/openai-upstream.js';
import { logger } from '../../platform/logging/index.js';
import { Tokenizer } from '../tokens/tokenizer.js';

const BODY = { model: 'gpt-4o', messages: [{ role: 'user', content: 'Say hello.' }] };

let upstream: OpenaiUpstream;
let server: ChatServer;
const tokenizer = new Tokenizer();

beforeAll(async () => {
  logger.level = 'silent';
  await tokenizer.load();
});

beforeEach(async () => {
  upstream = await OpenaiUpstream.start();
  server = await ChatServer.start(upstream, tokenizer, { OPENAI_MODELS: 'gpt-4o,gpt-4o-2024-08-06' });
});

afterEach(async () => {
  await server.stop();
  await upstream.close();
});

describe('a call that a limit judged', () => {
  it('is sent with the granted room, for each choice', async () => {
    server.book.admission = { limited: true, outputTokens: 60 };
    await server.post({ ...BODY, n: 3, max_completion_tokens: 100 });
    const sent = JSON.parse((await upstream.request()).body.toString()) as Record<string, unknown>;
    expect(sent).toEqual({ ...BODY, n: 3, max_completion_tokens: 20 });
  });

  it('is sent with whole numbers, whatever was requested', async () => {
    server.book.admission = { limited: true, outputTokens: 1_000_000_000 };
    await server.post({ ...BODY, n: 3 });
    const sent = JSON.parse((await upstream.request()).body.toString()) as Record<string, unknown>;
    expect(sent['max_completion_tokens']).toBe(333_333_333);
  });

  it('is sent unchanged where all of it was granted', async () => {
    const body = JSON.stringify({ ...BODY, max_completion_tokens: 100 }, null, 3);
    server.book.admission = { limited: true, outputTokens: 100 };
    await server.post(body);
    expect((await upstream.request()).body.toString()).toBe(body);
  });
});

it('a call that asks for a cache has no price to judge beforehand, and is charged the model’s', async () => {
  const part = { type: 'text', text: 'Hello.', cache_control: { type: 'ephemeral' } };
  await server.post({ ...BODY, messages: [{ role: 'user', content: [part] }] });
  expect(server.book.reservations).toMatchObject([{ boundless: null, unpriced: 'messages', price: null }]);
  expect((await server.book.settlement()).costPicoUsd).toBeGreaterThan(0n);
});

describe('the cost of a call', () => {
  const settledCost = async (answering: string, stream: boolean): Promise<bigint | null | undefined> => {
    const usage = usageOf(1000, 100);
    upstream.next(
      stream
        ? {
            kind: 'stream',
            pieces: streamPieces({ words: ['one'], usage }).map((piece) => ({ ...piece, model: answering })),
          }
        : { kind: 'body', body: { ...completion({ usage }), model: answering } },
    );
    await server.post({ ...BODY, stream });
    return (await server.book.settlement()).costPicoUsd;
  };
  const USD = 1_000_000_000_000n;

  it('is reserved for the most expensive model behind an alias, and settled for the one that answered', async () => {
    expect(await settledCost('gpt-4o-2024-08-06', false)).toBe((USD * 25n) / 10_000n + (USD * 10n) / 10_000n);
    expect(server.book.reservations[0]?.price).toMatchObject({ inputPicoUsd: 5_000_000n, outputPicoUsd: 15_000_000n });
  });

  it('is so in a stream, too', async () => {
    expect(await settledCost('gpt-4o-2024-08-06', true)).toBe((USD * 25n) / 10_000n + (USD * 10n) / 10_000n);
  });

  it('is the operator’s own where one is configured, whatever is behind the name', async () => {
    await server.stop();
    const price = { input: '100', output: '1000', as_of: '2026-11-01' };
    server = await ChatServer.start(upstream, tokenizer, {
      OPENAI_MODELS: 'gpt-4o',
      GATEHOUSE_MODELS: JSON.stringify([
        { id: 'gpt-4o', family: 'o200k', context_tokens: 128_000, max_output_tokens: 16_384, price },
      ]),
    });
    expect(await settledCost('gpt-4o-2024-08-06', false)).toBe(USD / 10n + USD / 10n);
  });

  it('is that of the requested model where the provider names no known one', async () => {
    expect(await settledCost('my-deployment', false)).toBe((USD * 50n) / 10_000n + (USD * 15n) / 10_000n);
  });
});

describe('a caller who hangs up before the provider’s report', () => {
  const hangUpAfter = async (body: object, pieces: object[], words: string): Promise<void> => {
    upstream.next({ kind: 'stream', pieces, delayMs: 20 });
    const response = await server.open({ ...body, stream: true });
    await new Promise<void>((resolve) => {
      let text = '';
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString();
        if (text.includes(words)) resolve();
      });
    });
    response.destroy();
    await until(() => server.book.settlements.length > 0);
  };
  const long = streamPieces({ words: Array.from({ length: 40 }, () => ' word'), usage: usageOf(9, 5000) });

  it('pays for all hidden reasoning', async () => {
    await server.stop();
    server = await ChatServer.start(upstream, tokenizer, { OPENAI_MODELS: 'gpt-5' });
    await hangUpAfter({ ...BODY, model: 'gpt-5' }, long, ' word');
    expect(server.book.settlements[0]).toMatchObject({
      outcome: 'CLIENT_ABORTED',
      inputTokens: 9,
      outputTokens: 5000,
      estimated: false,
    });
  });

  it('pays the bound of a prompt that is not counted whole', async () => {
    const image = { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } };
    await hangUpAfter({ ...BODY, messages: [{ role: 'user', content: [image] }] }, long, ' word');
    const reserved = server.book.reservations[0]!.reservedInputTokens;
    expect(server.book.settlements[0]).toMatchObject({ inputTokens: reserved, estimated: true });
    expect(server.book.settlements[0]!.outputTokens).toBeLessThan(100);
  });
});

describe('a request', () => {
  it.each([
    ['is counted where it was answered', { kind: 'body', body: completion({ usage: usageOf(0, 0) }) }, true],
    ['is given back where the upstream refused it', { kind: 'body', status: 500, body: '{}' }, false],
    ['is given back where the upstream broke off before it said a word', { kind: 'cut' }, false],
  ] as const)('%s', async (_what, answer, counted) => {
    upstream.next(answer);
    await server.post(BODY);
    expect((await server.book.settlement()).counted).toBe(counted);
  });

  it('is counted where its caller hung up, although nothing had arrived yet', async () => {
    upstream.next({ kind: 'hang' });
    const request = server.send({ ...BODY, stream: true }).on('error', () => undefined);
    await upstream.request();
    request.destroy();
    await until(() => server.book.settlements.length > 0);
    expect(server.book.settlements[0]).toMatchObject({ outcome: 'CLIENT_ABORTED', counted: true });
  });

  it('is counted where its stream broke off after a word', async () => {
    upstream.next({ kind: 'stream', pieces: streamPieces({ words: ['one', ' two', ' three'] }), breakAfter: 3 });
    await server.post({ ...BODY, stream: true });
    expect(await server.book.settlement()).toMatchObject({ outcome: 'UPSTREAM_BROKEN', counted: true });
  });
});
