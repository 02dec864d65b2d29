/**
 * Answers of real providers that deviate from OpenAI's own contract, by a gateway's token, from a provider over https: what the
 * caller gets, and the row in the ledger. src/llm/chat/upstream-*.spec.ts test the same answers on /v1.
 */
import tls from 'node:tls';
import { gzipSync } from 'node:zlib';
import { serverCertificate } from '../../support/certificates.js';
import { completion, DONE, eventOf, streamPieces, usageChunk, usageOf } from '../../support/openai-upstream.js';
import { openaiSays } from '../../support/openai-wire.js';
import { startService, type Answer, type TestService } from '../../support/service.js';
import { jsonAnswer, WireUpstream, type WireAnswer } from '../../support/wire-upstream.js';
import { clearLedger, settledCall } from '../ledger.js';
import { call, chat, GATEWAY_SECRET, SETTINGS, type Made } from './gateways.js';

const HOST = '127.0.0.1';
/** One model that shows all its tokens, and one that a cache makes cheaper. */
const MODELS = ['gpt-4o-mini', 'deepseek-chat', 'o4-mini'];

const formerAuthorities = tls.getCACertificates('default');

let service: TestService;
let upstream: WireUpstream;
let made: Made;

beforeAll(async () => {
  const certificate = serverCertificate([HOST]);
  upstream = await WireUpstream.start(openaiSays({ reportsUnasked: false, faultOf: () => null }), certificate);
  tls.setDefaultCACertificates([...formerAuthorities, certificate.ca]);
  service = await startService({ settings: SETTINGS });
  const org = await service.createOrg('founder', undefined, { provider: false });
  const endpoint = `https://${HOST}:${upstream.port}/v1`;
  const providers = [{ provider: 'openai_compatible', apiKey: GATEWAY_SECRET, models: MODELS, endpoint }];
  made = await call<Made>(service, org, 'POST', 'create', { name: 'by-tls', providers });
});

afterAll(async () => {
  await service.stop();
  await upstream.close();
  tls.setDefaultCACertificates(formerAuthorities);
});

beforeEach(async () => {
  upstream.reset();
  await clearLedger(service);
});

const textOf = (pieces: readonly unknown[]): string => pieces.map(eventOf).join('');
const events = (text: string | Buffer, type = 'text/event-stream', rest: Partial<WireAnswer> = {}): WireAnswer => ({
  ...{ headers: { 'content-type': type }, chunks: [text] },
  ...rest,
});
const said = (status: number, body: unknown, type: string): WireAnswer => ({
  ...{ status, headers: { 'content-type': type }, chunks: [typeof body === 'string' ? body : JSON.stringify(body)] },
});

async function ask(answer: WireAnswer, more: object = {}): Promise<Answer> {
  upstream.next(answer);
  return chat(service, made.gateway.id, made.token, more);
}

const messageIn = (answer: Answer): string => answer.json<{ error: { message: string } }>().error.message;
const WHOLE = streamPieces();
const USAGE = usageChunk(usageOf(11, 7));
const REPORTED = { outcome: 'OK', input_tokens: 11, output_tokens: 7, estimated: false };
const NOTHING = { outcome: 'UPSTREAM_ERROR', input_tokens: 0, output_tokens: 0 };

it("reaches the provider by TLS, with the gateway's credential only", async () => {
  expect((await ask(jsonAnswer(completion({ usage: usageOf(11, 7) })))).status).toBe(200);
  expect(upstream.last.headers).toMatchObject({ authorization: `Bearer ${GATEWAY_SECRET}` });
  expect(await settledCall(service)).toMatchObject(REPORTED);
});

