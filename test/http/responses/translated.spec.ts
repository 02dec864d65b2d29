/** `POST /v1/responses` where the provider has chat completions only: translated both ways, and nothing is stored. */
import { createOpenAI } from '@ai-sdk/openai';
import { generateText, jsonSchema, Output, stepCountIs, streamText, tool } from 'ai';
import OpenAI from 'openai';
import {
  completion,
  errorBody,
  streamPieces,
  UPSTREAM_MODEL,
  usageChunk,
  usageOf,
  type UpstreamAnswer,
} from '../../support/openai-upstream.js';
import { startService, type Answer, type TestService } from '../../support/service.js';
import { clearLedger, settledCall } from '../ledger.js';
import { openaiError } from '../refusals.js';

const MODEL = UPSTREAM_MODEL;
const TEXT = 'Hello from the upstream.';

let service: TestService;
let key: string;

beforeAll(async () => {
  service = await startService({ settings: { dummyProvider: 'on' } });
  ({ key } = await service.createKey(await service.createOrg('founder'), { requestsPerMinute: 100_000 }));
});

afterAll(() => service.stop());

beforeEach(async () => {
  service.upstream.reset();
  await clearLedger(service);
});

const ask = (fields: object = {}): Promise<Answer> =>
  service.call('POST', '/v1/responses', {
    headers: { authorization: `Bearer ${key}` },
    body: { model: MODEL, input: 'Say hello.', ...fields },
  });
const client = (): OpenAI => new OpenAI({ baseURL: `${service.baseUrl}/v1`, apiKey: key, maxRetries: 0 });
/** The request that the provider received. */
const asked = (at = -1): Record<string, unknown> =>
  JSON.parse(service.upstream.requests.at(at)!.body.toString()) as Record<string, unknown>;

interface Event {
  readonly type: string;
  readonly sequence_number: number;
  readonly [field: string]: unknown;
}
const eventsOf = ({ text }: Answer): Event[] =>
  [...text.matchAll(/^event: (.+)\ndata: (.+)\n$/gm)].map(([, type, data]) => {
    const event = JSON.parse(data!) as Event;
    expect(event.type).toBe(type);
    return event;
  });

