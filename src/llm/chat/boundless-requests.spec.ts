import { boundOf, content, GPT, known, MISTRAL, tokenizer } from '../../../test/support/chat-bounds.js';

beforeAll(() => tokenizer.load());

describe('an ordinary request', () => {
  it.each<[string, object]>([
    ['says hello', {}],
    [
      'sets what everybody sets',
      {
        temperature: 1,
        top_p: 1,
        seed: 1,
        stop: ['a'],
        user: 'u',
        metadata: { a: 'b' },
        store: true,
        logprobs: true,
        logit_bias: { '50256': -100 },
      },
    ],
    [
      'has tools',
      {
        tools: [{ type: 'function', function: { name: 'f', strict: true, parameters: {} } }],
        tool_choice: 'auto',
        parallel_tool_calls: false,
      },
    ],
    ['has a custom tool', { tools: [{ type: 'custom', custom: { name: 'f' } }] }],
    [
      'asks for an effort',
      { reasoning_effort: 'high', reasoning: { effort: 'low' }, thinking: { type: 'adaptive' }, verbosity: 'low' },
    ],
    ['asks for text', { modalities: ['text'], audio: null, prediction: null, service_tier: 'flex', best_of: 1 }],
    ['has an image', content({ type: 'image_url', image_url: { url: 'https://example.com/a.png', detail: 'auto' } })],
    ['streams', { stream: true, stream_options: { include_usage: true } }],
    [
      'goes on with a tool’s result',
      {
        messages: [
          { role: 'assistant', content: '', refusal: null, audio: null, tool_calls: [] },
          { role: 'tool', tool_call_id: 'x', content: '{"a":1}' },
        ],
      },
    ],
  ])('that %s has a bound', (_case, body) => {
    for (const facts of [GPT, MISTRAL, null]) expect(boundOf(body, facts).boundless).toBeNull();
  });
});

