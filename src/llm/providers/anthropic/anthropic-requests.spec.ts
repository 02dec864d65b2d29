import { stageOf } from '../../../../test/support/kind-stage.js';
import { ANTHROPIC } from '../../../../test/support/kinds.js';
import { anthropicSays, text, toolUse } from '../../../../test/support/anthropic-wire.js';
import { AFTER_TOOLS, HI, PIXEL, SCHEMA, WEATHER } from '../../../../test/support/translated.js';

const { model: MODEL, secret: SECRET } = ANTHROPIC;
const NEW_MODEL = 'claude-opus-5-5';

const at = stageOf(ANTHROPIC);

describe('an Anthropic request', () => {
  it('carries turns, system prompts, limits and stops', async () => {
    const messages = [
      { role: 'developer', content: 'Be short.' },
      { role: 'user', content: 'Hi' },
      { role: 'assistant', content: 'Hello!' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'And' },
          { type: 'text', text: 'now?' },
        ],
      },
    ];
    const fields = {
      messages,
      max_completion_tokens: 200,
      temperature: 0.5,
      stop: 'END',
      user: 'u',
      store: true,
      metadata: {},
    };
    const { sink } = await at.ask(fields);
    expect(sink.failure).toBeNull();
    expect(at.upstream.last.headers['x-api-key']).toBe(SECRET);
    expect(at.upstream.last.body).toEqual({
      model: MODEL,
      max_tokens: 200,
      temperature: 0.5,
      stop_sequences: ['END'],
      system: [{ type: 'text', text: 'Be short.' }],
      messages: [
        { role: 'user', content: [{ type: 'text', text: 'Hi' }] },
        { role: 'assistant', content: [{ type: 'text', text: 'Hello!' }] },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'And' },
            { type: 'text', text: 'now?' },
          ],
        },
      ],
    });
  });

  it('carries tools, parallel calls and their results', async () => {
    const { sink } = await at.ask({ messages: AFTER_TOOLS, tools: [WEATHER] });
    expect(sink.failure).toBeNull();
    expect(at.upstream.last.body).toHaveProperty('tools', [
      { name: 'get_weather', description: 'The weather of a city.', input_schema: WEATHER.function.parameters },
    ]);
    expect((at.upstream.last.body['messages'] as unknown[]).slice(1)).toEqual([
      {
        role: 'assistant',
        content: [
          { type: 'tool_use', id: 'call_1', name: 'get_weather', input: { city: 'Paris' } },
          { type: 'tool_use', id: 'call_2', name: 'get_weather', input: { city: 'Rome' } },
        ],
      },
      {
        role: 'user',
        content: [
          { type: 'tool_result', tool_use_id: 'call_1', content: 'sunny' },
          { type: 'tool_result', tool_use_id: 'call_2', content: 'rainy' },
        ],
      },
    ]);
  });

  it.each([
    ['auto', { type: 'auto' }],
    ['required', { type: 'any' }],
    ['none', { type: 'none' }],
    [
      { type: 'function', function: { name: 'get_weather' } },
      { type: 'tool', name: 'get_weather' },
    ],
  ])('carries the tool choice %j', async (choice, sent) => {
    await at.ask({ tools: [WEATHER], tool_choice: choice });
    expect(at.upstream.last.body).toHaveProperty('tool_choice', sent);
  });

  it('carries that tools are called one at a time', async () => {
    await at.ask({ tools: [WEATHER], parallel_tool_calls: false });
    expect(at.upstream.last.body).toHaveProperty('tool_choice', { type: 'auto', disable_parallel_tool_use: true });
  });

  it('carries images, by data and by address, and PDFs', async () => {
    const content = [
      { type: 'image_url', image_url: { url: `data:image/png;base64,${PIXEL}`, detail: 'high' } },
      { type: 'image_url', image_url: { url: 'https://example.com/a.png' } },
      { type: 'file', file: { filename: 'a.pdf', file_data: 'data:application/pdf;base64,JVBERi0=' } },
    ];
    const { sink } = await at.ask({ messages: [{ role: 'user', content }] });
    expect(sink.failure).toBeNull();
    expect(at.upstream.last.body).toHaveProperty('messages.0.content', [
      { type: 'image', source: { type: 'base64', media_type: 'image/png', data: PIXEL } },
      { type: 'image', source: { type: 'url', url: 'https://example.com/a.png' } },
      { type: 'document', title: 'a.pdf', source: { type: 'base64', media_type: 'application/pdf', data: 'JVBERi0=' } },
    ]);
  });

  it('carries a JSON schema', async () => {
    at.upstream.next(anthropicSays({ content: [text('{"a":1}')] }));
    const { sink } = await at.ask({ response_format: SCHEMA });
    expect(at.upstream.last.body).toHaveProperty('output_config.format', {
      type: 'json_schema',
      schema: SCHEMA.json_schema.schema,
    });
    expect(sink.choice.message.content).toBe('{"a":1}');
  });

  it('asks an older model for a JSON schema by a tool, whose call is the answer', async () => {
    const model = 'claude-3-haiku-20240307';
    const said = { content: [toolUse('toolu_9', { a: 1 }, 'json')], stopReason: 'tool_use' };
    at.upstream.next(anthropicSays(said)).next(anthropicSays(said));
    const whole = await at.ask({ model, response_format: SCHEMA });
    const streamed = await at.ask({ model, response_format: SCHEMA, stream: true });
    expect(whole.sink.choice).toMatchObject({ message: { content: '{"a":1}' }, finish_reason: 'stop' });
    expect(streamed.sink.message).toEqual({ content: '{"a":1}', finish: 'stop' });
  });

  it('carries marks of what to keep in the cache', async () => {
    const mark = { cache_control: { type: 'ephemeral', ttl: '1h' } };
    const messages = [{ role: 'system', content: [{ type: 'text', text: 'Long.', ...mark }] }, ...HI];
    const { sink } = await at.ask({ messages, tools: [{ ...WEATHER, cache_control: { type: 'ephemeral' } }] });
    expect(sink.failure).toBeNull();
    expect(at.upstream.last.body).toHaveProperty('system', [{ type: 'text', text: 'Long.', ...mark }]);
    expect(at.upstream.last.body).toHaveProperty('tools.0.cache_control', { type: 'ephemeral' });
  });
});

