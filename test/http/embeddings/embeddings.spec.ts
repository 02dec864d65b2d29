/** `POST /v1/embeddings`: passed through to the byte, governed as a chat is, and answered by the built-in dummy too. */
import { randomUUID } from 'node:crypto';
import { createOpenAI } from '@ai-sdk/openai';
import { OpenAIEmbeddings } from '@langchain/openai';
import { embedMany } from 'ai';
import OpenAI from 'openai';
import { setLimits, type Limits } from '../../support/chaos-world.js';
import { HUMAN_LIMITS } from '../../support/human-limits.js';
import { errorBody } from '../../support/openai-upstream.js';
import { startService, type Answer, type Org, type TestService } from '../../support/service.js';
import { clearLedger, ledgerOf, settledCall } from '../ledger.js';
import { OpenStream } from '../open-stream.js';
import { openaiError } from '../refusals.js';

const MODEL = 'text-embedding-3-small';

let service: TestService;
let org: Org;
let key: string;

beforeAll(async () => {
  service = await startService({ settings: { dummyProvider: 'on' } });
  org = await service.createOrg('founder');
  ({ key } = await service.createKey(org, { requestsPerMinute: 100_000 }));
});

afterAll(() => service.stop());

beforeEach(async () => {
  service.upstream.reset();
  await clearLedger(service);
});

const post = (body: unknown, headers: Record<string, string> = {}): Promise<Answer> =>
  service.call('POST', '/v1/embeddings', { headers: { authorization: `Bearer ${key}`, ...headers }, body });

const client = (): OpenAI => new OpenAI({ baseURL: `${service.baseUrl}/v1`, apiKey: key, maxRetries: 0 });

/** The ledger's row of the one call, with its operation and cost. */
async function charged(): Promise<Record<string, unknown>> {
  const row = await settledCall(service);
  const [more] = await service.sql<Record<string, unknown>>(
    'SELECT operation, (cost_pico_usd)::float8 AS cost FROM usage_records',
  );
  return { ...row, ...more };
}

describe('what goes upstream and comes back', () => {
  it.each([
    ['a text', '"Hello, \\u0077orld 😀"'],
    ['texts', '["a", "",  "b"]'],
    ['tokens', '[1, 2 , 3]'],
    ['arrays of tokens', '[[1,2],[3]]'],
  ])('is byte for byte the same for %s', async (_what, input) => {
    const sent = `{ "input": ${input},"model":"${MODEL}", "user":"u", "dimensions":4, "future":{"x":1.0} }`;
    const answered = ` {"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.10,-1e-7]}],"model":"${MODEL}","usage":{"prompt_tokens":3,"total_tokens":3}}\n`;
    service.upstream.next({ kind: 'body', body: answered });
    const answer = await post(sent);
    expect([answer.status, answer.text]).toEqual([200, answered]);
    const [request] = service.upstream.requests;
    expect([request!.path, request!.body.toString()]).toEqual(['/v1/embeddings', sent]);
    expect(await charged()).toMatchObject({
      operation: 'embeddings',
      model: MODEL,
      streamed: false,
      outcome: 'OK',
      estimated: false,
      input_tokens: 3,
      output_tokens: 0,
      reserved_output_tokens: 0,
      // Two cents for a million tokens.
      cost: 3 * 20_000,
    });
  });

  it('may be as large as any body, and a large answer is still charged by its report', async () => {
    const input = Array.from({ length: 1_300 }, (_, index) => `${index} ${'word '.repeat(600)}`);
    const embedding = Array.from({ length: 1_000 }, (_, index) => index / 7);
    const data = input.map((_, index) => ({ object: 'embedding', index, embedding }));
    const usage = { prompt_tokens: 601_000, total_tokens: 601_000 };
    const body = JSON.stringify({ object: 'list', data, model: MODEL, usage });
    expect(body.length).toBeGreaterThan(20 * 1024 * 1024);
    service.upstream.next({ kind: 'body', body });
    const answer = await post({ model: MODEL, input });
    expect(answer.text === body).toBe(true);
    expect(await charged()).toMatchObject({ outcome: 'OK', estimated: false, input_tokens: 601_000 });
  });

  it('works with OpenAI’s client, which asks for base64, with the AI SDK and with LangChain', async () => {
    const { data, usage } = await client().embeddings.create({ model: MODEL, input: ['a', 'b'], dimensions: 2 });
    expect(data.map(({ embedding }) => embedding.map((number) => Number(number.toFixed(3))))).toEqual([
      [0.5, 0.333],
      [1, 0.667],
    ]);
    expect(usage).toEqual({ prompt_tokens: 10, total_tokens: 10 });
    const baseURL = `${service.baseUrl}/v1`;
    const made = await embedMany({
      model: createOpenAI({ baseURL, apiKey: key }).embedding(MODEL),
      values: ['a', 'b'],
      maxRetries: 0,
    });
    expect([made.embeddings.length, made.usage.tokens]).toEqual([2, 10]);
    const langChain = new OpenAIEmbeddings({ model: MODEL, apiKey: key, configuration: { baseURL } });
    expect(await langChain.embedDocuments(['a', 'b'])).toHaveLength(2);
  });

  it('passes on the provider’s own error, with its status', async () => {
    service.upstream.next({
      kind: 'body',
      status: 400,
      body: errorBody('Too long.', 'invalid_request_error', null, 'input'),
    });
    expect(openaiError(await post({ model: MODEL, input: 'x' }), 400)).toMatchObject({
      message: 'Too long.',
      param: 'input',
    });
    expect(await charged()).toMatchObject({ outcome: 'UPSTREAM_ERROR', input_tokens: 0, cost: 0 });
  });
});

