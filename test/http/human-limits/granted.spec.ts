/** Calls whose bound does not fit a human's limit, but whose prompt does: the request that reaches the provider. */
import { randomUUID } from 'node:crypto';
import { setLimits, type Limits } from '../../support/chaos-world.js';
import { UPSTREAM_MODEL } from '../../support/openai-upstream.js';
import { startService, type Answer, type Org, type TestService } from '../../support/service.js';
import { clearLedger, settledCall } from '../ledger.js';
import { openaiError } from '../refusals.js';

/** A model of a provider that takes `max_tokens`, without known limits; and one that its operator priced. */
const UNKNOWN_MODEL = 'house-model';
const PRICED_MODEL = 'priced-model';
/** Millionths of a micro-dollar: a token of the input costs 2 micro-dollars, one of the output 8. */
const PRICE = { inputPicoUsd: 2_000_000n, cachedInputPicoUsd: 1_000_000n, outputPicoUsd: 8_000_000n };

let service: TestService;
let org: Org;
let key: string;

beforeAll(async () => {
  service = await startService({
    settings: {
      openaiModels: [UPSTREAM_MODEL, UNKNOWN_MODEL, PRICED_MODEL],
      models: [
        {
          id: PRICED_MODEL,
          family: 'o200k',
          contextTokens: 100_000,
          maxOutputTokens: 5_000,
          outputField: 'max_tokens',
          hidesReasoning: null,
          price: { ...PRICE, asOf: '2026-11-21' },
        },
      ],
    },
  });
  org = await service.createOrg('founder');
  ({ key } = await service.createKey(org, { requestsPerMinute: 100_000 }));
});

afterAll(() => service.stop());

beforeEach(async () => {
  service.upstream.reset();
  await clearLedger(service);
});

const send = (human: string, body: string): Promise<Answer> =>
  service.call('POST', '/v1/chat/completions', {
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', 'x-human-id': human },
    body,
  });

/** A body with spaces, escapes, an order and numbers that a parser would change. */
const bodyOf = (model: string, fields: string): string =>
  ` {\n "messages" : [ {"content":"h\\u00e9llo \\ud83d\\ude00","role":"user"} ],"model":"${model}",\n\t"seed": 12345678901234567890, "temperature":1.0 ${fields}}\n`;

/** The amount that is reserved for the body's prompt. */
async function promptBound(body: string): Promise<number> {
  expect((await send(`asks-${randomUUID()}`, body)).status).toBe(200);
  const { reserved_input_tokens: tokens } = await settledCall(service);
  service.upstream.reset();
  await clearLedger(service);
  return tokens;
}

/** Sends a body for a human with these limits, and returns the body that reached the provider. */
async function sentUnder(limits: Limits, body: string): Promise<string> {
  const human = randomUUID();
  await setLimits(service.database, org.tenantId, human, limits);
  expect((await send(human, body)).status).toBe(200);
  expect(service.upstream.requests).toHaveLength(1);
  return service.upstream.requests[0]!.body.toString();
}

