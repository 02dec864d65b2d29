/** `POST /v1/responses` where the provider has it: passed through byte for byte, and governed as a chat is. */
import { randomUUID } from 'node:crypto';
import { createOpenAI } from '@ai-sdk/openai';
import { generateText, streamText } from 'ai';
import OpenAI from 'openai';
import { setLimits, type Limits } from '../../support/chaos-world.js';
import { HUMAN_LIMITS } from '../../support/human-limits.js';
import {
  ordinaryResponse,
  response,
  responseEvent,
  responseEvents,
  responsesUsage,
  streamedResponse,
} from '../../support/openai-responses.js';
import { errorBody, UPSTREAM_MODEL } from '../../support/openai-upstream.js';
import { startService, type Answer, type Org, type TestService } from '../../support/service.js';
import { clearLedger, ledgerOf, settledCall } from '../ledger.js';
import { OpenStream } from '../open-stream.js';
import { openaiError } from '../refusals.js';

const MODEL = UPSTREAM_MODEL;
const TEXT = 'Hello from the upstream.';

let service: TestService;
let org: Org;
let key: string;

beforeAll(async () => {
  service = await startService({ settings: { openaiResponses: 'on' } });
  org = await service.createOrg('founder');
  ({ key } = await service.createKey(org, { requestsPerMinute: 100_000 }));
});

afterAll(() => service.stop());

beforeEach(async () => {
  service.upstream.reset();
  service.upstream.otherwise = ({ body }) => ordinaryResponse(body);
  await clearLedger(service);
});

const post = (body: unknown, headers: Record<string, string> = {}): Promise<Answer> =>
  service.call('POST', '/v1/responses', { headers: { authorization: `Bearer ${key}`, ...headers }, body });
const ask = (fields: object = {}, headers: Record<string, string> = {}): Promise<Answer> =>
  post({ model: MODEL, input: 'Say hello.', ...fields }, headers);

async function charged(): Promise<Record<string, unknown>> {
  const row = await settledCall(service);
  const [more] = await service.sql<Record<string, unknown>>(
    `SELECT operation, cost_pico_usd::float8 AS cost, cached_input_tokens::float8 AS cached,
            reasoning_tokens::float8 AS reasoning FROM usage_records`,
  );
  return { ...row, ...more };
}