describe('the output limit of an Anthropic request', () => {
  it.each([
    ['minimal', 1_024],
    ['medium', 1_024],
    ['high', 1_800],
    ['xhigh', 1_976],
  ])('holds what the model thinks by an effort of %s', async (effort, budget) => {
    const { sink } = await at.ask({ max_tokens: 3_000, reasoning_effort: effort });
    expect(sink.failure).toBeNull();
    expect(at.upstream.last.body).toMatchObject({
      max_tokens: 3_000,
      thinking: { type: 'enabled', budget_tokens: budget },
    });
  });

  it('holds what a model thinks that judges by itself how much', async () => {
    const { sink } = await at.ask({ model: NEW_MODEL, max_tokens: 2_000, reasoning_effort: 'high' });
    expect(sink.failure).toBeNull();
    expect(at.upstream.last.body).toMatchObject({
      max_tokens: 2_000,
      thinking: { type: 'adaptive' },
      output_config: { effort: 'high' },
    });
  });

  it('has to leave room for what the model thinks', async () => {
    const { sink } = await at.ask({ max_tokens: 2_000, reasoning_effort: 'high' });
    expect(sink.told).toMatchObject({ outcome: 'NOT_SENT', status: 400, field: 'max_completion_tokens' });
    expect(at.upstream.requests).toEqual([]);
  });

  it('turns thinking off', async () => {
    await at.ask({ reasoning_effort: 'none' });
    expect(at.upstream.last.body).toHaveProperty('thinking', { type: 'disabled' });
  });

  it("is the model's own where the caller names none or more, and a default for an unknown model", async () => {
    await at.ask();
    expect(at.upstream.last.body).toHaveProperty('max_tokens', 64_000);
    await at.ask({ max_tokens: 1_000_000 });
    expect(at.upstream.last.body).toHaveProperty('max_tokens', 64_000);
    await at.ask({ model: 'somebodys-model' });
    expect(at.upstream.last.body).toHaveProperty('max_tokens', 4_096);
  });
});

