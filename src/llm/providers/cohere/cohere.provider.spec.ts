import { stageOf } from '../../../../test/support/kind-stage.js';
import { COHERE } from '../../../../test/support/kinds.js';
import { cohereError, cohereEvents, cohereSays, cohereStream } from '../../../../test/support/cohere-wire.js';
import { AFTER_TOOLS, PIXEL, SCHEMA, WEATHER } from '../../../../test/support/translated.js';
import { jsonAnswer } from '../../../../test/support/wire-upstream.js';

const { model: MODEL } = COHERE;

const at = stageOf(COHERE);

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
    const { sink } = await at.ask({ ...fields, messages, frequency_penalty: 0.2 });
    expect(sink.told).toEqual({});
    expect(at.upstream.last.headers.authorization).toBe(`Bearer ${COHERE.secret}`);
    expect(at.upstream.last.body).toEqual({
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
    const { sink } = await at.ask({ messages, tools: [WEATHER], max_tokens: 100 });
    expect(sink.told).toEqual({});
    expect(at.upstream.last.body).toMatchObject({
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
    await at.ask({ tools: [WEATHER, other], tool_choice: choice });
    expect(at.upstream.last.body).toHaveProperty('tool_choice', sent);
    // A named tool is the only one that the model sees.
    expect(at.upstream.last.body['tools']).toHaveLength(typeof choice === 'string' ? 2 : 1);
  });

  it('carries images and JSON schemas', async () => {
    const url = `data:image/png;base64,${PIXEL}`;
    const content = [
      { type: 'text', text: 'What is it?' },
      { type: 'image_url', image_url: { url } },
    ];
    await at.ask({ messages: [{ role: 'user', content }], response_format: SCHEMA });
    expect(at.upstream.last.body).toMatchObject({
      messages: [{ role: 'user', content }],
      response_format: { type: 'json_object', json_schema: SCHEMA.json_schema.schema },
    });
  });

  it('lets a model think inside its limit', async () => {
    await at.ask({ reasoning_effort: 'high', max_tokens: 1_000 });
    expect(at.upstream.last.body).toMatchObject({
      max_tokens: 1_000,
      thinking: { type: 'enabled', token_budget: 600 },
    });
    await at.ask({ reasoning_effort: 'none' });
    expect(at.upstream.last.body).toHaveProperty('thinking', { type: 'disabled' });
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
    const { sink } = await at.ask(fields);
    expect(sink.told).toMatchObject({ outcome: 'NOT_SENT', status: 400, field });
    expect(at.upstream.requests).toEqual([]);
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
    at.upstream.next(cohereSays({ thinking: 'I should greet' }));
    const { sink, attempt } = await at.ask({ stream, ...(stream ? { stream_options: { include_usage: true } } : {}) });
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
    at.upstream.next(cohereSays({ plan: 'I will look.', calls, finishReason: 'TOOL_CALL' }));
    const { sink } = await at.ask({ stream, tools: [WEATHER] });
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
    at.upstream.next(cohereSays({ finishReason })).next(cohereSays({ finishReason }));
    expect((await at.ask()).sink.choice.finish_reason).toBe(finish);
    expect((await at.ask({ stream: true })).sink.message.finish).toBe(finish);
  });

  it.each([true, false])('that ends by an error is a failure (stream: %s)', async (stream) => {
    at.upstream.next(cohereSays({ finishReason: 'ERROR' }));
    expect((await at.ask({ stream })).sink.told).toMatchObject({ outcome: 'UPSTREAM_BROKEN' });
  });

  it('whose stream ends early is a broken one, and what came is charged', async () => {
    for (const cut of [true, false]) {
      at.upstream.next({ ...cohereStream({}), chunks: cohereEvents({}).slice(0, -1), cut });
      const { sink, attempt } = await at.ask({ stream: true });
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
    at.upstream.next(cohereError(status, 'Said so.'));
    expect((await at.ask()).sink.told).toMatchObject({ outcome: 'UPSTREAM_ERROR', ...told });
  });

  it('429 says when to come back', async () => {
    at.upstream.next(cohereError(429, 'Slow down.', { 'retry-after': '3' }));
    expect((await at.ask({ stream: true })).sink.told).toMatchObject({
      status: 429,
      headers: { 'retry-after': '3' },
    });
  });
});

it("Cohere's models are listed", async () => {
  at.upstream.next(jsonAnswer({ models: [{ name: MODEL, endpoints: ['chat'] }] }));
  expect(await at.provider.catalogue.list()).toEqual([{ id: MODEL, object: 'model', created: 0, owned_by: 'cohere' }]);
  expect(at.upstream.last.path).toBe('/v1/models?page_size=1000');
});
