import { stageOf } from '../../../../test/support/kind-stage.js';
import { GOOGLE } from '../../../../test/support/kinds.js';
import { googleError, googleSays, googleStream } from '../../../../test/support/google-wire.js';
import { HI, WEATHER } from '../../../../test/support/translated.js';
import { jsonAnswer } from '../../../../test/support/wire-upstream.js';

const { model: MODEL } = GOOGLE;

const at = stageOf(GOOGLE);

describe('a Gemini answer', () => {
  const USED = {
    prompt_tokens: 120,
    completion_tokens: 33,
    total_tokens: 153,
    prompt_tokens_details: { cached_tokens: 100 },
    completion_tokens_details: { reasoning_tokens: 23 },
  };

  it('is a chat completion, with all that was used, by the model that answered', async () => {
    const { sink, attempt } = await at.ask();
    expect(sink.json).toMatchObject({
      model: 'gemini-2.5-flash-002',
      choices: [{ message: { role: 'assistant', content: 'Hello there', refusal: null }, finish_reason: 'stop' }],
      usage: USED,
    });
    expect(attempt.answeredBy).toBe('gemini-2.5-flash-002');
    expect(attempt.usage()).toMatchObject({
      inputTokens: 120,
      outputTokens: 33,
      reasoningTokens: 23,
      estimated: false,
    });
  });

  it('is a stream of chunks', async () => {
    const { sink, attempt } = await at.ask({ stream: true, stream_options: { include_usage: true } });
    expect(sink.message).toEqual({ content: 'Hello there', finish: 'stop' });
    expect(sink.chunks.at(-1)).toMatchObject({ choices: [], usage: USED, model: 'gemini-2.5-flash-002' });
    expect(attempt).toMatchObject({ answeredBy: 'gemini-2.5-flash-002', complete: true });
  });

  it.each([true, false])('holds tool calls with ids and signatures, which come back (stream: %s)', async (stream) => {
    const parts = [
      { text: 'Let me look.' },
      { functionCall: { name: 'get_weather', args: { city: 'Paris' } }, thoughtSignature: 'c2lnQQ==' },
      { functionCall: { name: 'get_weather', args: { city: 'Rome' } } },
    ];
    at.upstream.next(googleSays({ parts }));
    const { sink } = await at.ask({ tools: [WEATHER], stream });
    const said = stream ? sink.message : sink.choice.message;
    expect(said.content).toBe('Let me look.');
    expect(stream ? sink.message.finish : sink.choice.finish_reason).toBe('tool_calls');
    const extra = { google: { thought_signature: 'c2lnQQ==' } };
    expect(said.tool_calls).toMatchObject([
      { id: expect.stringMatching(/^call_.+_1$/) as string, extra_content: extra },
      { id: expect.stringMatching(/^call_.+_2$/) as string },
    ]);
    if (stream) return;
    const messages = [
      ...HI,
      said,
      ...(said.tool_calls ?? []).map(({ id }) => ({ role: 'tool', tool_call_id: id, content: 'sunny' })),
    ];
    await at.ask({ messages, tools: [WEATHER] });
    expect(at.upstream.last.body).toHaveProperty('contents.1.parts.1.thoughtSignature', 'c2lnQQ==');
    expect(at.upstream.last.body).toHaveProperty('contents.1.parts.0.text', 'Let me look.');
  });

  it("gives what the model thought, and takes the answer's signature back", async () => {
    const parts = [
      { text: 'I should greet', thought: true },
      { text: 'Hello there', thoughtSignature: 'c2lnQg==' },
    ];
    at.upstream.next(googleSays({ parts })).next(googleSays({ parts }));
    const { message } = (await at.ask()).sink.choice;
    const extra = { google: { thought_signature: 'c2lnQg==' } };
    expect(message).toMatchObject({
      content: 'Hello there',
      reasoning_content: 'I should greet',
      extra_content: extra,
    });
    const streamed = (await at.ask({ stream: true })).sink.message;
    expect(streamed).toMatchObject({
      content: 'Hello there',
      reasoning_content: 'I should greet',
      extra_content: [extra],
    });
    await at.ask({ messages: [...HI, message, ...HI] });
    expect(at.upstream.last.body).toHaveProperty('contents.1.parts', [
      { text: 'Hello there', thoughtSignature: 'c2lnQg==' },
    ]);
  });

  it.each([
    [{ finishReason: 'MAX_TOKENS' }, 'length'],
    [{ finishReason: 'SAFETY' }, 'content_filter'],
    [{ finishReason: 'RECITATION' }, 'content_filter'],
    [{ finishReason: 'OTHER' }, 'stop'],
    [{ promptFeedback: { blockReason: 'PROHIBITED_CONTENT' } }, 'content_filter'],
  ])('that ends by %j ends by %s', async (said, finish) => {
    at.upstream.next(googleSays(said)).next(googleSays(said));
    expect((await at.ask()).sink.choice.finish_reason).toBe(finish);
    expect((await at.ask({ stream: true })).sink.message.finish).toBe(finish);
  });

  it.each([true, false])('that ends by a malformed call is a failure (stream: %s)', async (stream) => {
    at.upstream.next(googleSays({ finishReason: 'MALFORMED_FUNCTION_CALL' }));
    const { sink } = await at.ask({ stream });
    expect(sink.told).toMatchObject({ outcome: 'UPSTREAM_BROKEN', status: 502 });
  });

  it.each([
    ['an estimate where its report came before its words', { promptTokenCount: 9, candidatesTokenCount: 0 }, 1],
    ['what its sum leaves where it reports no output', { promptTokenCount: 9, totalTokenCount: 500 }, 491],
  ])('is charged %s', async (_what, usage, least) => {
    at.upstream.next(googleStream({ usage }));
    const { attempt } = await at.ask({ stream: true });
    expect(attempt.usage().inputTokens).toBe(9);
    expect(attempt.usage().outputTokens).toBeGreaterThanOrEqual(least);
  });

  it('whose stream ends without a reason is a broken one, and what came is charged', async () => {
    at.upstream.next(googleStream({ finishReason: null, usage: null }));
    const { sink, attempt } = await at.ask({ stream: true });
    expect(sink.told).toMatchObject({ outcome: 'UPSTREAM_BROKEN' });
    expect(sink.ended).toBe(false);
    expect(attempt.usage()).toMatchObject({ estimated: true });
    expect(attempt.usage().outputTokens).toBeGreaterThan(0);
  });
});

