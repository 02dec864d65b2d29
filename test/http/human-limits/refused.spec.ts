/** Calls that a human's limit refuses: one error, nothing upstream and nothing charged. */
import { randomUUID } from 'node:crypto';
import OpenAI from 'openai';
import { setLimits, type Limits } from '../../support/chaos-world.js';
import { UPSTREAM_MODEL } from '../../support/openai-upstream.js';
import { startService, type Answer, type Org, type TestService } from '../../support/service.js';
import { clearLedger, ledgerOf, settledCalls } from '../ledger.js';
import { openaiError } from '../refusals.js';
import { HUMAN_LIMITS } from '../../support/human-limits.js';

const UNPRICED_MODEL = 'house-model';

let service: TestService;
let org: Org;
let key: string;

beforeAll(async () => {
  service = await startService({ settings: { openaiModels: [UPSTREAM_MODEL, UNPRICED_MODEL] } });
  org = await service.createOrg('founder');
  ({ key } = await service.createKey(org, { requestsPerMinute: 100_000 }));
});

afterAll(() => service.stop());

beforeEach(async () => {
  service.upstream.reset();
  await clearLedger(service);
});

const MESSAGES = [{ role: 'user', content: 'Say hello.' }];

async function humanWith(limits: Limits): Promise<string> {
  const human = randomUUID();
  await setLimits(service.database, org.tenantId, human, limits);
  return human;
}

const send = (human: string, fields: object = {}): Promise<Answer> =>
  service.call('POST', '/v1/chat/completions', {
    headers: { 'x-api-key': key, 'x-human-id': human },
    body: { model: UPSTREAM_MODEL, messages: MESSAGES, max_completion_tokens: 100, ...fields },
  });

/** Nothing went upstream, there is no record, and the human's limits are unchanged. */
async function expectNothingDone(human: string, limits: Limits): Promise<void> {
  expect(service.upstream.requests).toEqual([]);
  expect(await ledgerOf(service)).toEqual([]);
  const [row] = await service.sql(
    `SELECT (token_cnt / 1000000)::int AS token_cnt, (request_cnt / 1000000)::int AS request_cnt,
            (cost_micros / 1000000)::int AS cost_micros,
            (token_cnt_reserved + request_cnt_reserved + cost_micros_reserved)::int AS reserved
     FROM ${HUMAN_LIMITS} AS h WHERE human = $1`,
    [human],
  );
  expect(row).toEqual({ token_cnt: null, request_cnt: null, cost_micros: null, ...limits, reserved: 0 });
}

const AUDIO = [{ type: 'input_audio', input_audio: { data: 'AAAA', format: 'wav' } }];
const withParts = (parts: object[]): object => ({ messages: [{ role: 'user', content: parts }] });

describe('content without a known bound', () => {
  it.each([
    ['audio', withParts(AUDIO), 'messages[0].content[0]'],
    [
      'a file beside text',
      withParts([
        { type: 'text', text: 'x' },
        { type: 'file', file: { file_id: 'f' } },
      ]),
      'messages[0].content[1]',
    ],
    ['a tool of the server’s', { tools: [{ type: 'web_search' }] }, 'tools[0]'],
    ['a search of the server’s', { web_search_options: {} }, 'web_search_options'],
  ])(
    '(%s) is refused under a limit of tokens or cost, naming the field, and passes without one',
    async (_what, fields, at) => {
      for (const limits of [{ token_cnt: 1_000_000 }, { request_cnt: 5, cost_micros: 1_000_000 }]) {
        const human = await humanWith(limits);
        const error = openaiError(await send(human, fields), 400);
        expect(error.message).toContain(at);
        expect(error.code).toBe('usage_not_bounded');
        await expectNothingDone(human, limits);
      }
      expect((await send(await humanWith({ request_cnt: 1 }), fields)).status).toBe(200);
      expect((await send(await humanWith({}), fields)).status).toBe(200);
      await settledCalls(service, 2);
    },
  );
});

describe('a model without a known price', () => {
  it('is refused under a limit of cost, naming the field, and passes without one', async () => {
    const limits = { token_cnt: 1_000_000, cost_micros: 1_000_000 };
    const human = await humanWith(limits);
    const error = openaiError(await send(human, { model: UNPRICED_MODEL }), 400);
    expect(error).toMatchObject({ param: 'model', code: 'model_without_price' });
    await expectNothingDone(human, limits);
    expect((await send(human)).status).toBe(200);
    expect((await send(await humanWith({ token_cnt: 1_000_000 }), { model: UNPRICED_MODEL })).status).toBe(200);
    await settledCalls(service, 2);
  });
});

describe('a call over its human’s limit', () => {
  it.each([
    ['request_cnt', { request_cnt: 0, token_cnt: 1_000_000 }],
    ['token_cnt', { request_cnt: 5, token_cnt: 1 }],
    ['cost_micros', { request_cnt: 5, cost_micros: 0 }],
  ])('of %s gets 429, the name of the limit, and no permission to retry', async (type, limits: Limits) => {
    for (const stream of [false, true]) {
      const human = await humanWith(limits);
      const answer = await send(human, { stream });
      expect(openaiError(answer, 429)).toMatchObject({
        type: 'usage_limit_exceeded',
        code: 'usage_limit_exceeded',
        message: expect.stringContaining(type) as string,
      });
      expect(answer.json()).toMatchObject({ type: 'usage_limit_exceeded' });
      expect(answer.headers['x-should-retry']).toBe('false');
      await expectNothingDone(human, limits);
    }
  });

  it('is not retried by the official client, which retries other refusals', async () => {
    let requests = 0;
    service.app.getHttpServer().on('request', () => (requests += 1));
    const human = await humanWith({ request_cnt: 1 });
    const client = new OpenAI({
      baseURL: `${service.baseUrl}/v1`,
      apiKey: key,
      defaultHeaders: { 'x-human-id': human },
      maxRetries: 3,
    });
    const ask = { model: UPSTREAM_MODEL, messages: MESSAGES as OpenAI.ChatCompletionMessageParam[] };
    expect((await client.chat.completions.create(ask)).choices).toHaveLength(1);
    expect(requests).toBe(1);
    const refusal = await client.chat.completions.create(ask).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(OpenAI.RateLimitError);
    expect(refusal).toMatchObject({ status: 429, type: 'usage_limit_exceeded' });
    expect(requests).toBe(2);
    expect(service.upstream.requests).toHaveLength(1);

    // The same client does retry where the provider is overloaded.
    service.upstream.next({ kind: 'body', status: 429, body: { error: { message: 'Slow down.' } } });
    const other = new OpenAI({ baseURL: `${service.baseUrl}/v1`, apiKey: key, maxRetries: 3 });
    expect((await other.chat.completions.create(ask)).choices).toHaveLength(1);
    expect(requests).toBe(4);
  });
});
