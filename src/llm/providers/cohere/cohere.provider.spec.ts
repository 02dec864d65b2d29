import { cohereError, cohereEvents, cohereSays, cohereStream } from '../../../../test/support/cohere-wire.js';
import { ask } from '../../../../test/support/recorded-sink.js';
import { AFTER_TOOLS, PIXEL, SCHEMA, TranslatedStage, WEATHER } from '../../../../test/support/translated.js';
import { jsonAnswer, WireUpstream } from '../../../../test/support/wire-upstream.js';
import type { Provider } from '../provider.js';
import { cohereFactory } from './cohere.dialect.js';

const SECRET = 'cohere-secret-0123456789';
const MODEL = 'command-a-03-2025';
const HI = [{ role: 'user', content: 'Hi' }];

let stage: TranslatedStage;
let upstream: WireUpstream;
let provider: Provider;

beforeAll(async () => {
  stage = new TranslatedStage();
  upstream = await WireUpstream.start(cohereSays());
  provider = stage.provider(cohereFactory, {
    kind: 'cohere',
    baseUrl: `${upstream.origin}/v2`,
    credentials: { apiKey: SECRET },
  });
});

afterEach(() => {
  upstream.reset();
  // What a package drops with a warning has to be refused before it is called.
  expect(stage.warnings).toEqual([]);
});

afterAll(async () => {
  await upstream.close();
  await stage.close();
});

const chat = (fields: object = {}): object => ({ model: MODEL, messages: HI, ...fields });

describe('a Cohere request', () => {
  it('carries turns, system prompts, limits, stops, a seed, sampling and penalties', async () => {
    const messages = [
      { role: 'system', content: 'Be short.' },
      { role: 'user', content: 'Hi' },
      { role: 'assistant', content: 'Hello!' },
      { role: 'system', content: 'Shorter.' },
      { role: 'user', content: 'And now?' },
    ];
    const fields = { max_tokens: 200, temperature: 0.5, top_p: 0.6, seed: 7, stop: 'END', presence_penalty: 0.1 };
    const { sink } = await ask(provider, chat({ ...fields, messages, frequency_penalty: 0.2 }));
    expect(sink.told).toEqual({});
    expect(upstream.last.headers.authorization).toBe(`Bearer ${SECRET}`);
    expect(upstream.last.body).toEqual({
      model: MODEL,
      messages,
      max_tokens: 200,
      temperature: 0.5,
      p: 0.6,
      seed: 7,
      stop_sequences: ['END'],
      presence_penalty: 0.1,
      frequency_penalty: 0.2,
    });
  });

  it('carries tools, what is said beside their calls, and their results', async () => {
    const messages = AFTER_TOOLS.map((message) =>
      message.role === 'assistant' ? { ...message, content: 'I will look.' } : message,
    );
    const { sink } = await ask(provider, chat({ messages, tools: [WEATHER], max_tokens: 100 }));
    expect(sink.told).toEqual({});
    expect(upstream.last.body).toMatchObject({
      tools: [WEATHER],
      messages: [
        {},
        { role: 'assistant', tool_plan: 'I will look.', tool_calls: AFTER_TOOLS[1]?.tool_calls },
        { role: 'tool', tool_call_id: 'call_1', content: 'sunny' },
        { role: 'tool', tool_call_id: 'call_2', content: 'rainy' },
      ],
    });
  });

  it.each([
    ['required', 'REQUIRED'],
    ['none', 'NONE'],
    [{ type: 'function', function: { name: 'get_weather' } }, 'REQUIRED'],
  ])('carries the tool choice %j', async (choice, sent) => {
    const other = { type: 'function', function: { name: 'other', parameters: { type: 'object' } } };
    await ask(provider, chat({ tools: [WEATHER, other], tool_choice: choice }));
    expect(upstream.last.body).toHaveProperty('tool_choice', sent);
    // A named tool is the only one that the model sees.
    expect(upstream.last.body['tools']).toHaveLength(typeof choice === 'string' ? 2 : 1);
  });

  it('carries images and JSON schemas', async () => {
    const url = `data:image/png;base64,${PIXEL}`;
    const content = [
      { type: 'text', text: 'What is it?' },
      { type: 'image_url', image_url: { url } },
    ];
    await ask(provider, chat({ messages: [{ role: 'user', content }], response_format: SCHEMA }));
    expect(upstream.last.body).toMatchObject({
      messages: [{ role: 'user', content }],
      response_format: { type: 'json_object', json_schema: SCHEMA.json_schema.schema },
    });
  });

  it('lets a model think inside its limit', async () => {
    await ask(provider, chat({ reasoning_effort: 'high', max_tokens: 1_000 }));
    expect(upstream.last.body).toMatchObject({ max_tokens: 1_000, thinking: { type: 'enabled', token_budget: 600 } });
    await ask(provider, chat({ reasoning_effort: 'none' }));
    expect(upstream.last.body).toHaveProperty('thinking', { type: 'disabled' });
  });

  it.each([
    ['n', { n: 2 }],
    ['logprobs', { logprobs: true }],
    ['parallel_tool_calls', { tools: [WEATHER], parallel_tool_calls: false }],
    ['tools[0].function.strict', { tools: [{ ...WEATHER, function: { ...WEATHER.function, strict: true } }] }],
    [
      'messages[0].content[0]',
      {
        messages: [
          { role: 'user', content: [{ type: 'file', file: { file_data: 'data:application/pdf;base64,AA==' } }] },
        ],
      },
    ],
  ])('that would lose something is refused, naming %s', async (field, fields) => {
    const { sink } = await ask(provider, chat(fields));
    expect(sink.told).toMatchObject({ outcome: 'NOT_SENT', status: 400, field });
    expect(upstream.requests).toEqual([]);
  });
});

