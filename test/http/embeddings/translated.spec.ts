/** `POST /v1/embeddings` by providers with dialects of their own, driven by OpenAI's client. */
import OpenAI from 'openai';
import { setLimits } from '../../support/chaos-world.js';
import { ACCOUNT, REGION } from '../../support/bedrock-wire.js';
import { bedrockEmbeds, cohereEmbeds, googleEmbeds } from '../../support/embedding-wires.js';
import { startService, type Answer, type Org, type TestService } from '../../support/service.js';
import { jsonAnswer, WireUpstream, type Answerer } from '../../support/wire-upstream.js';
import { clearLedger, ledgerOf, settledCall } from '../ledger.js';
import { create } from '../providers/providers.js';
import { openaiError } from '../refusals.js';

interface Kind {
  readonly kind: string;
  readonly path: string;
  readonly credentials: object;
  readonly settings?: object;
  readonly model: string;
  readonly embeds: Answerer;
  /** The number of texts that one exchange takes. */
  readonly most: number;
  readonly reports: boolean;
}

const KEY = { apiKey: 'secret-of-the-provider' };
const BEDROCK = { kind: 'amazon_bedrock', path: '', credentials: ACCOUNT, settings: { region: REGION } };

const KINDS: readonly Kind[] = [
  {
    kind: 'google',
    path: '/v1beta',
    credentials: KEY,
    model: 'gemini-embedding-001',
    embeds: googleEmbeds,
    most: 100,
    reports: false,
  },
  {
    kind: 'cohere',
    path: '/v2',
    credentials: KEY,
    model: 'embed-v4.0',
    embeds: cohereEmbeds,
    most: 96,
    reports: true,
  },
  { ...BEDROCK, model: 'amazon.titan-embed-text-v2:0', embeds: bedrockEmbeds, most: 1, reports: true },
  { ...BEDROCK, model: 'cohere.embed-v4:0', embeds: bedrockEmbeds, most: 96, reports: true },
];

/** Which models report in their answers' JSON. */
const IN_ANSWER: ReadonlySet<string> = new Set(['embed-v4.0', 'amazon.titan-embed-text-v2:0']);
const REPORT = /"(input_tokens|inputTextTokenCount)":5/;

let service: TestService;

beforeAll(async () => {
  service = await startService({ settings: { mode: 'development', outboundAllowCidrs: ['127.0.0.0/8'] } });
});

afterAll(() => service.stop());

describe.each(KINDS)('$kind with $model', ({ kind, path, credentials, settings, model, embeds, most, reports }) => {
  let upstream: WireUpstream;
  let org: Org;
  let key: string;

  beforeAll(async () => {
    upstream = await WireUpstream.start(embeds);
    org = await service.createOrg(`founder-of-${kind}-${most}`, undefined, { provider: false });
    ({ key } = await service.createKey(org, { requestsPerMinute: 100_000 }));
    const baseUrl = `${upstream.origin}${path}`;
    await create(service, org, { name: 'mine', kind, baseUrl, credentials, settings, models: [model] });
  });

  beforeEach(async () => {
    upstream.reset();
    await clearLedger(service);
  });
  afterAll(() => upstream.close());

  const client = (): OpenAI => new OpenAI({ baseURL: `${service.baseUrl}/v1`, apiKey: key, maxRetries: 0 });
  const post = (fields: object, headers: Record<string, string> = {}): Promise<Answer> =>
    service.call('POST', '/v1/embeddings', {
      headers: { authorization: `Bearer ${key}`, ...headers },
      body: { model, input: 'Hello', ...fields },
    });

  it('embeds one text and many, as floats and as base64, and charges the usage', async () => {
    const one = await client().embeddings.create({ model, input: 'Hello', dimensions: 256, encoding_format: 'float' });
    expect(one.data.map(({ embedding }) => [embedding.length, embedding[0]])).toEqual([[256, 5]]);
    const row = await settledCall(service);
    expect(row).toMatchObject({ outcome: 'OK', model, estimated: !reports, output_tokens: 0 });
    expect(row.input_tokens).toBe(one.usage.prompt_tokens);
    expect(row.input_tokens).toBeLessThanOrEqual(row.reserved_input_tokens);
    await clearLedger(service);
    upstream.reset();
    const texts = Array.from({ length: most + 1 }, (_, at) => 'x'.repeat(at + 1));
    const many = await client().embeddings.create({ model, input: texts });
    expect(many.data.map(({ index, embedding }) => [index, embedding[0]])).toEqual(
      texts.map((text, at) => [at, text.length]),
    );
    expect(upstream.requests).toHaveLength(2);
    if (reports) expect(await settledCall(service)).toMatchObject({ estimated: false, input_tokens: 5 * texts.length });
  });

  it.each([
    ['in strings', '"5"', true],
    ['lists', '[5]', false],
    ['objects', '{}', false],
    ['beyond any number', '1e400', false],
    ['null', 'null', false],
  ])('embeds although the provider’s counts are %s', async (_what, value, isBelieved) => {
    upstream.next((request) => {
      const { headers: _headers, chunks, ...rest } = embeds(request);
      const odd = chunks.map((text) => String(text).replace(REPORT, `"$1":${value}`));
      return { ...rest, chunks: odd, headers: { 'content-type': 'application/json' } };
    });
    const { data } = await client().embeddings.create({ model, input: 'Hello', encoding_format: 'float' });
    expect(data.map(({ embedding }) => embedding)).toEqual([[5, 0, 0.5]]);
    const { input_tokens: tokens, estimated } = await settledCall(service);
    expect(tokens).toBeGreaterThan(0);
    expect(estimated).toBe(!(isBelieved && IN_ANSWER.has(model)));
  });

  it.each([
    ['input', { input: [1, 2] }],
    ['input', { input: [[1], [2]] }],
    ['encoding_format', { encoding_format: 'int8' }],
    ['truncate', { truncate: 'END' }],
    ['stream', { stream: true }],
  ])('refuses a field that it can’t translate, naming %s', async (field, fields) => {
    expect(openaiError(await post(fields), 400).message).toMatch(new RegExp(`^${field}: `));
    expect(upstream.requests).toEqual([]);
  });

  it('passes on the provider’s own error with its status, and charges nothing', async () => {
    upstream.next(jsonAnswer({ message: 'Too many.', error: { code: 429, message: 'Too many.' } }, 429));
    expect(openaiError(await post({}), 429).message).toBe('Too many.');
    expect(await settledCall(service)).toMatchObject({ outcome: 'UPSTREAM_ERROR', input_tokens: 0 });
  });

  it('is limited by a human’s limit', async () => {
    await setLimits(service.database, org.tenantId, 'ann', { token_cnt: 3 });
    const refused = await post({ input: 'word '.repeat(50) }, { 'x-human-id': 'ann' });
    expect(openaiError(refused, 429).type).toBe('usage_limit_exceeded');
    expect([upstream.requests, await ledgerOf(service)]).toEqual([[], []]);
  });
});