describe('an Anthropic request that would lose something', () => {
  it.each([
    ['n', { n: 2 }],
    ['logprobs', { logprobs: true }],
    ['logit_bias', { logit_bias: { 50256: -100 } }],
    ['audio', { audio: { voice: 'alloy', format: 'wav' } }],
    ['modalities', { modalities: ['text', 'audio'] }],
    ['seed', { seed: 1 }],
    ['presence_penalty', { presence_penalty: 0.5 }],
    ['frequency_penalty', { frequency_penalty: -1 }],
    ['prediction', { prediction: { type: 'content', content: 'x' } }],
    ['web_search_options', { web_search_options: {} }],
    ['service_tier', { service_tier: 'priority' }],
    ['made_up', { made_up: 1 }],
    ['temperature', { temperature: 1.5 }],
    ['top_p', { temperature: 0.5, top_p: 0.5 }],
    ['temperature', { model: NEW_MODEL, temperature: 0.5 }],
    ['temperature', { reasoning_effort: 'low', temperature: 0.5, max_tokens: 4_000 }],
    ['response_format', { response_format: { type: 'json_object' } }],
    ['tool_choice', { reasoning_effort: 'low', tools: [WEATHER], tool_choice: 'required' }],
    ['tool_choice.function.name', { tools: [WEATHER], tool_choice: { type: 'function', function: { name: 'no' } } }],
    ['tool_choice', { tool_choice: 'required' }],
    ['tools[0].type', { tools: [{ type: 'custom', custom: { name: 'x' } }] }],
    [
      'tools[0].function.strict',
      { model: 'claude-3-haiku-20240307', tools: [{ type: 'function', function: { name: 'x', strict: true } }] },
    ],
    ['messages[0].name', { messages: [{ role: 'user', name: 'Ann', content: 'Hi' }] }],
    ['messages[0].role', { messages: [{ role: 'function', content: 'Hi' }] }],
    ['messages[0].tool_call_id', { messages: [{ role: 'tool', tool_call_id: 'x', content: 'Hi' }] }],
    [
      'messages[0].content[0]',
      { messages: [{ role: 'user', content: [{ type: 'input_audio', input_audio: { data: '', format: 'wav' } }] }] },
    ],
    [
      'messages[0].content[0].file.file_id',
      { messages: [{ role: 'user', content: [{ type: 'file', file: { file_id: 'f' } }] }] },
    ],
    [
      'messages[0].content[0].image_url.url',
      {
        messages: [
          { role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:text/html;base64,AA==' } }] },
        ],
      },
    ],
    [
      'messages[0].tool_calls[0].function.arguments',
      {
        messages: [
          { role: 'assistant', tool_calls: [{ id: 'a', type: 'function', function: { name: 'x', arguments: '{' } }] },
        ],
      },
    ],
  ])('is refused, naming %s', async (field, fields) => {
    const { sink } = await at.ask(fields);
    expect(sink.told).toMatchObject({ outcome: 'NOT_SENT', status: 400, field });
    expect(at.upstream.requests).toEqual([]);
  });

  it.each([
    ['n', { n: 1 }],
    ['logprobs', { logprobs: false, logit_bias: {}, presence_penalty: 0, modalities: ['text'] }],
    ['sampling as it is anyway', { temperature: 1, top_p: 1, model: NEW_MODEL }],
    ['null', { seed: null, tools: null, stop: null, response_format: null, temperature: null, n: null, audio: null }],
    ['empty lists', { tools: [], stop: [] }],
  ])('is sent where the value is the usual one: %s', async (_name, fields) => {
    const { sink } = await at.ask(fields);
    expect(sink.told).toEqual({});
    expect(sink.choice.message.content).toBe('Hello there');
  });
});