describe("Gemini's errors", () => {
  it.each([
    [400, 'INVALID_ARGUMENT', { status: 400, type: 'INVALID_ARGUMENT', message: 'Said so.' }],
    [403, 'PERMISSION_DENIED', { status: 502, code: 'provider_authentication_failed' }],
    [404, 'NOT_FOUND', { status: 404, type: 'NOT_FOUND' }],
    [500, 'INTERNAL', { status: 500, type: 'INTERNAL' }],
    [503, 'UNAVAILABLE', { status: 503, type: 'UNAVAILABLE' }],
  ])('%s keeps its status and type, unless it is about our credential', async (status, name, told) => {
    for (const stream of [true, false]) {
      at.upstream.next(googleError(status, name, 'Said so.'));
      expect((await at.ask({ stream })).sink.told).toMatchObject({ outcome: 'UPSTREAM_ERROR', ...told });
    }
  });

  it("a bad key is not the caller's fault", async () => {
    at.upstream.next(googleError(400, 'INVALID_ARGUMENT', 'API key not valid.', [{ reason: 'API_KEY_INVALID' }]));
    expect((await at.ask()).sink.told).toMatchObject({
      status: 502,
      code: 'provider_authentication_failed',
    });
  });

  it('429 says when to come back', async () => {
    const details = [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '34.07s' }];
    at.upstream.next(googleError(429, 'RESOURCE_EXHAUSTED', 'Quota.', details));
    expect((await at.ask()).sink.told).toMatchObject({
      status: 429,
      type: 'RESOURCE_EXHAUSTED',
      headers: { 'retry-after': '34' },
    });
  });

  it('in a stream are told', async () => {
    const event = `data: ${JSON.stringify({ error: { code: 503, message: 'Overloaded.', status: 'UNAVAILABLE' } })}\r\n\r\n`;
    at.upstream.next({ headers: { 'content-type': 'text/event-stream' }, chunks: [event] });
    const { sink } = await at.ask({ stream: true });
    expect(sink.told).toMatchObject({ outcome: 'UPSTREAM_ERROR', status: 503, type: 'UNAVAILABLE' });
  });
});

it("Gemini's models are listed", async () => {
  at.upstream.next(jsonAnswer({ models: [{ name: `models/${MODEL}`, displayName: 'Flash' }] }));
  expect(await at.provider.catalogue.list()).toEqual([{ id: MODEL, object: 'model', created: 0, owned_by: 'google' }]);
});