describe('a stream', () => {
  it.each<[string, string, Partial<WireAnswer>, object]>([
    ['without its mark', textOf([...WHOLE, USAGE]), {}, REPORTED],
    ['without usage and mark', textOf(WHOLE), {}, { outcome: 'OK', estimated: true }],
    ['with a comment after its mark', `${textOf([...WHOLE, USAGE])}${DONE}: cost=0.0001\n\n`, {}, REPORTED],
    ['whose connection is cut after its mark', textOf([...WHOLE, USAGE]) + DONE, { cut: true }, REPORTED],
  ])('%s is complete', async (_what, text, rest, row) => {
    const answer = await ask(events(text, undefined, rest), { stream: true });
    expect([answer.status, answer.text]).toEqual([200, textOf(WHOLE) + DONE]);
    expect(await settledCall(service)).toMatchObject(row);
  });

  it('that ends without a finish reason is reported as broken', async () => {
    const answer = await ask(events(textOf(WHOLE.slice(0, 3))), { stream: true });
    expect(answer.text).toContain('upstream_broken');
    expect(await settledCall(service)).toMatchObject({ outcome: 'UPSTREAM_BROKEN', status_code: 200, estimated: true });
  });

  it.each(['Text/Event-Stream; charset=UTF-8', 'application/json', 'text/plain'])(
    'may have the type %s',
    async (type) => {
      const answer = await ask(events(textOf([...WHOLE, USAGE]) + DONE, type), { stream: true });
      expect(answer.headers['content-type']).toBe('text/event-stream; charset=utf-8');
      expect(answer.text).toBe(textOf(WHOLE) + DONE);
      expect(await settledCall(service)).toMatchObject(REPORTED);
    },
  );

  it('is joined where JSON was asked for, and JSON is sent as events where a stream was', async () => {
    const gathered = await ask(events(textOf([...WHOLE, USAGE]) + DONE));
    expect(gathered.json()).toMatchObject({
      object: 'chat.completion',
      choices: [{ message: { content: 'Hello from the upstream.' }, finish_reason: 'stop' }],
    });
    expect(await settledCall(service)).toMatchObject(REPORTED);
    await clearLedger(service);
    const told = await ask(jsonAnswer(completion({ usage: usageOf(11, 7) })), { stream: true });
    expect(told.headers['content-type']).toBe('text/event-stream; charset=utf-8');
    expect(told.text).toContain('"content":"Hello from the upstream."');
    expect(told.text.endsWith(DONE)).toBe(true);
    expect(await settledCall(service)).toMatchObject(REPORTED);
  });
});

describe('an error with status 200', () => {
  const error = { message: 'overloaded', type: 'server_error' };

  it.each<[string, object, WireAnswer, number]>([
    ['as JSON', {}, jsonAnswer({ error }), 502],
    ['as JSON where a stream was asked for', { stream: true }, jsonAnswer({ error }), 502],
    ['as the first event', { stream: true }, events(eventOf({ error }) + DONE), 502],
    [
      'as an event of that name',
      { stream: true },
      events(`event: error\n${eventOf({ error: { ...error, code: 'insufficient_quota' } })}${DONE}`),
      429,
    ],
    ['as a whole body', { stream: true }, events('{"code":429,"message":"overloaded"}'), 429],
  ])('has an error status and costs nothing: %s', async (_what, more, answer, status) => {
    const told = await ask(answer, more);
    expect([told.status, messageIn(told)]).toEqual([status, 'overloaded']);
    expect(await settledCall(service)).toMatchObject(NOTHING);
  });
});

describe('usage', () => {
  const last = { id: 'c', object: 'chat.completion.chunk', choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] };
  const picture = { delta: { images: [{ image_url: { url: `data:image/png;base64,${'A'.repeat(1_600_000)}` } }] } };

  it.each<[string, readonly unknown[], [number, number]]>([
    ['that excludes reasoning', [usageChunk({ ...usageOf(9, 664), total_tokens: 1994 })], [9, 1985]],
    [
      'with its reasoning apart',
      [
        usageChunk({
          ...{ ...usageOf(36, 10), total_tokens: 736 },
          ...{ completion_tokens_details: { reasoning_tokens: 690 } },
        }),
      ],
      [36, 700],
    ],
    ['in a choice', [{ ...last, choices: [{ ...last.choices[0], usage: usageOf(1100, 700) }] }], [1100, 700]],
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
      'beside a picture of 1.6 MB',
      [{ id: 'c', choices: [{ index: 0, ...picture, finish_reason: 'stop' }], usage: usageOf(1100, 4160) }],
      [1100, 4160],
    ],
  ])('%s is charged whole, streamed or in one piece', async (_what, reports, [input, output]) => {
    const charged = { outcome: 'OK', input_tokens: input, output_tokens: output, estimated: false };
    await ask(events(textOf([...WHOLE, ...reports]) + DONE), { stream: true });
    expect(await settledCall(service)).toMatchObject(charged);
    await clearLedger(service);
    await ask(events(textOf([...WHOLE, ...reports]) + DONE));
    expect(await settledCall(service)).toMatchObject(charged);
  });

  it("of a cached prompt has the cache's price", async () => {
    const usage = { ...usageOf(1_000_000, 0), prompt_cache_hit_tokens: 900_000, prompt_cache_miss_tokens: 100_000 };
    await ask(jsonAnswer(completion({ model: 'deepseek-chat', usage })), { model: 'deepseek-chat' });
    await settledCall(service);
    const [row] = await service.sql<{ micros: number }>(
      'SELECT (cost_pico_usd / 1000000)::int AS micros FROM usage_records',
    );
    expect(row).toEqual({ micros: 53_200 });
  });
});

