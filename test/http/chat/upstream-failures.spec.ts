import {
  OpenaiUpstream,
  UPSTREAM_MODEL,
  errorBody,
  streamPieces,
  type UpstreamAnswer,
} from '../../support/openai-upstream.js';
import { PROVIDER_SECRET, startService, type Answer, type TestService } from '../../support/service.js';
import { clearLedger, settledCall, settledCalls } from '../ledger.js';
import { openaiError } from '../refusals.js';

let service: TestService;
let key: string;

beforeAll(async () => {
  service = await startService({
    settings: { firstByteTimeoutMs: 400, idleTimeoutMs: 400, totalTimeoutMs: 3000, openaiModels: [UPSTREAM_MODEL] },
  });
  ({ key } = await service.createKey(await service.createOrg('founder')));
});

afterAll(() => service.stop());

beforeEach(async () => {
  service.upstream.reset();
  await clearLedger(service);
});

function post(stream: boolean, on: TestService = service): Promise<Answer> {
  const body = { model: UPSTREAM_MODEL, stream, messages: [{ role: 'user', content: 'Say hello.' }] };
  return on.call('POST', '/v1/chat/completions', { headers: { authorization: `Bearer ${key}` }, body });
}

interface Expected {
  readonly status: number;
  readonly code: string | null;
  readonly outcome: string;
  readonly statusCode: number | null;
}

const html = '<html><body>nginx: Internal Server Error</body></html>';
const UNREADABLE = { status: 502, code: 'upstream_broken', outcome: 'UPSTREAM_BROKEN' } as const;