describe('the output limit of a call whose bound exceeds what a limit leaves', () => {
  it.each([
    ['max_completion_tokens', UPSTREAM_MODEL, '"max_completion_tokens" : 1000', '"max_completion_tokens" : 7'],
    ['max_tokens', UNKNOWN_MODEL, '"max_tokens":1000', '"max_tokens":7'],
    ['max_tokens, although the model would take the other', UPSTREAM_MODEL, '"max_tokens":1000', '"max_tokens":7'],
    [
      'both',
      UNKNOWN_MODEL,
      '"max_tokens":1000, "max_completion_tokens": 900',
      '"max_tokens":7, "max_completion_tokens": 7',
    ],
  ])('is written into the field that the caller used: %s', async (_what, model, asked, granted) => {
    const body = bodyOf(model, `,"n": 3, ${asked} ,"user" : "u"`);
    // Room for 7 tokens for each of 3 answers, and 2 that can't be divided.
    const room = (await promptBound(body)) + 3 * 7 + 2;
    expect(await sentUnder({ token_cnt: room }, body)).toBe(body.replace(asked, granted));
    expect(await settledCall(service)).toMatchObject({ reserved_output_tokens: 21 });
  });

  it.each([
    [UPSTREAM_MODEL, 'max_completion_tokens'],
    [PRICED_MODEL, 'max_tokens'],
    [UNKNOWN_MODEL, 'max_tokens'],
  ])('is written into the field that %s takes where the caller wrote none: %s', async (model, field) => {
    const body = bodyOf(model, ', "n":2');
    const room = (await promptBound(body)) + 2 * 5;
    const sent = await sentUnder({ token_cnt: room }, body);
    expect(JSON.parse(sent)).toMatchObject({ n: 2, [field]: 5 });
    expect(sent.replace(`"${field}":5,`, '')).toBe(body);
    expect(await settledCall(service)).toMatchObject({ reserved_output_tokens: 10 });
  });

  it('is what a limit of cost leaves, at the price of the model’s tokens', async () => {
    const body = bodyOf(PRICED_MODEL, ',"max_tokens":1000');
    const cost = 2 * (await promptBound(body)) + 8 * 7 + 3;
    expect(await sentUnder({ token_cnt: 1_000_000, cost_micros: cost }, body)).toBe(
      body.replace('"max_tokens":1000', '"max_tokens":7'),
    );
    await settledCall(service);
    expect(await service.sql('SELECT cost_pico_usd::text AS cost FROM usage_records')).toEqual([
      { cost: String(9n * PRICE.inputPicoUsd + 12n * PRICE.outputPicoUsd) },
    ]);
  });

  it('is written in a stream too, which then also asks for usage', async () => {
    const body = bodyOf(UPSTREAM_MODEL, ', "stream":true,"max_completion_tokens":1000');
    const room = (await promptBound(body)) + 7;
    const sent = await sentUnder({ token_cnt: room }, body);
    expect(sent.replace('"stream_options":{"include_usage":true},', '')).toBe(body.replace('1000', '7'));
  });

  it('is one token where only that is left; with less than one for each answer the call is refused', async () => {
    const body = bodyOf(UPSTREAM_MODEL, ',"n": 3,"max_completion_tokens":1000');
    const bound = await promptBound(body);
    expect(await sentUnder({ token_cnt: bound + 3 }, body)).toBe(body.replace('1000', '1'));
    service.upstream.reset();
    const human = randomUUID();
    await setLimits(service.database, org.tenantId, human, { token_cnt: bound + 2 });
    expect(openaiError(await send(human, body), 429)).toMatchObject({ type: 'usage_limit_exceeded' });
    expect(service.upstream.requests).toEqual([]);
  });
});

describe('a call that fits', () => {
  it.each([
    ['a limit of tokens', { token_cnt: 1_000_000 }],
    ['a limit of requests alone', { request_cnt: 1 }],
    ['no limit', {}],
  ])('under %s reaches the provider byte for byte', async (_what, limits: Limits) => {
    const body = bodyOf(UPSTREAM_MODEL, ',"n": 3,"max_completion_tokens" : 1000');
    expect(await sentUnder(limits, body)).toBe(body);
  });

  it('has its bound written where neither the caller nor the catalogue sets one, under a limit of tokens only', async () => {
    const body = bodyOf(UNKNOWN_MODEL, '');
    expect(await sentUnder({ request_cnt: 1 }, body)).toBe(body);
    service.upstream.reset();
    await settledCall(service);
    const sent = await sentUnder({ token_cnt: 1_000_000 }, body);
    const { max_tokens: limit } = JSON.parse(sent) as { max_tokens: number };
    expect(sent.replace(`"max_tokens":${limit},`, '')).toBe(body);
    const [row] = await service.sql<{ tokens: number }>(
      'SELECT reserved_output_tokens::float8 AS tokens FROM usage_records WHERE limited',
    );
    expect(limit).toBe(row!.tokens);
  });
});