describe('a Cohere answer', () => {
  const USED = {
    prompt_tokens: 125,
    completion_tokens: 33,
    total_tokens: 158,
    prompt_tokens_details: { cached_tokens: 100 },
    completion_tokens_details: { reasoning_tokens: 0 },
  };

  it.each([true, false])('says what was used, cached tokens too (stream: %s)', async (stream) => {
    upstream.next(cohereSays({ thinking: 'I should greet' }));
    const { sink, attempt } = await ask(
      provider,
      chat({ stream, ...(stream ? { stream_options: { include_usage: true } } : {}) }),
    );
    const said = stream ? sink.message : sink.choice.message;
    expect(said).toMatchObject({ content: 'Hello there', reasoning_content: 'I should greet' });
    expect(stream ? sink.chunks.at(-1)?.usage : sink.json.usage).toEqual(USED);
    expect(attempt.usage()).toMatchObject({
      inputTokens: 125,
      cachedInputTokens: 100,
      outputTokens: 33,
      estimated: false,
    });
  });

  it.each([true, false])('holds what is said beside tool calls (stream: %s)', async (stream) => {
    const calls = [
      { id: 'get_weather_1', input: { city: 'Paris' } },
      { id: 'get_weather_2', input: { city: 'Rome' } },
    ];
    upstream.next(cohereSays({ plan: 'I will look.', calls, finishReason: 'TOOL_CALL' }));
    const { sink } = await ask(provider, chat({ stream, tools: [WEATHER] }));
    if (stream) {
      expect(sink.message).toEqual({
        content: 'I will look.',
        tool_calls: calls.map(({ id, input }) => ({ id, name: 'get_weather', arguments: JSON.stringify(input) })),
        finish: 'tool_calls',
      });
      return;
    }
    expect(sink.choice).toMatchObject({
      message: {
        content: 'I will look.',
        tool_calls: calls.map(({ id, input }) => ({
          id,
          function: { name: 'get_weather', arguments: JSON.stringify(input) },
        })),
      },
      finish_reason: 'tool_calls',
    });
  });

  it.each([
    ['MAX_TOKENS', 'length'],
    ['STOP_SEQUENCE', 'stop'],
  ])('that ends by %s ends by %s', async (finishReason, finish) => {
    upstream.next(cohereSays({ finishReason })).next(cohereSays({ finishReason }));
    expect((await ask(provider, chat())).sink.choice.finish_reason).toBe(finish);
    expect((await ask(provider, chat({ stream: true }))).sink.message.finish).toBe(finish);
  });

  it.each([true, false])('that ends by an error is a failure (stream: %s)', async (stream) => {
    upstream.next(cohereSays({ finishReason: 'ERROR' }));
    expect((await ask(provider, chat({ stream }))).sink.told).toMatchObject({ outcome: 'UPSTREAM_BROKEN' });
  });

  it('whose stream ends early is a broken one, and what came is charged', async () => {
    for (const cut of [true, false]) {
      upstream.next({ ...cohereStream({}), chunks: cohereEvents({}).slice(0, -1), cut });
      const { sink, attempt } = await ask(provider, chat({ stream: true }));
      expect(sink.told).toMatchObject({ outcome: 'UPSTREAM_BROKEN', status: 502 });
      expect(attempt.usage()).toMatchObject({ estimated: true });
      expect(attempt.usage().outputTokens).toBeGreaterThan(0);
    }
  });
});

describe("Cohere's errors", () => {
  it.each([
    [400, { status: 400, message: 'Said so.' }],
    [401, { status: 502, code: 'provider_authentication_failed' }],
    [404, { status: 404 }],
    [422, { status: 422 }],
    [500, { status: 500 }],
    [503, { status: 503 }],
  ])('%s keeps its status, unless it is about our credential', async (status, told) => {
    upstream.next(cohereError(status, 'Said so.'));
    expect((await ask(provider, chat())).sink.told).toMatchObject({ outcome: 'UPSTREAM_ERROR', ...told });
  });

  it('429 says when to come back', async () => {
    upstream.next(cohereError(429, 'Slow down.', { 'retry-after': '3' }));
    expect((await ask(provider, chat({ stream: true }))).sink.told).toMatchObject({
      status: 429,
      headers: { 'retry-after': '3' },
    });
  });
});

it("Cohere's models are listed", async () => {
  upstream.next(jsonAnswer({ models: [{ name: MODEL, endpoints: ['chat'] }] }));
  expect(await provider.catalogue.list()).toEqual([{ id: MODEL, object: 'model', created: 0, owned_by: 'cohere' }]);
  expect(upstream.last.path).toBe('/v1/models?page_size=1000');
});