const PARAMETERS = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const TOOL = { type: 'function', name: 'weather', description: 'Tells it.', parameters: PARAMETERS, strict: true };
const CHAT_TOOL = {
  type: 'function',
  function: { name: 'weather', description: 'Tells it.', parameters: PARAMETERS, strict: true },
};
const CALL = { id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{"city":"Rome"}' } };

function answerWith(message: object, finishReason = 'stop'): UpstreamAnswer {
  const whole = completion() as { choices: object[] };
  const choice = { index: 0, message: { role: 'assistant', content: null, ...message }, finish_reason: finishReason };
  return { kind: 'body', body: { ...whole, choices: [choice] } };
}

function streamOf(deltas: readonly object[], finishReason = 'stop'): UpstreamAnswer {
  const [envelope] = streamPieces() as { choices: unknown }[];
  const chunk = (delta: object, reason: string | null = null): object => ({
    ...envelope,
    choices: [{ index: 0, delta, finish_reason: reason }],
  });
  return {
    kind: 'stream',
    pieces: [...deltas.map((delta) => chunk(delta)), chunk({}, finishReason), usageChunk(usageOf(9, 12))],
  };
}

describe('a response', () => {
  it("is made from a completion, with the request's fields and the usage", async () => {
    const answer = await ask({
      instructions: 'Be brief.',
      max_output_tokens: 50,
      temperature: 0.5,
      metadata: { a: 'b' },
    });
    expect(answer.status).toBe(200);
    expect(asked()).toEqual({
      model: MODEL,
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Say hello.' },
      ],
      temperature: 0.5,
      max_completion_tokens: 50,
    });
    expect(answer.json()).toMatchObject({
      id: expect.stringMatching(/^resp_\w+$/) as string,
      object: 'response',
      status: 'completed',
      error: null,
      incomplete_details: null,
      instructions: 'Be brief.',
      max_output_tokens: 50,
      model: MODEL,
      store: false,
      metadata: { a: 'b' },
      output: [
        {
          type: 'message',
          role: 'assistant',
          status: 'completed',
          content: [{ type: 'output_text', text: TEXT, annotations: [] }],
        },
      ],
      usage: { input_tokens: 9, output_tokens: 12, total_tokens: 21 },
    });
    const [row] = await service.sql('SELECT operation FROM usage_records');
    expect(row).toEqual({ operation: 'responses' });
    expect(await settledCall(service)).toMatchObject({ outcome: 'OK', input_tokens: 9, output_tokens: 12 });
  });

  it.each([
    ['length', 'incomplete', { reason: 'max_output_tokens' }],
    ['content_filter', 'incomplete', { reason: 'content_filter' }],
    ['stop', 'completed', null],
  ])('of a model that stopped by %s is %s', async (reason, status, details) => {
    service.upstream.next(answerWith({ content: 'x' }, reason));
    expect((await ask()).json()).toMatchObject({ status, incomplete_details: details });
    service.upstream.next(streamOf([{ content: 'x' }], reason));
    expect(eventsOf(await ask({ stream: true })).at(-1)).toMatchObject({
      type: `response.${status}`,
      response: { status, incomplete_details: details },
    });
  });

  it('passes turns, images, functions and formats to the provider', async () => {
    service.upstream.next(answerWith({ content: 'Sunny.', tool_calls: [CALL], refusal: null }));
    const answer = await ask({
      input: [
        { role: 'developer', content: 'Be kind.' },
        {
          role: 'user',
          content: [
            { type: 'input_text', text: 'See:' },
            { type: 'input_image', image_url: 'data:image/png;base64,AAAA', detail: 'low' },
          ],
        },
        { type: 'reasoning', id: 'rs_1', summary: [] },
        {
          type: 'message',
          role: 'assistant',
          content: [{ type: 'output_text', text: 'Let me see.', annotations: [] }],
        },
        { type: 'function_call', call_id: 'a', name: 'weather', arguments: '{"city":"Rome"}' },
        { type: 'function_call', call_id: 'b', name: 'weather', arguments: '{"city":"Oslo"}' },
        { type: 'function_call_output', call_id: 'a', output: 'sun' },
        { type: 'function_call_output', call_id: 'b', output: [{ type: 'input_text', text: 'rain' }] },
      ],
      tools: [TOOL],
      tool_choice: { type: 'function', name: 'weather' },
      parallel_tool_calls: false,
      text: { format: { type: 'json_schema', name: 'n', schema: PARAMETERS, strict: true }, verbosity: 'low' },
      reasoning: { effort: 'low' },
      store: false,
    });
    expect(asked()).toEqual({
      model: MODEL,
      messages: [
        { role: 'system', content: 'Be kind.' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'See:' },
            { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA', detail: 'low' } },
          ],
        },
        {
          role: 'assistant',
          content: 'Let me see.',
          tool_calls: [
            { id: 'a', type: 'function', function: { name: 'weather', arguments: '{"city":"Rome"}' } },
            { id: 'b', type: 'function', function: { name: 'weather', arguments: '{"city":"Oslo"}' } },
          ],
        },
        { role: 'tool', tool_call_id: 'a', content: 'sun' },
        { role: 'tool', tool_call_id: 'b', content: 'rain' },
      ],
      tools: [CHAT_TOOL],
      tool_choice: { type: 'function', function: { name: 'weather' } },
      parallel_tool_calls: false,
      response_format: { type: 'json_schema', json_schema: { name: 'n', schema: PARAMETERS, strict: true } },
      verbosity: 'low',
      reasoning_effort: 'low',
    });
    expect(answer.json<{ output: object[] }>().output).toMatchObject([
      { type: 'message', content: [{ text: 'Sunny.' }] },
      { type: 'function_call', call_id: 'call_1', name: 'weather', arguments: '{"city":"Rome"}', status: 'completed' },
    ]);
  });
});

