import { stageOf } from '../../../../test/support/kind-stage.js';
import { ANTHROPIC } from '../../../../test/support/kinds.js';
import {
  anthropicError,
  anthropicSays,
  errorEvent,
  sse,
  text,
  toolUse,
} from '../../../../test/support/anthropic-wire.js';
import { AFTER_TOOLS, WEATHER } from '../../../../test/support/translated.js';
import { jsonAnswer } from '../../../../test/support/wire-upstream.js';

const { model: MODEL, secret: SECRET } = ANTHROPIC;

const at = stageOf(ANTHROPIC);

describe('an Anthropic answer', () => {
  const USED = {
    prompt_tokens: 132,
    completion_tokens: 33,
    total_tokens: 165,
    prompt_tokens_details: { cached_tokens: 100, cache_write_tokens: 7 },
    completion_tokens_details: { reasoning_tokens: 0 },
  };

  it('is a chat completion, with all that was used', async () => {
    at.upstream.next(anthropicSays({ model: 'claude-sonnet-4-5-20250929' }));
    const { sink, attempt } = await at.ask();
    expect(sink.json).toEqual({
      id: 'msg_01XFDUDYJgAACzvnptvVoYEL',
      object: 'chat.completion',
      created: expect.any(Number),
      model: 'claude-sonnet-4-5-20250929',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: 'Hello there', refusal: null },
          logprobs: null,
          finish_reason: 'stop',
        },
      ],
      usage: USED,
    });
    expect(attempt.answeredBy).toBe('claude-sonnet-4-5-20250929');
    expect(attempt.status).toBe(200);
    expect(attempt.usage()).toEqual({
      inputTokens: 132,
      cachedInputTokens: 100,
      cacheWriteTokens: 7,
      outputTokens: 33,
      reasoningTokens: 0,
      estimated: false,
    });
  });

  it('is a stream of chunks, with usage where it was asked for', async () => {
    const { sink, attempt } = await at.ask({ stream: true, stream_options: { include_usage: true } });
    expect(sink.ended).toBe(true);
    expect(sink.events.endsWith('data: [DONE]\n\n')).toBe(true);
    expect(sink.message).toEqual({ content: 'Hello there', finish: 'stop' });
    expect(sink.chunks[0]?.choices[0]?.delta.role).toBe('assistant');
    expect(sink.chunks.at(-1)).toMatchObject({ choices: [], usage: USED, object: 'chat.completion.chunk' });
    expect(sink.chunks.slice(0, -1).every(({ usage }) => usage === null)).toBe(true);
    expect(attempt.complete).toBe(true);
    expect(attempt.usage()).toMatchObject({ inputTokens: 132, outputTokens: 33, estimated: false });
  });

  it('has no usage chunk in a stream that was not asked for it', async () => {
    const { sink } = await at.ask({ stream: true });
    expect(sink.events).not.toContain('usage');
  });

  it.each([true, false])('holds parallel tool calls beside text (stream: %s)', async (stream) => {
    const content = [text('Let me look.'), toolUse('toolu_1', { city: 'Paris' }), toolUse('toolu_2', { city: 'Rome' })];
    at.upstream.next(anthropicSays({ content, stopReason: 'tool_use' }));
    const { sink } = await at.ask({ tools: [WEATHER], stream });
    if (stream) {
      expect(sink.message).toEqual({
        content: 'Let me look.',
        tool_calls: [
          { id: 'toolu_1', name: 'get_weather', arguments: '{"city":"Paris"}' },
          { id: 'toolu_2', name: 'get_weather', arguments: '{"city":"Rome"}' },
        ],
        finish: 'tool_calls',
      });
      return;
    }
    expect(sink.choice.finish_reason).toBe('tool_calls');
    expect(sink.choice.message).toEqual({
      role: 'assistant',
      content: 'Let me look.',
      refusal: null,
      tool_calls: [
        { id: 'toolu_1', type: 'function', function: { name: 'get_weather', arguments: '{"city":"Paris"}' } },
        { id: 'toolu_2', type: 'function', function: { name: 'get_weather', arguments: '{"city":"Rome"}' } },
      ],
    });
  });

  it('gives what the model thought, and takes its signatures back', async () => {
    const content = [
      { type: 'thinking', thinking: 'I should look', signature: 'EqQBCg==' } as const,
      { type: 'redacted_thinking', data: 'EmwKAhgB' } as const,
      toolUse('call_1', { city: 'Paris' }),
      toolUse('call_2', { city: 'Rome' }),
    ];
    const thinking = [{ text: 'I should look', signature: 'EqQBCg==' }, { redacted_data: 'EmwKAhgB' }];
    at.upstream
      .next(anthropicSays({ content, stopReason: 'tool_use' }))
      .next(anthropicSays({ content, stopReason: 'tool_use' }));
    const fields = { tools: [WEATHER], reasoning_effort: 'low', max_tokens: 4_000 };
    const { sink } = await at.ask(fields);
    const { message } = sink.choice;
    expect(message).toMatchObject({
      content: null,
      reasoning_content: 'I should look',
      extra_content: { anthropic: { thinking } },
    });
    const streamed = await at.ask({ ...fields, stream: true });
    expect(streamed.sink.message).toMatchObject({
      reasoning_content: 'I should look',
      extra_content: thinking.map((block) => ({ anthropic: { thinking: [block] } })),
    });
    const again = await at.ask({ ...fields, messages: [AFTER_TOOLS[0], message, ...AFTER_TOOLS.slice(2)] });
    expect(again.sink.failure).toBeNull();
    expect(at.upstream.last.body).toHaveProperty('messages.1.content', content);
  });

  it.each([
    ['max_tokens', 'length'],
    ['model_context_window_exceeded', 'length'],
    ['stop_sequence', 'stop'],
    ['pause_turn', 'stop'],
  ])('that ends by %s ends by %s', async (stopReason, finish) => {
    at.upstream.next(anthropicSays({ stopReason })).next(anthropicSays({ stopReason }));
    expect((await at.ask()).sink.choice.finish_reason).toBe(finish);
    expect((await at.ask({ stream: true })).sink.message.finish).toBe(finish);
  });

  it('says a refusal as one', async () => {
    const said = { content: [], stopReason: 'refusal' };
    at.upstream.next(anthropicSays(said)).next(anthropicSays(said));
    const { sink } = await at.ask();
    expect(sink.choice).toMatchObject({
      message: { content: null, refusal: 'The model declined to answer.' },
      finish_reason: 'content_filter',
    });
    const streamed = await at.ask({ stream: true });
    expect(streamed.sink.message).toEqual({ refusal: 'The model declined to answer.', finish: 'content_filter' });
  });
});