describe('the message of an error', () => {
  it.each<[string, WireAnswer, number, string]>([
    [
      'a list',
      said(400, [{ error: { code: 400, message: 'Cannot find field.' } }], 'application/json'),
      400,
      'Cannot find field.',
    ],
    ['detail', said(400, { detail: 'This model has no tools' }, 'application/json'), 400, 'This model has no tools'],
    [
      'details',
      said(422, { detail: [{ loc: ['body'], msg: 'Field required' }] }, 'application/json'),
      422,
      'Field required',
    ],
    [
      'text',
      said(400, 'context length exceeded: 9000 > 8192', 'text/plain'),
      400,
      'context length exceeded: 9000 > 8192',
    ],
    [
      'gzip',
      {
        ...{ status: 400, headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' } },
        chunks: [gzipSync(JSON.stringify({ error: { message: 'context length exceeded' } }))],
      },
      400,
      'context length exceeded',
    ],
    [
      'moderation',
      said(403, { error: { message: 'requires moderation: input was flagged' } }, 'application/json'),
      403,
      '',
    ],
  ])('comes through as %s, streamed or not', async (_form, answer, status, message) => {
    for (const stream of [false, true]) {
      await clearLedger(service);
      const told = await ask(answer, { stream });
      expect(told.status).toBe(status);
      expect(messageIn(told)).toContain(message);
      expect(told.text).not.toContain('refused this service');
      expect(await settledCall(service)).toMatchObject({ ...NOTHING, status_code: status });
    }
  });
});

it('a kept connection that was reset before a byte came is retried once, and the call is charged once', async () => {
  await ask(jsonAnswer(completion({ usage: usageOf(1, 1) })));
  await clearLedger(service);
  upstream.next({ chunks: [], reset: true });
  expect((await ask(jsonAnswer(completion({ usage: usageOf(11, 7) })))).status).toBe(200);
  expect(await settledCall(service)).toMatchObject(REPORTED);
});

it('`max_tokens: -1` is passed on, for servers that read it as no limit', async () => {
  await ask(jsonAnswer(completion()), { max_tokens: -1 });
  expect(upstream.last.body).toMatchObject({ max_tokens: -1 });
});

it('hidden reasoning is charged where its caller hangs up', async () => {
  const controller = new AbortController();
  let release: () => void = () => undefined;
  const until = new Promise<void>((resolve) => (release = resolve));
  upstream.next({
    ...events(eventOf(streamPieces({ words: ['Hm'] })[0])),
    chunks: [
      eventOf(streamPieces()[0]),
      eventOf(streamPieces()[1]),
      textOf([...WHOLE.slice(2), usageChunk(usageOf(30, 20_000))]) + DONE,
    ],
    hold: { at: 2, until },
  });
  const response = await fetch(`${service.baseUrl}/gateways/${made.gateway.id}/v1/chat/completions`, {
    method: 'POST',
    signal: controller.signal,
    headers: { authorization: `Bearer ${made.token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'o4-mini', stream: true, messages: [{ role: 'user', content: 'Hi' }] }),
  });
  await response.body?.getReader().read();
  controller.abort();
  // The hang-up has been noticed by now, since the next call is answered after it.
  await service.call('GET', '/health/live');
  release();
  expect(await settledCall(service)).toMatchObject({
    outcome: 'CLIENT_ABORTED',
    input_tokens: 30,
    output_tokens: 20_000,
  });
});
