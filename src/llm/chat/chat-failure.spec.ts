import { ChatServer, PROVIDER_SECRET, type ChatAnswer } from '../../../test/support/chat-server.js';
import { OpenaiUpstream, UPSTREAM_MODEL, errorBody } from '../../../test/support/openai-upstream.js';
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

describe('a provider’s failure', () => {
  it.each([
    [400, 'context_length_exceeded'],
    [404, 'model_not_found'],
    [409, null],
    [413, null],
    [422, null],
    [429, 'rate_limit_exceeded'],
    [500, null],
    [503, 'overloaded'],
  ])('with status %d is passed on with that status, as OpenAI’s error', async (status, code) => {
    for (const stream of [false, true]) {
      upstream.next({
        kind: 'body',
        status,
        body: errorBody('No.', 'some_error', code, 'messages'),
        headers: { 'retry-after': '3' },
      });
      const answer = await server.post({ ...BODY, stream });
      expect(answer.status).toBe(status);
      expect(JSON.parse(answer.text)).toEqual({
        type: 'some_error',
        message: 'No.',
        error: { message: 'No.', type: 'some_error', param: 'messages', code },
      });
      expect(answer.headers['retry-after']).toBe(status === 429 || status === 503 ? '3' : undefined);
      expect(answer.headers['x-ratelimit-remaining']).toBe('41');
    }
    const settled = {
      outcome: 'UPSTREAM_ERROR',
      statusCode: status,
      inputTokens: 0,
      outputTokens: 0,
      estimated: false,
    };
    expect(server.book.settlements).toMatchObject([settled, settled]);
  });

  it.each([401, 403])(
    'with status %d is our own mistake, and the answer reveals nothing of the credential',
    async (status) => {
      upstream.next({
        kind: 'body',
        status,
        body: errorBody(`Incorrect API key provided: ${PROVIDER_SECRET}`, 'invalid_request_error', 'invalid_api_key'),
      });
      const answer = await server.post(BODY);
      expect(answer.status).toBe(502);
      expect(jsonOf(answer).error.code).toBe('provider_authentication_failed');
      expect(answer.text).not.toContain('sk-');
      expect((await server.book.settlement()).statusCode).toBe(status);
    },
  );

  it('that is a refused connection is 502', async () => {
    await restart({ OPENAI_MODELS: UPSTREAM_MODEL });
    await upstream.close();
    const answer = await server.post(BODY);
    expect(answer.status).toBe(502);
    expect(jsonOf(answer).error.code).toBe('upstream_unreachable');
    expect(await server.book.settlement()).toMatchObject({ outcome: 'UPSTREAM_ERROR', statusCode: null });
    upstream = await OpenaiUpstream.start();
  });

  it.each([
    ['a body that breaks off', { kind: 'break', part: '{"id":"x"' } as const],
    ['HTML', { kind: 'body', body: '<html>', headers: { 'content-type': 'text/html' } } as const],
    [
      'an answer compressed twice',
      { kind: 'body', body: Buffer.from([0x1f, 0x8b]), headers: { 'content-encoding': 'gzip, br' } } as const,
    ],
    ['a redirect', { kind: 'body', status: 307, body: '', headers: { location: 'http://127.0.0.1:1/' } } as const],
  ])('that is %s is 502', async (_what, answer) => {
    upstream.next(answer);
    const received = await server.post(BODY);
    expect(received.status).toBe(502);
    expect(jsonOf(received).error.code).toBe('upstream_broken');
    expect((await server.book.settlement()).outcome).toBe('UPSTREAM_BROKEN');
  });

  it('does not matter to a caller that hangs up before the stream begins: the provider is stopped', async () => {
    upstream.next({ kind: 'hang' });
    const request = server.send({ ...BODY, stream: true }).on('error', () => undefined);
    await upstream.request();
    request.destroy();
    await upstream.abort();
    expect(await server.book.settlement()).toMatchObject({
      outcome: 'CLIENT_ABORTED',
      outputTokens: 0,
      estimated: true,
    });
  });
});