describe('a request without a bound', () => {
  it.each<[string, object]>([
    ['best_of', { best_of: 20 }],
    ['ignore_eos', { ignore_eos: true }],
    ['min_tokens', { min_tokens: 100_000 }],
    ['Min_New_Tokens', { Min_New_Tokens: 1 }],
    ['deferred', { deferred: true }],
    ['background', { background: true }],
    ['kv_transfer_params', { kv_transfer_params: { do_remote_decode: true } }],
    ['vllm_xargs', { vllm_xargs: {} }],
    ['n_cmpl', { n_cmpl: 100 }],
    ['speculation', { speculation: 'x' }],
    ['auto_max_new_tokens', { auto_max_new_tokens: true }],
    ['ban_eos_token', { ban_eos_token: true }],
    ['debug_config', { debug_config: { ignore_eos: true } }],
    ['disaggregated_params', { disaggregated_params: {} }],
    ['bootstrap_room', { bootstrap_room: 1 }],
    ['thinking_budget_tokens', { thinking_budget_tokens: 60_000 }],
    ['thinking_config', { thinking_config: { thinking_budget: 60_000 } }],
    ['maxPredictedTokens', { maxPredictedTokens: 100_000 }],
    ['inferenceConfig', { inferenceConfig: { maxTokens: 100_000 } }],
    ['parameters', { parameters: { max_new_tokens: 100_000 } }],
    ['session_params', { session_params: { id: 'x' } }],
    ['integrations', { integrations: ['mcp/browser'] }],
    ['features', { features: { web_search: true } }],
    ['web_search', { web_search: { enable: true } }],
    ['compound_custom', { compound_custom: { tools: {} } }],
    ['venice_parameters', { venice_parameters: { enable_web_search: 'on' } }],
    ['enable_code_interpreter', { enable_code_interpreter: true }],
    ['use_context', { use_context: true }],
    ['context_management', { context_management: { edits: [] } }],
    ['context_window_fallbacks', { context_window_fallbacks: [] }],
    ['api_base', { api_base: 'https://example.com' }],
    ['lora_path', { lora_path: 'dear' }],
    ['performanceConfig', { performanceConfig: { latency: 'optimized' } }],
    ['chat_template_kwargs', { chat_template_kwargs: { chat_template: '{% for i in range(9**9) %}x{% endfor %}' } }],
    ['chat_template_kwargs', { chat_template_kwargs: { Thinking_Budget: 60_000 } }],
    ['model', { model: 'openai/gpt-4o:online' }],
    ['model', { model: '@preset/long' }],
    ['nvext', { nvext: { ignore_eos: true } }],
    ['sampling_params', { sampling_params: { max_tokens: 9 } }],
    ['max_tokens_to_sample', { max_tokens_to_sample: 9 }],
    ['num_predict', { num_predict: 100_000 }],
    ['options', { options: { num_predict: 100_000 } }],
    ['max_output_tokens', { max_output_tokens: 1 }],
    ['max_new_tokens', { max_new_tokens: 1 }],
    ['MAX_NEW_TOKENS', { MAX_NEW_TOKENS: 1 }],
    ['maxOutputTokens', { maxOutputTokens: 1 }],
    ['thinking', { thinking: { type: 'enabled', budget_tokens: 60_000 } }],
    ['reasoning', { reasoning: { max_tokens: 60_000 } }],
    ['reasoning_effort', { reasoning_effort: 60_000 }],
    ['num_return_sequences', { num_return_sequences: 9 }],
    ['providerOptions', { providerOptions: { gateway: { models: ['dear'] } } }],
    ['files', { files: ['x'] }],
    ['prediction', { prediction: { type: 'content', content: 'x' } }],
    ['audio', { audio: { voice: 'alloy', format: 'mp3' } }],
    ['modalities', { modalities: ['text', 'audio'] }],
    ['web_search_options', { web_search_options: {} }],
    ['service_tier', { service_tier: 'priority' }],
    ['previous_response_id', { previous_response_id: 'resp_1' }],
    ['prompt', { prompt: { id: 'pmpt_1' } }],
    ['plugins', { plugins: [{ id: 'web' }] }],
    ['models', { models: ['dear'] }],
    ['fallbacks', { fallbacks: ['dear'] }],
    ['extra_body', { extra_body: { google: {} } }],
    ['chat_template', { chat_template: '{% for i in range(9**9) %}x{% endfor %}' }],
    ['mm_processor_kwargs', { mm_processor_kwargs: { max_pixels: 1e12 } }],
    ['use_beam_search', { use_beam_search: true }],
    ['tools[1]', { tools: [{ type: 'function', function: {} }, { type: 'web_search' }] }],
    ['tools[0]', { tools: [{ type: 'function', function: {}, google_search: {} }] }],
    ['tools[0]', { tools: [{ googleSearch: {} }] }],
    ['tools', { tools: {} }],
    ['messages[0].content[0]', content({ type: 'input_audio', input_audio: { data: 'AAAA', format: 'mp3' } })],
    ['messages[0].content[0]', content({ type: 'file', file: { file_id: 'x' } })],
    ['messages[0].content[0]', content({ type: 'video_url', video_url: { url: 'https://example.com/v.mp4' } })],
    ['messages[0].content[0]', content({ type: 'image', source: {} })],
    ['messages[0].content[0]', content({ text: 'no type' })],
    ['messages[0].content[0]', content({ type: 'text', text: 'x', Type: 'input_audio', input_audio: {} })],
    ['messages[0].content[0]', content({ type: 'image_url', image_url: { url: 'data:application/pdf;base64,AAAA' } })],
    [
      'messages[0].content[0]',
      content({ type: 'image_url', image_url: { url: 'data:image/png,A', URL: 'data:video/mp4,A' } }),
    ],
    ['messages[0].content[0]', content(7)],
    ['messages[0].content', { messages: [{ content: { type: 'input_audio' } }] }],
    ['messages[0].Content', { messages: [{ content: 'x', Content: [{ type: 'input_audio' }] }] }],
    ['messages[1].audio', { messages: [{}, { role: 'assistant', audio: { id: 'x' } }] }],
    ['messages[0].images', { messages: [{ role: 'user', content: 'x', images: ['AAAA'] }] }],
  ])('is named by its field %s: %j', (field, body) => {
    for (const facts of [GPT, MISTRAL, null]) expect(boundOf(body, facts).boundless).toBe(field);
  });

  it.each([
    { chat_template_kwargs: { enable_thinking: false } },
    { ban_eos_token: false },
    { ignore_eos: false },
    { min_tokens: 0 },
    { deferred: false },
    { kv_transfer_params: null },
  ])('is not found in %j, which requests nothing', (fields) => expect(boundOf(fields).boundless).toBeNull());

  const cache_control = { type: 'ephemeral' };
  it.each<[string, object]>([
    ['messages', content({ type: 'text', text: 'x', cache_control })],
    ['messages', { messages: [{ content: 'x', cache_control }] }],
    ['tools', { tools: [{ type: 'function', function: { name: 'f' }, cache_control }] }],
    ['cache_control', { cache_control }],
  ])('is not a cache mark in %s, which changes the price and not the count', (field, body) => {
    expect(boundOf(body)).toMatchObject({ boundless: null, unpriced: field });
    expect(boundOf(content({ type: 'text', text: 'x' })).unpriced).toBeNull();
  });

  it('may repeat a field, of which we and the server could each read another value', () => {
    for (const message of [
      '{"content":"short","content":"long"}',
      '{"content":[{"type":"text","type":"input_audio","text":"x"}]}',
      '{"content":[{"type":"image_url","image_url":{"detail":"high","detail":"low","url":"https://example.com"}}]}',
      '{"tool_calls":[{"function":{"arguments":"x","arguments":"y"}}]}',
    ])
      expect(boundOf(`{"model":"m","messages":[${message}]}`).boundless).not.toBeNull();
    expect(
      boundOf(
        '{"model":"m","messages":[{"content":"a:\\"b\\\\\\":c\\""}],"tools":[{"type":"x","type":"function","function":{}}]}',
      ).boundless,
    ).toBe('tools');
    expect(boundOf('{"model":"m","messages":[{"content":"a:\\"b\\\\\\":c\\"","\\u0061:":":"}]}').boundless).toBeNull();
  });

  it('may have more parts than can be read while a call waits', () => {
    const parts = Array.from({ length: 20_000 }, () => ({ type: 'text', text: 'x' }));
    const keys = Array.from({ length: 30_001 }, (_, at) => `"${at}":1`).join(',');
    const bodies: [string, string][] = [
      ['messages', JSON.stringify({ model: 'm', messages: [{ role: 'user', content: parts }] })],
      ['x', `{"model":"m","messages":[{}],"x":{${keys}}}`],
      ['x', `{"model":"m","messages":[{}],"x":[${' '.repeat(1_100_000)}]}`],
    ];
    for (const [field, body] of bodies) {
      const { boundless, inputTokens } = boundOf(body);
      expect(boundless).toBe(field);
      expect(inputTokens).toBeGreaterThan(body.length);
    }
    // Real requests stay below: two thousand messages, or 128 tools of twenty-five parameters each.
    const messages = Array.from({ length: 2_000 }, () => ({ role: 'user', content: 'x' }));
    const properties = Object.fromEntries(
      Array.from({ length: 25 }, (_, at) => [
        `p${at}`,
        { type: 'string', description: 'What it is for.', enum: ['a', 'b', 'c', 'd'] },
      ]),
    );
    const required = Object.keys(properties);
    const parameters = { type: 'object', properties, required };
    const tool = { type: 'function', function: { name: 'f', description: 'x', parameters } };
    expect(boundOf({ messages }).boundless).toBeNull();
    expect(boundOf({ tools: Array.from({ length: 128 }, () => tool) }).boundless).toBeNull();
  });

  it('may be nested more deeply than any template prints', () => {
    const deep = '['.repeat(100_000) + ']'.repeat(100_000);
    expect(boundOf(`{"model":"m","messages":[{}],"documents":${deep}}`).boundless).toBe('documents');
    expect(boundOf(`{"model":"m","messages":[{"x":${deep}}]}`).boundless).toBe('messages[0].x');
    expect(boundOf(`{"model":"m","messages":[{"content":[{"type":"text","text":${deep}}]}]}`).boundless).not.toBeNull();
  });

  it('may name a document as an image, which a server would fetch', () => {
    const image = content({ type: 'image_url', image_url: { url: 'https://example.com/a' } });
    expect(boundOf(image, known.find('gemini-2.5-pro')).boundless).toBe('messages[0].content[0]');
    expect(boundOf({ ...image, model: 'google/gemini-9' }, null).boundless).toBe('messages[0].content[0]');
  });
});