describe('what goes upstream and comes back', () => {
  it('is byte for byte the same, as JSON', async () => {
    const sent = `{ "model":"${MODEL}", "input": [{"role":"user","content":"\\u0048i"}],"future":{"x":1.0} }`;
    const body = ` ${JSON.stringify(response({ usage: responsesUsage(20, 12, 8, 4) }))}\n`;
    service.upstream.next({ kind: 'body', body });
    expect((await post(sent)).text).toBe(body);
    const [request] = service.upstream.requests;
    expect([request!.path, request!.body.toString()]).toEqual(['/v1/responses', sent]);
    expect(await charged()).toMatchObject({
      operation: 'responses',
      outcome: 'OK',
      streamed: false,
      estimated: false,
      input_tokens: 20,
      cached: 8,
      output_tokens: 12,
      reasoning: 4,
      // gpt-4o-mini: 15 cents a million, half of it for cached tokens, and 60 for output.
      cost: 12 * 150_000 + 8 * 75_000 + 12 * 600_000,
    });
  });

  it.each([1, 50, 100_000])('is byte for byte the same, as a stream that is cut into pieces of %d', async (size) => {
    const bytes = Buffer.from(responseEvents({ words: ['ä', '😀'] }).join(''));
    const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
      bytes.subarray(at * size, (at + 1) * size),
    );
    service.upstream.next({ kind: 'stream', pieces, done: false });
    const answer = await ask({ stream: true });
    expect(answer.text).toBe(bytes.toString());
    expect(answer.headers['content-type']).toMatch(/^text\/event-stream/);
    const [request] = service.upstream.requests;
    expect(JSON.parse(request!.body.toString())).toEqual({ model: MODEL, input: 'Say hello.', stream: true });
    expect(await charged()).toMatchObject({ outcome: 'OK', streamed: true, input_tokens: 9, output_tokens: 12 });
  });

  it('is charged by a report in a last event that is too long to be stored', async () => {
    const words = Array.from({ length: 40 }, (_, at) => `${at}`.repeat(5_000));
    service.upstream.next(streamedResponse({ words, usage: responsesUsage(3, 77_777) }));
    const answer = await ask({ stream: true });
    expect(answer.text === responseEvents({ words, usage: responsesUsage(3, 77_777) }).join('')).toBe(true);
    expect(await charged()).toMatchObject({ outcome: 'OK', estimated: false, output_tokens: 77_777 });
  });

  it('is converted into the requested form, where the provider answers in the other one', async () => {
    service.upstream.next({ kind: 'body', body: response() });
    const streamed = await ask({ stream: true });
    const types = [...streamed.text.matchAll(/^event: (.+)$/gm)].map(([, type]) => type);
    expect([types[0], types.at(-1)]).toEqual(['response.created', 'response.completed']);
    expect(streamed.text).toContain(`"delta":"${TEXT}"`);
    service.upstream.next(streamedResponse());
    expect((await ask()).json()).toEqual(response());
  });

  it.each([
    ['a stream that ends as incomplete', streamedResponse({ status: 'incomplete' }), 'OK', 12],
    ['a stream that fails', streamedResponse({ status: 'failed', usage: responsesUsage(9, 2) }), 'UPSTREAM_ERROR', 2],
    [
      'a stream that fails before it says anything',
      {
        kind: 'stream',
        done: false,
        pieces: [
          responseEvents()[0],
          responseEvent('response.failed', { response: response({ words: [], status: 'failed', usage: null }) }),
        ],
      } as const,
      'UPSTREAM_ERROR',
      0,
    ],
  ])('is passed through whole, and charged as it reports: %s', async (_what, answer, outcome, output) => {
    service.upstream.next(answer);
    const { text, status } = await ask({ stream: true });
    expect([status, text]).toEqual([
      200,
      (answer as unknown as { readonly pieces: readonly string[] }).pieces.join(''),
    ]);
    const row = await charged();
    expect(row).toMatchObject({ outcome, estimated: false, output_tokens: output });
    if (output === 0) expect(row).toMatchObject({ input_tokens: 0 });
  });

  it.each([{ detail: 'Slow down.' }, { choices: [], message: 'Slow down.' }])(
    'is an error with a status, and costs nothing, where the stream has no event of a response: %j',
    async (said) => {
      service.upstream.next({ kind: 'stream', done: false, pieces: [said] });
      expect(openaiError(await ask({ stream: true }), 502)).toMatchObject({ message: 'Slow down.' });
      expect(await charged()).toMatchObject({ outcome: 'UPSTREAM_ERROR', input_tokens: 0, output_tokens: 0 });
    },
  );

  it('is charged by what it said where it reported its usage before that', async () => {
    const events = responseEvents({ words: ['Hello', ' from', ' the', ' upstream', '.'], usage: null });
    events[0] = events[0]!.replace('"usage":null', '"usage":{"input_tokens":9,"output_tokens":0}');
    service.upstream.next({ kind: 'stream', done: false, pieces: events });
    await ask({ stream: true });
    expect(await charged()).toMatchObject({ outcome: 'OK', output_tokens: 5, estimated: true });
  });

  it('is an error with a status where the stream begins with one', async () => {
    const error = { code: 'rate_limit_exceeded', message: 'Slow down.', param: null };
    service.upstream.next({ kind: 'stream', done: false, pieces: [responseEvent('error', error)] });
    expect(openaiError(await ask({ stream: true }), 429).message).toBe('Slow down.');
    expect(await charged()).toMatchObject({ outcome: 'UPSTREAM_ERROR', input_tokens: 0, output_tokens: 0 });
  });

  it('is the provider’s own error, with its status', async () => {
    const body = errorBody('No such tool.', 'invalid_request_error', 'x', 'tools');
    service.upstream.next({ kind: 'body', status: 400, body });
    expect(openaiError(await ask(), 400)).toMatchObject({ message: 'No such tool.', param: 'tools', code: 'x' });
  });

  it('reports a broken stream to clients by an event of their own, and charges the received part', async () => {
    service.upstream.next({ kind: 'stream', done: false, pieces: responseEvents().slice(0, 8), breakAfter: 7 });
    const client = new OpenAI({ baseURL: `${service.baseUrl}/v1`, apiKey: key, maxRetries: 0 });
    const stream = await client.responses.create({ model: MODEL, input: 'Say hello.', stream: true });
    const seen: string[] = [];
    await expect(
      (async () => {
        for await (const event of stream) seen.push(event.type);
      })(),
    ).rejects.toThrow('broke off');
    expect(seen).toContain('response.output_text.delta');
    const row = await charged();
    expect(row).toMatchObject({ outcome: 'UPSTREAM_BROKEN', estimated: true });
    expect(row['output_tokens']).toBeGreaterThanOrEqual(2);
  });
});

