import { stageOf } from '../../../../test/support/kind-stage.js';
import { BEDROCK } from '../../../../test/support/kinds.js';
import {
  bedrockError,
  bedrockFrames,
  bedrockSays,
  bedrockStream,
  frame,
} from '../../../../test/support/bedrock-wire.js';
import { AFTER_TOOLS, HI, PIXEL, SCHEMA, WEATHER } from '../../../../test/support/translated.js';

const { model: CLAUDE } = BEDROCK;
const NOVA = 'amazon.nova-pro-v1:0';

const at = stageOf(BEDROCK);

describe('a Bedrock request', () => {
  it('is signed, and carries turns, system prompts, limits and stops', async () => {
    const messages = [
      { role: 'system', content: 'Be short.' },
      { role: 'user', content: 'Grüße 🙂' },
      { role: 'assistant', content: 'Hello!' },
      { role: 'user', content: 'And now?' },
    ];
    const { sink } = await at.ask({ messages, max_tokens: 200, temperature: 0.5, stop: ['END'] });
    expect(sink.told).toEqual({});
    expect(at.upstream.last.path).toBe(`/model/${encodeURIComponent(CLAUDE)}/converse`);
    expect(at.upstream.last.body).toMatchObject({
      system: [{ text: 'Be short.' }],
      messages: [
        { role: 'user', content: [{ text: 'Grüße 🙂' }] },
        { role: 'assistant', content: [{ text: 'Hello!' }] },
        { role: 'user', content: [{ text: 'And now?' }] },
      ],
      inferenceConfig: { maxTokens: 200, temperature: 0.5, stopSequences: ['END'] },
    });
  });

  it('by another account is refused, and takes no key from the environment', async () => {
    const other = at.another({ credentials: { accessKeyId: 'AKIDOTHER', secretAccessKey: 'x' } });
    process.env['AWS_BEARER_TOKEN_BEDROCK'] = 'bedrock-api-key';
    try {
      const { sink } = await at.ask({}, other);
      expect(sink.told).toMatchObject({ status: 502, code: 'provider_authentication_failed' });
    } finally {
      delete process.env['AWS_BEARER_TOKEN_BEDROCK'];
    }
  });

  it("may be authorised by a key of Bedrock's own", async () => {
    const keyed = at.another({ credentials: { apiKey: 'bedrock-api-key' } });
    expect((await at.ask({}, keyed)).sink.choice.message.content).toBe('Hello there');
    expect(at.upstream.last.headers.authorization).toBe('Bearer bedrock-api-key');
  });

  it('carries tools, parallel calls and their results', async () => {
    const { sink } = await at.ask({ messages: AFTER_TOOLS, tools: [WEATHER] });
    expect(sink.told).toEqual({});
    expect(at.upstream.last.body).toMatchObject({
      toolConfig: {
        tools: [{ toolSpec: { name: 'get_weather', inputSchema: { json: WEATHER.function.parameters } } }],
      },
      messages: [
        {},
        {
          role: 'assistant',
          content: [
            { toolUse: { toolUseId: 'call_1', name: 'get_weather', input: { city: 'Paris' } } },
            { toolUse: { toolUseId: 'call_2', name: 'get_weather', input: { city: 'Rome' } } },
          ],
        },
        {
          role: 'user',
          content: [
            { toolResult: { toolUseId: 'call_1', content: [{ text: 'sunny' }] } },
            { toolResult: { toolUseId: 'call_2', content: [{ text: 'rainy' }] } },
          ],
        },
      ],
    });
  });

  it.each([
    ['auto', { auto: {} }],
    ['required', { any: {} }],
    [{ type: 'function', function: { name: 'get_weather' } }, { tool: { name: 'get_weather' } }],
  ])('carries the tool choice %j', async (choice, sent) => {
    await at.ask({ tools: [WEATHER], tool_choice: choice });
    expect(at.upstream.last.body).toHaveProperty('toolConfig.toolChoice', sent);
  });

  it('carries images, also those that stand elsewhere, and PDFs', async () => {
    at.upstream.next({ headers: { 'content-type': 'image/png' }, chunks: [Buffer.from(PIXEL, 'base64')] });
    const content = [
      { type: 'image_url', image_url: { url: `data:image/png;base64,${PIXEL}` } },
      { type: 'image_url', image_url: { url: `${at.upstream.origin}/a.png` } },
      { type: 'file', file: { filename: 'a.pdf', file_data: 'data:application/pdf;base64,JVBERi0=' } },
    ];
    const { sink } = await at.ask({ messages: [{ role: 'user', content }] });
    expect(sink.told).toEqual({});
    const image = { image: { format: 'png', source: { bytes: PIXEL } } };
    expect(at.upstream.last.body).toMatchObject({
      messages: [{ content: [image, image, { document: { format: 'pdf', source: { bytes: 'JVBERi0=' } } }] }],
    });
  });

  it('asks for a JSON schema, of a model that does not know schemas by a tool', async () => {
    await at.ask({ response_format: SCHEMA });
    expect(at.upstream.last.body).toHaveProperty(
      'additionalModelRequestFields.output_config.format.type',
      'json_schema',
    );
    const said = { content: [{ toolUse: { toolUseId: 't', name: 'json', input: { a: 1 } } }], stopReason: 'tool_use' };
    at.upstream.next(bedrockSays(said)).next(bedrockSays(said));
    const { sink } = await at.ask({ model: NOVA, response_format: SCHEMA });
    expect(sink.choice).toMatchObject({ message: { content: '{"a":1}' }, finish_reason: 'stop' });
    const streamed = await at.ask({ model: NOVA, response_format: SCHEMA, stream: true });
    expect(streamed.sink.message).toEqual({ content: '{"a":1}', finish: 'stop' });
  });

  it('lets a model think inside its limit', async () => {
    const { sink } = await at.ask({ max_tokens: 3_000, reasoning_effort: 'high' });
    expect(sink.told).toEqual({});
    expect(at.upstream.last.body).toMatchObject({
      inferenceConfig: { maxTokens: 3_000 },
      additionalModelRequestFields: { thinking: { type: 'enabled', budget_tokens: 1_800 } },
    });
  });

  it.each([
    ['seed', { seed: 1 }],
    ['presence_penalty', { presence_penalty: 1 }],
    ['temperature', { temperature: 1.5 }],
    ['temperature', { temperature: 0.5, reasoning_effort: 'low', max_tokens: 4_000 }],
    ['response_format', { response_format: { type: 'json_object' } }],
    ['max_completion_tokens', { reasoning_effort: 'low', max_tokens: 2_000 }],
    ['reasoning_effort', { model: NOVA, reasoning_effort: 'low' }],
    ['reasoning_effort', { model: 'us.amazon.nova-2-lite-v1:0', reasoning_effort: 'high', max_tokens: 100 }],
    ['parallel_tool_calls', { model: NOVA, tools: [WEATHER], parallel_tool_calls: false }],
    ['tools', { messages: AFTER_TOOLS }],
    ['tool_choice', { messages: AFTER_TOOLS, tools: [WEATHER], tool_choice: 'none' }],
    ['stop', { model: 'openai.gpt-oss-120b-1:0', stop: 'END' }],
    ['messages[1].role', { messages: [...HI, { role: 'system', content: 'Stop.' }] }],
  ])('that would lose something is refused, naming %s', async (field, fields) => {
    const { sink } = await at.ask(fields);
    expect(sink.told).toMatchObject({ outcome: 'NOT_SENT', status: 400, field });
    expect(at.upstream.requests).toEqual([]);
  });
});