describe('a request', () => {
  it.each([
    ['model', { input: 'x' }],
    ['input', { model: MODEL }],
    ['input', { model: MODEL, input: [] }],
    ['input', { model: MODEL, input: 7 }],
    ['input[1]', { model: MODEL, input: ['a', 1] }],
    ['input[0]', { model: MODEL, input: [[1, -1]] }],
    ['input[0]', { model: MODEL, input: [{ text: 'a' }] }],
    ['dimensions', { model: MODEL, input: 'x', dimensions: 0 }],
    ['encoding_format', { model: MODEL, input: 'x', encoding_format: 1 }],
    ['stream', { model: MODEL, input: 'x', stream: true }],
    ['Input', { model: MODEL, input: 'x', Input: 'y' }],
    ['model', `{"model":"${MODEL}","input":"x","model":"text-embedding-3-large"}`],
  ])('with a wrong %s is refused and names it', async (field, body) => {
    expect(openaiError(await post(body), 400).message).toContain(`${field}: `);
    expect(service.upstream.requests).toEqual([]);
    expect(await ledgerOf(service)).toEqual([]);
  });
});

describe('usage that the provider did not report', () => {
  const answer = { object: 'list', data: [{ object: 'embedding', index: 0, embedding: [1] }], model: MODEL };

  it('is counted here, and marked as estimated', async () => {
    service.upstream.next({ kind: 'body', body: answer });
    await post({ model: MODEL, input: ['Say hello to everybody, please.', 'And good bye.'] });
    const row = await charged();
    expect(row).toMatchObject({ outcome: 'OK', estimated: true, output_tokens: 0 });
    expect(row['input_tokens']).toBeGreaterThanOrEqual(9);
    expect(row['input_tokens']).toBeLessThanOrEqual(15);
    expect(row['reserved_input_tokens']).toBeGreaterThanOrEqual(row['input_tokens'] as number);
  });

  it('is as many tokens as the request contained', async () => {
    service.upstream.next({ kind: 'body', body: answer });
    await post({ model: MODEL, input: [[1, 2, 3], [4]] });
    expect(await charged()).toMatchObject({ estimated: true, input_tokens: 4 });
  });
});

describe('limits', () => {
  async function humanWith(limits: Limits): Promise<string> {
    const human = randomUUID();
    await setLimits(service.database, org.tenantId, human, limits);
    return human;
  }
  const left = async (human: string): Promise<unknown> => {
    const [row] = await service.sql(
      `SELECT (token_cnt / 1000000)::int AS tokens, (token_cnt_reserved)::int AS reserved FROM ${HUMAN_LIMITS} AS h
       WHERE human = $1`,
      [human],
    );
    return row;
  };

  it('of a human fall by the reported usage, and refuse a call that does not fit', async () => {
    const human = await humanWith({ token_cnt: 100 });
    expect((await post({ model: MODEL, input: 'Hello' }, { 'x-human-id': human })).status).toBe(200);
    await settledCall(service);
    expect(await left(human)).toEqual({ tokens: 95, reserved: 0 });
    const refused = await post({ model: MODEL, input: Array(200).fill('word') }, { 'x-human-id': human });
    expect(openaiError(refused, 429).type).toBe('usage_limit_exceeded');
    expect(refused.headers['x-should-retry']).toBe('false');
    expect(service.upstream.requests).toHaveLength(1);
    expect(await left(human)).toEqual({ tokens: 95, reserved: 0 });
  });

  it('refuse a field without a known bound', async () => {
    const human = await humanWith({ token_cnt: 1_000_000 });
    const refused = await post({ model: MODEL, input: 'x', file_ids: ['f'] }, { 'x-human-id': human });
    expect(openaiError(refused, 400)).toMatchObject({ code: 'usage_not_bounded' });
    expect(service.upstream.requests).toEqual([]);
  });
});

it('are charged by the report even where the caller hung up', async () => {
  let goOn: () => void = () => undefined;
  const after = new Promise<void>((resolve) => (goOn = resolve));
  const body = { object: 'list', data: [], model: MODEL, usage: { prompt_tokens: 7, total_tokens: 7 } };
  service.upstream.next({ kind: 'body', body, after });
  const open = OpenStream.start(service, key, { model: MODEL, input: 'Hello' }, {}, '/v1/embeddings');
  await service.upstream.request();
  open.hangUp();
  expect((await service.call('GET', '/v1/models', { headers: { 'x-api-key': key } })).status).toBe(200);
  goOn();
  expect(await charged()).toMatchObject({ outcome: 'CLIENT_ABORTED', input_tokens: 7, estimated: false });
});

describe('the dummy', () => {
  it('gives the same vector for the same input, in both formats', async () => {
    const input = ['Hello', 'Good bye', 'Hello'];
    const { data, usage } = await client().embeddings.create({ model: 'dummy', input, dimensions: 8 });
    const floats = await client().embeddings.create({ model: 'dummy', input, dimensions: 8, encoding_format: 'float' });
    expect(floats.data).toEqual(data);
    const [one, other, again] = data.map(({ embedding }) => embedding);
    expect(one).toHaveLength(8);
    expect(again).toEqual(one);
    expect(other).not.toEqual(one);
    expect(one!.reduce((sum, number) => sum + number * number, 0)).toBeCloseTo(1);
    expect(usage.prompt_tokens).toBeGreaterThanOrEqual(4);
  });

  it('refuses what it does not support, naming the field', async () => {
    expect(openaiError(await post({ model: 'dummy', input: 'x', encoding_format: 'int8' }), 400).param).toBe(
      'encoding_format',
    );
  });
});