describe('before any part of an answer was sent, an upstream', () => {
  it.each<[string, UpstreamAnswer, Expected]>([
    [
      'that never answers is 504',
      { kind: 'hang' },
      { status: 504, code: 'upstream_timeout', outcome: 'UPSTREAM_TIMEOUT', statusCode: null },
    ],
    ['that cuts the connection is 502', { kind: 'cut' }, { ...UNREADABLE, statusCode: null }],
    [
      'that breaks off within the JSON is 502',
      { kind: 'break', part: '{"id":"chatcmpl-1","choices":[{"ind' },
      { ...UNREADABLE, statusCode: 200 },
    ],
    [
      'that sends half a JSON object is 502',
      { kind: 'body', body: '{"id":"chatcmpl-1","choi' },
      { ...UNREADABLE, statusCode: 200 },
    ],
    ['that sends nothing is 502', { kind: 'body', body: '' }, { ...UNREADABLE, statusCode: 200 }],
    ['that sends a list is 502', { kind: 'body', body: [] }, { ...UNREADABLE, statusCode: 200 }],
    [
      'that sends HTML is 502',
      { kind: 'body', body: html, headers: { 'content-type': 'text/html' } },
      { ...UNREADABLE, statusCode: 200 },
    ],
    [
      'that sends it elsewhere is 502',
      { kind: 'body', status: 302, body: '', headers: { location: 'http://127.0.0.1:1/' } },
      { ...UNREADABLE, statusCode: 302 },
    ],
    [
      'that is not compressed as it says is 502',
      { kind: 'body', body: 'x', headers: { 'content-encoding': 'br' } },
      { ...UNREADABLE, statusCode: 200 },
    ],
    [
      'that refuses our credential is 502',
      { kind: 'body', status: 401, body: errorBody(`Bad key ${PROVIDER_SECRET}`, 'x') },
      { status: 502, code: 'provider_authentication_failed', outcome: 'UPSTREAM_ERROR', statusCode: 401 },
    ],
    [
      'that refuses us the model is 502',
      { kind: 'body', status: 403, body: errorBody(`Bad key ${PROVIDER_SECRET}`, 'x') },
      { status: 502, code: 'provider_authentication_failed', outcome: 'UPSTREAM_ERROR', statusCode: 403 },
    ],
    [
      'that quotes our key in a 400 is 400 without it',
      { kind: 'body', status: 400, body: errorBody(`Bad key ${PROVIDER_SECRET}`, 'x', 'c') },
      { status: 400, code: 'c', outcome: 'UPSTREAM_ERROR', statusCode: 400 },
    ],
    [
      'that answers 429 is 429',
      { kind: 'body', status: 429, body: errorBody('Slower.', 'requests', 'rate_limit_exceeded') },
      { status: 429, code: 'rate_limit_exceeded', outcome: 'UPSTREAM_ERROR', statusCode: 429 },
    ],
    [
      'that answers 500 with HTML is 500',
      { kind: 'body', status: 500, body: html },
      { status: 500, code: null, outcome: 'UPSTREAM_ERROR', statusCode: 500 },
    ],
    [
      'that answers 502 with nothing is 502',
      { kind: 'body', status: 502, body: '' },
      { status: 502, code: null, outcome: 'UPSTREAM_ERROR', statusCode: 502 },
    ],
    [
      'that answers 529 is 529',
      { kind: 'body', status: 529, body: { error: { message: 'Overloaded', type: 'overloaded_error' } } },
      { status: 529, code: null, outcome: 'UPSTREAM_ERROR', statusCode: 529 },
    ],
    [
      'whose error is text is passed on',
      { kind: 'body', status: 400, body: { error: 'model is required' } },
      { status: 400, code: null, outcome: 'UPSTREAM_ERROR', statusCode: 400 },
    ],
    [
      'whose error is half a JSON object is answered by its status',
      { kind: 'body', status: 500, body: '{"error":{"mess' },
      { status: 500, code: null, outcome: 'UPSTREAM_ERROR', statusCode: 500 },
    ],
    ['that breaks off within its error is 502', { kind: 'break', part: '' }, { ...UNREADABLE, statusCode: 200 }],
  ])('%s, and the call is settled without tokens', async (_what, answer, { status, code, outcome, statusCode }) => {
    for (const stream of [false, true]) {
      service.upstream.next(answer);
      const received = await post(stream);
      expect(openaiError(received, status).code).toBe(code);
      expect(received.text).not.toMatch(/sk-|nginx|chatcmpl|127\.0\.0\.1/);
      expect(received.headers['x-ratelimit-limit']).toBe('1000');
      // A late answer of the provider would be charged, so that call must not be retried; all others may be.
      expect(received.headers['x-should-retry']).toBe(code === 'upstream_timeout' ? 'false' : undefined);
    }
    for (const row of await settledCalls(service, 2)) {
      expect(row).toMatchObject({
        state: 'SETTLED',
        outcome,
        status_code: statusCode,
        input_tokens: 0,
        output_tokens: 0,
        estimated: false,
      });
    }
  });
});