describe('a Bedrock answer', () => {
  const USED = {
    prompt_tokens: 132,
    completion_tokens: 33,
    total_tokens: 165,
    prompt_tokens_details: { cached_tokens: 100, cache_write_tokens: 7 },
    completion_tokens_details: { reasoning_tokens: 0 },
  };
  const TOOLS = [
    { text: 'Let me look.' },
    { toolUse: { toolUseId: 'tooluse_1', name: 'get_weather', input: { city: 'Paris' } } },
    { toolUse: { toolUseId: 'tooluse_2', name: 'get_weather', input: { city: 'Rome' } } },
  ];

  it.each([true, false])('says what was used (stream: %s)', async (stream) => {
    const { sink, attempt } = await at.ask({ stream, ...(stream ? { stream_options: { include_usage: true } } : {}) });
    expect(stream ? sink.message : sink.choice.message).toMatchObject({ content: 'Hello there' });
    expect(stream ? sink.chunks.at(-1)?.usage : sink.json.usage).toEqual(USED);
    expect(attempt.usage()).toMatchObject({
      inputTokens: 132,
      cacheWriteTokens: 7,
      outputTokens: 33,
      estimated: false,
    });
  });

  it('is the same wherever the network cut its stream', async () => {
    const bytes = Buffer.concat(bedrockFrames({ content: TOOLS, stopReason: 'tool_use' }));
    const each = Array.from({ length: bytes.length }, (_, at) => bytes.subarray(at, at + 1));
    at.upstream.next(bedrockStream(each));
    const { sink } = await at.ask({ stream: true, tools: [WEATHER] });
    expect(sink.message).toEqual({
      content: 'Let me look.',
      tool_calls: [
        { id: 'tooluse_1', name: 'get_weather', arguments: '{"city":"Paris"}' },
        { id: 'tooluse_2', name: 'get_weather', arguments: '{"city":"Rome"}' },
      ],
      finish: 'tool_calls',
    });
  });

  it('gives what the model thought, and takes its signature back', async () => {
    const reasoningText = { text: 'I should look', signature: 'c2ln' };
    const content = [{ reasoningContent: { reasoningText } }, ...TOOLS];
    at.upstream
      .next(bedrockSays({ content, stopReason: 'tool_use' }))
      .next(bedrockSays({ content, stopReason: 'tool_use' }));
    const { message } = (await at.ask({ tools: [WEATHER] })).sink.choice;
    const extra = { amazonBedrock: { thinking: [{ text: 'I should look', signature: 'c2ln' }] } };
    expect(message).toMatchObject({ reasoning_content: 'I should look', extra_content: extra });
    const streamed = (await at.ask({ tools: [WEATHER], stream: true })).sink.message;
    expect(streamed).toMatchObject({ reasoning_content: 'I should look', extra_content: [extra] });
    const results = (message.tool_calls ?? []).map(({ id }) => ({ role: 'tool', tool_call_id: id, content: 'sunny' }));
    await at.ask({ messages: [...HI, message, ...results], tools: [WEATHER] });
    expect(at.upstream.last.body).toHaveProperty('messages.1.content.0', { reasoningContent: { reasoningText } });
  });

  it.each([
    ['max_tokens', 'length'],
    ['guardrail_intervened', 'content_filter'],
    ['content_filtered', 'content_filter'],
    ['stop_sequence', 'stop'],
  ])('that ends by %s ends by %s', async (stopReason, finish) => {
    at.upstream.next(bedrockSays({ stopReason })).next(bedrockSays({ stopReason }));
    expect((await at.ask()).sink.choice.finish_reason).toBe(finish);
    expect((await at.ask({ stream: true })).sink.message.finish).toBe(finish);
  });

  it('whose stream ends early, or was damaged on its way, is a broken one, and what came is charged', async () => {
    const frames = bedrockFrames();
    const damaged = Buffer.from(frames[4] as Buffer);
    damaged[20] = (damaged[20] ?? 0) ^ 1;
    for (const answer of [
      bedrockStream(frames.slice(0, 4)),
      bedrockStream(frames.slice(0, 4), { cut: true }),
      bedrockStream([...frames.slice(0, 4), damaged, ...frames.slice(5)]),
    ]) {
      at.upstream.next(answer);
      const { sink, attempt } = await at.ask({ stream: true });
      expect(sink.told).toMatchObject({ outcome: 'UPSTREAM_BROKEN', status: 502 });
      expect(sink.ended).toBe(false);
      expect(attempt.usage()).toMatchObject({ estimated: true });
      expect(attempt.usage().outputTokens).toBeGreaterThan(0);
    }
  });
});