describe('usage that the provider did not report', () => {
  it.each([
    ['JSON', { kind: 'body', body: response({ usage: null }) } as const, false],
    ['a stream', streamedResponse({ usage: null }), true],
  ])('is counted here, and marked as estimated: %s', async (_what, answer, stream) => {
    service.upstream.next(answer);
    await ask({ input: 'Say hello to everybody, please.', stream });
    const row = await charged();
    expect(row).toMatchObject({ outcome: 'OK', estimated: true });
    expect(row['input_tokens']).toBeGreaterThanOrEqual(7);
    expect(row['input_tokens']).toBeLessThan(40);
    expect(row['output_tokens']).toBeGreaterThanOrEqual(4);
    expect(row['output_tokens']).toBeLessThan(10);
  });
});

describe('a request', () => {
  it.each([
    ['model', { input: 'x', model: undefined }],
    ['input', { input: undefined }],
    ['input', { input: 7 }],
    ['input[1]', { input: [{ role: 'user', content: 'x' }, 'y'] }],
    ['stream', { stream: 1 }],
    ['max_output_tokens', { max_output_tokens: 0 }],
    ['store', { store: 'yes' }],
    ['previous_response_id', { previous_response_id: 7 }],
    ['conversation', { conversation: 'conv_1' }],
    ['Tools', { Tools: [] }],
  ])('with a wrong %s is refused and names it', async (field, fields) => {
    expect(openaiError(await ask(fields), 400).message).toContain(`${field}: `);
    expect(service.upstream.requests).toEqual([]);
    expect(await ledgerOf(service)).toEqual([]);
  });
});