describe('within a stream, an upstream', () => {
  interface ErrorEvent {
    readonly error: { readonly message: string; readonly type: string; readonly code: string | null };
  }

  /** A stream that began well and ended with an error event, and without an end mark after it. */
  async function brokenStream(
    answer: UpstreamAnswer,
  ): Promise<{ readonly said: string; readonly error: ErrorEvent['error'] }> {
    service.upstream.next(answer);
    const received = await post(true);
    expect(received.status).toBe(200);
    const events = received.text.split('\n\n').filter((event) => event !== '');
    const chunks = events.map(
      (event) =>
        JSON.parse(event.replace(/^data: /, '')) as ErrorEvent & { choices?: { delta: { content?: string } }[] },
    );
    const { error } = chunks.pop()!;
    return { said: chunks.map(({ choices }) => choices![0]!.delta.content ?? '').join(''), error };
  }

  it.each<[string, UpstreamAnswer, string, string]>([
    [
      'that breaks off',
      { kind: 'stream', pieces: streamPieces(), breakAfter: 4 },
      'upstream_broken',
      'UPSTREAM_BROKEN',
    ],
    [
      'that goes silent',
      { kind: 'stream', pieces: streamPieces(), stallAfter: 4 },
      'upstream_timeout',
      'UPSTREAM_TIMEOUT',
    ],
    [
      'that ends without its end mark',
      { kind: 'stream', pieces: streamPieces().slice(0, 4), done: false },
      'upstream_broken',
      'UPSTREAM_BROKEN',
    ],
  ])('%s gives an error event, and the call is settled with what it produced', async (_what, answer, code, outcome) => {
    const { said, error } = await brokenStream(answer);
    expect(said).toBe('Hello from the');
    expect(error).toMatchObject({ code, message: expect.stringMatching(/\w/) as string });
    const row = await settledCall(service);
    expect(row).toMatchObject({ outcome, status_code: 200, estimated: true });
    expect(row.output_tokens).toBeGreaterThanOrEqual(3);
    expect(row.output_tokens).toBeLessThan(8);
    expect(row.input_tokens).toBeGreaterThan(0);
  });

  it.each([
    ['breaks off', 'data: {"id":"half","choices":[{"index":0,"del', 4],
    ['ends', 'data: {"id":"half","choices":[{"index":0,"del', undefined],
    ['ends after a whole line', 'data: {"choices":[{"index":0,"delta":{"content":""}}]}\n', undefined],
  ])('that %s within an event leaves the following error event readable', async (_how, half, breakAfter) => {
    const pieces = [...streamPieces().slice(0, 3), half, ...(breakAfter === undefined ? [] : ['never sent'])];
    const { said, error } = await brokenStream({
      kind: 'stream',
      pieces,
      done: false,
      ...(breakAfter === undefined ? {} : { breakAfter }),
    });
    expect(said).toBe('Hello from');
    expect(error.code).toBe('upstream_broken');
  });

  it('that finishes its answer and ends without its mark counts as answered, and is settled by its report', async () => {
    const pieces = streamPieces({
      words: ['Hello'],
      usage: { prompt_tokens: 5, completion_tokens: 1, total_tokens: 6 },
    });
    service.upstream.next({ kind: 'stream', pieces, done: false });
    expect((await post(true)).text).toMatch(/data: \[DONE\]\n\n$/);
    expect(await settledCall(service)).toMatchObject({
      outcome: 'OK',
      estimated: false,
      input_tokens: 5,
      output_tokens: 1,
    });
  });

  it('that sends without a pause beyond the total time limit is ended', async () => {
    const words = Array.from({ length: 2000 }, () => ' x');
    const { error } = await brokenStream({ kind: 'stream', pieces: streamPieces({ words }), delayMs: 20 });
    expect(error.code).toBe('upstream_timeout');
    await service.upstream.abort();
    expect(await settledCall(service)).toMatchObject({ outcome: 'UPSTREAM_TIMEOUT', estimated: true });
  });
});

describe('an upstream that is down', () => {
  it('is 502, without its address', async () => {
    const upstream = await OpenaiUpstream.start();
    const { port } = new URL(upstream.baseUrl);
    await upstream.close();
    const settings = {
      peppers: service.settings.peppers,
      openaiBaseUrl: upstream.baseUrl,
      openaiModels: [UPSTREAM_MODEL],
    };
    const { database, issuer } = service;
    const cutOff = await startService({ database, issuer, upstream, settings });
    try {
      const other = await cutOff.createOrg('cut-off');
      ({ key } = await cutOff.createKey(other));
      for (const stream of [false, true]) {
        const received = await post(stream, cutOff);
        expect(openaiError(received, 502).code).toBe('upstream_unreachable');
        expect(received.text).not.toContain(port);
      }
      for (const row of await settledCalls(service, 2)) {
        expect(row).toMatchObject({ outcome: 'UPSTREAM_ERROR', status_code: null, input_tokens: 0, output_tokens: 0 });
      }
    } finally {
      await cutOff.stop();
    }
  });
});