describe("Bedrock's errors", () => {
  it.each([
    [400, 'ValidationException', { status: 400, type: 'ValidationException', message: 'Said so.' }],
    [403, 'AccessDeniedException', { status: 502, code: 'provider_authentication_failed' }],
    [404, 'ResourceNotFoundException', { status: 404 }],
    [429, 'ThrottlingException', { status: 429, type: 'ThrottlingException' }],
    [500, 'InternalServerException', { status: 500 }],
    [503, 'ServiceUnavailableException', { status: 503 }],
  ])('%s %s keeps its status and type, unless it is about our credential', async (status, type, told) => {
    for (const stream of [true, false]) {
      at.upstream.next(bedrockError(status, type, 'Said so.'));
      expect((await at.ask({ stream })).sink.told).toMatchObject({ outcome: 'UPSTREAM_ERROR', ...told });
    }
  });

  it('in a stream are told, and what came is charged', async () => {
    const exception = frame('throttlingException', { message: 'Slow down.' }, 'exception');
    at.upstream.next(bedrockStream([...bedrockFrames().slice(0, 4), exception]));
    const { sink, attempt } = await at.ask({ stream: true });
    expect(sink.told).toMatchObject({ outcome: 'UPSTREAM_ERROR', status: 429, type: 'throttlingException' });
    expect(attempt.usage().outputTokens).toBeGreaterThan(0);
  });
});

it('a Bedrock connection names its region', () => {
  expect(() => at.another({ settings: {} })).toThrow('settings.region');
});