describe("Anthropic's errors", () => {
  it.each([
    [400, 'invalid_request_error', { status: 400, type: 'invalid_request_error', message: 'Said so.' }],
    [401, 'authentication_error', { status: 502, code: 'provider_authentication_failed' }],
    [403, 'permission_error', { status: 502, code: 'provider_authentication_failed' }],
    [404, 'not_found_error', { status: 404, type: 'not_found_error', message: 'Said so.' }],
    [413, 'request_too_large', { status: 413, type: 'request_too_large' }],
    [500, 'api_error', { status: 500, type: 'api_error' }],
    [529, 'overloaded_error', { status: 529, type: 'overloaded_error' }],
  ])('%s keeps its status and type, unless it is about our credential', async (status, type, told) => {
    for (const stream of [false, true]) {
      at.upstream.next(anthropicError(status, type, 'Said so.'));
      const { sink, attempt } = await at.ask({ stream });
      expect(sink.told).toMatchObject({ outcome: 'UPSTREAM_ERROR', ...told });
      expect(attempt.usage().outputTokens).toBe(0);
      expect(attempt.status).toBe(status);
    }
  });

  it('429 says when to come back', async () => {
    at.upstream.next(anthropicError(429, 'rate_limit_error', 'Too many.', { 'retry-after': '17' }));
    const { sink } = await at.ask();
    expect(sink.told).toMatchObject({ status: 429, type: 'rate_limit_error', headers: { 'retry-after': '17' } });
  });

  it('that are HTML say their status alone, and none holds the credential', async () => {
    at.upstream.next({ status: 413, headers: { 'content-type': 'text/html' }, chunks: ['<html>no</html>'] });
    expect((await at.ask()).sink.told).toMatchObject({
      status: 413,
      message: 'The model provider answered with status 413.',
    });
    at.upstream.next(anthropicError(400, 'invalid_request_error', `Not ${SECRET}.`));
    expect((await at.ask()).sink.told.message).toBe('Not [redacted].');
  });

  it('at the head of a stream are told with a status', async () => {
    at.upstream.next(sse([errorEvent('overloaded_error', 'Overloaded')]));
    const { sink } = await at.ask({ stream: true });
    expect(sink.told).toMatchObject({
      outcome: 'UPSTREAM_ERROR',
      status: 529,
      type: 'overloaded_error',
      message: 'Overloaded',
    });
    expect(sink.events).toBe('');
  });

  it('in the middle of a stream follow what came, which is charged', async () => {
    const whole = anthropicSays({ content: [text('This was said before it broke.')] });
    at.upstream.next((request) => {
      const events = whole(request).chunks.slice(0, -3) as string[];
      return sse([...events, errorEvent('overloaded_error', 'Overloaded')]);
    });
    const { sink, attempt } = await at.ask({ stream: true });
    expect(sink.message.content).toBe('This was said before it broke.');
    expect(sink.told).toMatchObject({ outcome: 'UPSTREAM_ERROR', status: 529 });
    expect(attempt.usage()).toMatchObject({ inputTokens: 132, cachedInputTokens: 100, estimated: true });
    expect(attempt.usage().outputTokens).toBeGreaterThan(3);
  });

  it('an answer that is not what the API documents is a broken one', async () => {
    for (const body of [{ hello: 'world' }, 'no JSON', []]) {
      at.upstream.next(jsonAnswer(body));
      expect((await at.ask()).sink.told).toMatchObject({ outcome: 'UPSTREAM_BROKEN', status: 502 });
    }
  });

  it('log no prompt, no answer and no key', async () => {
    const messages = [{ role: 'user', content: 'canary-prompt-77' }];
    at.upstream.next(anthropicError(400, 'invalid_request_error', 'canary-prompt-77 is bad'));
    at.upstream.next(jsonAnswer({ said: 'canary-answer-78' }));
    for (let i = 0; i < 2; i += 1) {
      const { sink } = await at.ask({ messages });
      expect(JSON.stringify(sink.failure?.said ?? '')).not.toMatch(/canary/);
    }
    expect(at.logged).not.toMatch(/canary|sk-secret/);
  });
});

describe("Anthropic's models", () => {
  it('are listed', async () => {
    at.upstream.next(
      jsonAnswer({ data: [{ type: 'model', id: MODEL, created_at: '2025-09-29T00:00:00Z' }], has_more: false }),
    );
    expect(await at.provider.catalogue.list()).toEqual([
      { id: MODEL, object: 'model', created: 1_759_104_000, owned_by: 'anthropic' },
    ]);
    expect(at.upstream.last).toMatchObject({ path: '/v1/models?limit=1000', headers: { 'x-api-key': SECRET } });
  });
});