describe('a stream', () => {
  it('has every event in order, each with its number', async () => {
    service.upstream.next(
      streamOf([
        { role: 'assistant', content: '' },
        { reasoning_content: 'Hm.' },
        { content: 'Hel' },
        { content: 'lo' },
        { tool_calls: [{ index: 0, id: 'call_1', type: 'function', function: { name: 'weather', arguments: '' } }] },
        { tool_calls: [{ index: 0, function: { arguments: '{"ci' } }] },
        { tool_calls: [{ index: 0, function: { arguments: 'ty":1}' } }] },
      ]),
    );
    const events = eventsOf(await ask({ stream: true, tools: [TOOL] }));
    expect(events.map(({ type }) => type.slice('response.'.length))).toEqual([
      'created',
      'in_progress',
      'output_item.added',
      'reasoning_summary_part.added',
      'reasoning_summary_text.delta',
      'reasoning_summary_text.done',
      'reasoning_summary_part.done',
      'output_item.done',
      'output_item.added',
      'content_part.added',
      'output_text.delta',
      'output_text.delta',
      'output_text.done',
      'content_part.done',
      'output_item.done',
      'output_item.added',
      'function_call_arguments.delta',
      'function_call_arguments.delta',
      'function_call_arguments.done',
      'output_item.done',
      'completed',
    ]);
    expect(events.map((event) => event.sequence_number)).toEqual(events.map((_, at) => at));
    const items = events.filter(({ type }) => type === 'response.output_item.done');
    expect(items.map((event) => event['output_index'])).toEqual([0, 1, 2]);
    expect(events.at(-1)).toMatchObject({
      response: {
        status: 'completed',
        output: items.map((event) => event['item']),
        usage: { input_tokens: 9, output_tokens: 12, total_tokens: 21 },
      },
    });
    expect(asked()).toMatchObject({ stream: true, stream_options: { include_usage: true } });
    expect(await settledCall(service)).toMatchObject({ outcome: 'OK', streamed: true, output_tokens: 12 });
  });

  it('ends with response.failed where the provider breaks off, and is charged for what arrived', async () => {
    service.upstream.next({ kind: 'stream', pieces: streamPieces(), breakAfter: 4 });
    const events = eventsOf(await ask({ stream: true }));
    expect(events.at(-1)).toMatchObject({
      type: 'response.failed',
      response: { status: 'failed', error: { code: 'upstream_broken' } },
    });
    const row = await settledCall(service);
    expect(row).toMatchObject({ outcome: 'UPSTREAM_BROKEN', estimated: true });
    expect(row.output_tokens).toBeGreaterThan(0);
  });

  it('ends with response.failed where it contains the provider’s own error', async () => {
    const pieces = [...streamPieces().slice(0, 3), errorBody('Overloaded.', 'server_error', 'overloaded')];
    service.upstream.next({ kind: 'stream', pieces, done: false });
    expect(eventsOf(await ask({ stream: true })).at(-1)).toMatchObject({
      type: 'response.failed',
      response: { error: { code: 'overloaded', message: 'Overloaded.' } },
    });
    expect(await settledCall(service)).toMatchObject({ outcome: 'UPSTREAM_ERROR' });
  });

  it('that never begins is an error with its status', async () => {
    service.upstream.next({ kind: 'body', status: 429, body: errorBody('Slow down.', 'rate_limit_error') });
    expect(openaiError(await ask({ stream: true }), 429).message).toBe('Slow down.');
  });
});