describe('limits', () => {
  async function humanWith(limits: Limits): Promise<string> {
    const human = randomUUID();
    await setLimits(service.database, org.tenantId, human, limits);
    return human;
  }
  const left = async (human: string): Promise<unknown> =>
    (
      await service.sql(
        `SELECT (token_cnt / 1000000)::int AS tokens, token_cnt_reserved::int AS reserved FROM ${HUMAN_LIMITS} AS h
         WHERE human = $1`,
        [human],
      )
    )[0];

  it('of a human fall by the reported usage, and bound the requested output', async () => {
    const human = await humanWith({ token_cnt: 500 });
    expect((await ask({}, { 'x-human-id': human })).status).toBe(200);
    await settledCall(service);
    expect(await left(human)).toEqual({ tokens: 479, reserved: 0 });
    const [request] = service.upstream.requests;
    const { max_output_tokens: most } = JSON.parse(request!.body.toString()) as { max_output_tokens: number };
    expect(most).toBeGreaterThan(100);
    expect(most).toBeLessThan(500);
  });

  it('refuse a request that does not fit', async () => {
    const human = await humanWith({ token_cnt: 5 });
    const refused = await ask({}, { 'x-human-id': human });
    expect(openaiError(refused, 429).type).toBe('usage_limit_exceeded');
    expect(refused.headers['x-should-retry']).toBe('false');
    expect(service.upstream.requests).toEqual([]);
  });

  const IMAGE = { type: 'input_image', image_url: 'data:image/png;base64,AAAA', detail: 'low' };
  it.each([
    ['background', { background: true }, 'background'],
    ['a tool of the server’s', { tools: [{ type: 'web_search' }] }, 'tools[0]'],
    ['a remote tool server', { tools: [{ type: 'mcp', server_url: 'https://x.example' }] }, 'tools[0]'],
    ['a stored prompt', { prompt: { id: 'pmpt_1' } }, 'prompt'],
    ['a file', { input: [{ role: 'user', content: [{ type: 'input_file', file_id: 'f' }] }] }, 'input[0]'],
    ['an item that the server keeps', { input: [{ type: 'item_reference', id: 'x' }] }, 'input[0]'],
    ['a field that stands twice', '{"input":[{"role":"user","content":"x","content":"y"}]}', 'input'],
    ['an image by the server’s id', { input: [{ role: 'user', content: [{ ...IMAGE, file_id: 'f' }] }] }, 'input[0]'],
  ])('refuse %s, which has no known bound', async (_what, fields, at) => {
    const human = await humanWith({ token_cnt: 1_000_000 });
    const body =
      typeof fields === 'string'
        ? fields.replace('{', `{"model":"${MODEL}",`)
        : { model: MODEL, input: 'Hello', ...fields };
    const refused = await post(body, { 'x-human-id': human });
    expect(openaiError(refused, 400)).toMatchObject({ code: 'usage_not_bounded' });
    expect(refused.text).toContain(at);
    expect(service.upstream.requests).toEqual([]);
  });

  it('bound functions, images and the turns of a conversation', async () => {
    const human = await humanWith({ token_cnt: 1_000_000 });
    const input = [
      { role: 'user', content: [{ type: 'input_text', text: 'See' }, IMAGE] },
      { type: 'reasoning', id: 'rs_1', summary: [{ type: 'summary_text', text: 'Hm' }], encrypted_content: 'gAAA' },
      { type: 'function_call', call_id: 'c', name: 'look', arguments: '{}' },
      { type: 'function_call_output', call_id: 'c', output: 'a cat' },
    ];
    const tools = [{ type: 'function', name: 'look', parameters: { type: 'object' }, strict: true }];
    const answer = await ask({ input, tools, instructions: 'Be brief.' }, { 'x-human-id': human });
    expect([answer.status, service.upstream.requests.length]).toEqual([200, 1]);
  });
});

describe('a caller who hangs up', () => {
  it('within a stream stops the provider, and pays for what arrived', async () => {
    const words = Array.from({ length: 2_000 }, (_, at) => ` word${at}`);
    service.upstream.next({ kind: 'stream', pieces: responseEvents({ words }), done: false, delayMs: 5 });
    const open = OpenStream.start(service, key, { model: MODEL, input: 'Count.', stream: true }, {}, '/v1/responses');
    await open.until('word9"');
    open.hangUp();
    await service.upstream.abort();
    const row = await charged();
    expect(row).toMatchObject({ outcome: 'CLIENT_ABORTED', estimated: true });
    expect(row['output_tokens']).toBeGreaterThanOrEqual(10);
    expect(row['output_tokens']).toBeLessThan(2_000);
  });
});

describe('official clients', () => {
  it('OpenAI’s: create, stream, parse', async () => {
    const client = new OpenAI({ baseURL: `${service.baseUrl}/v1`, apiKey: key, maxRetries: 0 });
    expect((await client.responses.create({ model: MODEL, input: 'x' })).output_text).toBe(TEXT);
    const final = await client.responses.stream({ model: MODEL, input: 'x' }).finalResponse();
    expect(final.output_text).toBe(TEXT);
    service.upstream.next({ kind: 'body', body: response({ words: ['{"a":1}'] }) });
    const parsed = await client.responses.parse({
      model: MODEL,
      input: 'x',
      text: { format: { type: 'json_schema', name: 'n', schema: { type: 'object' }, strict: false } },
    });
    expect(parsed.output_text).toBe('{"a":1}');
  });

  it('the AI SDK, which uses it by default', async () => {
    const model = createOpenAI({ baseURL: `${service.baseUrl}/v1`, apiKey: key })(MODEL);
    const made = await generateText({ model, prompt: 'x', maxRetries: 0 });
    expect([made.text, made.usage.inputTokens, made.usage.outputTokens]).toEqual([TEXT, 9, 12]);
    const streamed = streamText({ model, prompt: 'x', maxRetries: 0 });
    expect([await streamed.text, await streamed.finishReason]).toEqual([TEXT, 'stop']);
  });
});