describe('a field that the provider does not support', () => {
  it.each([
    ['store', { store: true }],
    ['background', { background: true }],
    ['tools[1]', { tools: [TOOL, { type: 'web_search' }] }],
    ['prompt', { prompt: { id: 'pmpt_1' } }],
    ['include', { include: ['message.output_text.logprobs'] }],
    ['truncation', { truncation: 'auto' }],
    ['n', { n: 2 }],
    ['input[0]', { input: [{ type: 'item_reference', id: 'msg_1' }] }],
    ['input[0].content[0]', { input: [{ role: 'user', content: [{ type: 'input_file', file_id: 'f' }] }] }],
    ['input[0].role', { input: [{ role: 'tool', content: 'x' }] }],
    ['tool_choice', { tools: [TOOL], tool_choice: { type: 'web_search' } }],
  ])('is refused before anything is sent, naming %s', async (field, fields) => {
    expect(openaiError(await ask(fields), 400).message).toContain(`${field}: `);
    expect(service.upstream.requests).toEqual([]);
    expect(await settledCall(service)).toMatchObject({ outcome: 'NOT_SENT', input_tokens: 0, output_tokens: 0 });
  });
});

describe('official clients', () => {
  it('OpenAI’s: create, stream, parse', async () => {
    const { responses } = client();
    expect((await responses.create({ model: MODEL, input: 'x' })).output_text).toBe(TEXT);
    const stream = responses.stream({ model: MODEL, input: 'x' });
    let deltas = '';
    stream.on('response.output_text.delta', ({ delta }) => (deltas += delta));
    expect((await stream.finalResponse()).output_text).toBe(TEXT);
    expect(deltas).toBe(TEXT);
    service.upstream.next(answerWith({ content: '{"city":"Rome"}' }));
    const format = { type: 'json_schema', name: 'n', schema: PARAMETERS, strict: true } as const;
    const parsed = await responses.parse({ model: MODEL, input: 'x', text: { format } });
    expect(parsed.output_text).toBe('{"city":"Rome"}');
  });

  const tools = () => ({
    weather: tool({
      description: 'Tells it.',
      inputSchema: jsonSchema<{ city: string }>({ type: 'object', properties: { city: { type: 'string' } } }),
      execute: ({ city }) => Promise.resolve(`Sun in ${city}.`),
    }),
  });

  it('the AI SDK: a loop of tools, streamed and not', async () => {
    const model = createOpenAI({ baseURL: `${service.baseUrl}/v1`, apiKey: key })(MODEL);
    // Responses that are not stored can't be referred to.
    const options = { model, prompt: 'x', tools: tools(), maxRetries: 0, stopWhen: stepCountIs(2) };
    const providerOptions = { openai: { store: false } };
    service.upstream.next(answerWith({ tool_calls: [CALL] }, 'tool_calls'));
    const made = await generateText({ ...options, providerOptions });
    expect([made.text, made.usage.outputTokens]).toEqual([TEXT, 24]);
    expect(asked()['messages']).toMatchObject([
      { role: 'user' },
      { role: 'assistant', tool_calls: [CALL] },
      { role: 'tool', tool_call_id: 'call_1', content: 'Sun in Rome.' },
    ]);
    service.upstream.next(streamOf([{ tool_calls: [{ index: 0, ...CALL }] }], 'tool_calls'));
    const streamed = streamText({ ...options, providerOptions });
    expect([await streamed.text, await streamed.finishReason]).toEqual([TEXT, 'stop']);
  });

  it('the AI SDK: structured output', async () => {
    const model = createOpenAI({ baseURL: `${service.baseUrl}/v1`, apiKey: key })(MODEL);
    service.upstream.next(answerWith({ content: '{"city":"Rome"}' }));
    const schema = jsonSchema<{ city: string }>({
      type: 'object',
      properties: { city: { type: 'string' } },
      required: ['city'],
      additionalProperties: false,
    });
    const { output } = await generateText({ model, prompt: 'x', output: Output.object({ schema }), maxRetries: 0 });
    expect(output).toEqual({ city: 'Rome' });
    expect(asked()).toHaveProperty('response_format.json_schema.schema');
  });
});

it('the dummy answers too, streamed and not', async () => {
  const { responses } = client();
  const whole = await responses.create({ model: 'dummy', input: 'Good morning.' });
  expect(whole.output_text).toBe('You said: Good morning.');
  const streamed = await responses.stream({ model: 'dummy', input: 'Good morning.' }).finalResponse();
  expect([streamed.output_text, streamed.usage]).toEqual([whole.output_text, whole.usage]);
});
