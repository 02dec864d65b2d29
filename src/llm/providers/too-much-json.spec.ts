import { frame } from '../../../test/support/bedrock-wire.js';
import { stageOf } from '../../../test/support/kind-stage.js';
import { BEDROCK, KINDS, TRANSLATED } from '../../../test/support/kinds.js';
import { WEATHER } from '../../../test/support/translated.js';
import { LongEvent } from './openai/long-event.js';

/** Parsing it would take a hundred times its bytes. */
const DEEP = '['.repeat(100_000) + ']'.repeat(100_000);
const WIDE = `[${'{},'.repeat(300_000)}1]`;
const TOO_MUCH = {
  outcome: 'UPSTREAM_BROKEN',
  status: 502,
  code: 'upstream_broken',
  message: 'The model provider answered with more than this service reads. Ask for less.',
};
/** No part of it is JSON by itself. */
const LONG = 'word '.repeat(1_700_000);
const STREAM = { 'content-type': 'text/event-stream' };
const FRAMES = { 'content-type': 'application/vnd.amazon.eventstream' };

/** A call of a tool by an assistant, with its arguments as they are written. */
function called(...written: readonly string[]): object {
  const calls = written.map((text, at) => ({
    id: `call_${at}`,
    type: 'function',
    function: { name: 'get_weather', arguments: text },
  }));
  const results = calls.map(({ id }) => ({ role: 'tool', tool_call_id: id, content: 'Sun' }));
  return {
    messages: [{ role: 'user', content: 'Hi' }, { role: 'assistant', tool_calls: calls }, ...results],
    tools: [WEATHER],
  };
}

describe.each(TRANSLATED)('$kind', (kind) => {
  const at = stageOf(kind);

  it('does not parse arguments with more values than a body may have', async () => {
    expect((await at.ask(called(`{"a":${DEEP}}`))).sink.told).toMatchObject({ code: 'nested_too_deep' });
    expect((await at.ask(called(`{"a":${WIDE}}`))).sink.told).toMatchObject({ code: 'too_many_values' });
    const half = `{"a":[${'1,'.repeat(130_000)}1]}`;
    expect((await at.ask(called(half, half))).sink.told).toMatchObject({ code: 'too_many_values' });
    expect(at.upstream.requests).toHaveLength(0);
    at.upstream.next(kind.says({ text: 'Fine' }));
    expect((await at.ask(called(half))).sink.choice.message.content).toBe('Fine');
  });

  it.each([
    ['deep', DEEP],
    ['wide', WIDE],
  ])('does not parse an answer that is too %s', async (_which, json) => {
    at.upstream.next({ headers: { 'content-type': 'application/json' }, chunks: [`{"x":${json}}`] });
    expect((await at.ask()).sink.told).toMatchObject(TOO_MUCH);
  });

  it('does not parse an answer of more than 8 MiB', async () => {
    at.upstream.next({ headers: { 'content-type': 'application/json' }, chunks: [`{"x":"${LONG}"}`] });
    expect((await at.ask()).sink.told).toMatchObject(TOO_MUCH);
  });

  it('does not read an event of more than 8 MiB', async () => {
    const event =
      kind === BEDROCK
        ? frame('contentBlockDelta', { delta: LONG })
        : Buffer.from(`event: x\ndata: {"x":"${LONG}"}\n\n`);
    at.upstream.next({ headers: kind === BEDROCK ? FRAMES : STREAM, chunks: [event] });
    expect((await at.ask({ stream: true })).sink.told).toMatchObject(TOO_MUCH);
  });

  it('refuses more text than any model reads before anything is sent, and accepts images beside it', async () => {
    const said = (text: string): object => ({ messages: [{ role: 'user', content: text }] });
    expect((await at.ask(said(LONG))).sink.told).toMatchObject({ status: 400, code: 'unsupported_by_provider' });
    expect((await at.ask(said(LONG))).sink.told).toMatchObject({
      message: expect.stringMatching(/^messages: must be at most 8388608/),
    });
    expect(at.upstream.requests).toHaveLength(0);
    await at.ask(said(LONG.slice(200_000)));
    const image = { type: 'image_url', image_url: { url: `data:image/png;base64,${'iVBO'.repeat(2_200_000)}` } };
    if (kind.kind !== 'cohere')
      await at.ask({ messages: [{ role: 'user', content: [{ type: 'text', text: 'Hi' }, image] }] });
    expect(at.upstream.requests).toHaveLength(kind.kind === 'cohere' ? 1 : 2);
  });

  it.each([600, 999])('that answers with status %i, which HTTP does not have, has failed', async (status) => {
    for (const stream of [false, true]) {
      at.upstream.next({ status, chunks: ['{}'] });
      expect((await at.ask({ stream })).sink.told).toMatchObject({ status: 502, code: 'upstream_broken' });
    }
  });

  it.each(['__proto__', 'constructor', 'hasOwnProperty', 'isPrototypeOf', 'toString'])(
    'refuses the field %s like any unknown one',
    async (field) => {
      const fields = { [field]: { x: 1 } };
      expect((await at.ask(fields)).sink.told).toMatchObject({ status: 400, code: 'unsupported_by_provider' });
      expect(at.upstream.requests).toHaveLength(0);
    },
  );

  it('does not parse an event that is too large', async () => {
    const event =
      kind === BEDROCK
        ? frame('contentBlockDelta', { delta: JSON.parse(WIDE) as unknown })
        : Buffer.from(`event: x\ndata: {"x":${WIDE}}\n\n`);
    const chunks = Array.from({ length: Math.ceil(event.length / 50_000) }, (_, piece) =>
      event.subarray(piece * 50_000, (piece + 1) * 50_000),
    );
    const type = kind === BEDROCK ? FRAMES : STREAM;
    at.upstream.next({ headers: type, chunks });
    expect((await at.ask({ stream: true })).sink.told).toMatchObject(TOO_MUCH);
  });
});

describe("a server of OpenAI's dialect", () => {
  const at = stageOf(KINDS[0]!);
  const answer = (rest: string): string =>
    `{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant",` +
    `"content":"Hi"},"finish_reason":"stop","logprobs":${rest}}],"usage":{"prompt_tokens":5,"completion_tokens":3,"total_tokens":8}}`;

  it('may answer with more than is parsed: it is passed on, and its reported usage is charged', async () => {
    const json = answer(WIDE);
    at.upstream.next({ headers: { 'content-type': 'application/json' }, chunks: [json] });
    const { sink, attempt } = await at.ask();
    expect(sink.choice.message.content).toBe('Hi');
    expect(attempt.usage()).toMatchObject({ inputTokens: 5, outputTokens: 3, estimated: false });
  });

  it('is charged the most that such an answer can be where it reports no usage', async () => {
    const json = answer(WIDE).replace('"usage"', '"used"');
    at.upstream.next({ headers: { 'content-type': 'application/json' }, chunks: [json] });
    const { attempt } = await at.ask({ max_tokens: 77 });
    expect(attempt.usage()).toMatchObject({ outputTokens: 77, estimated: true });
  });

  it('may answer with more bytes than are parsed: they are passed on unchanged, and the reported usage is charged', async () => {
    const json = answer('null').replace('"Hi"', `"${'It was "the" best; '.replaceAll('"', '\\"').repeat(500_000)}"`);
    const chunks = Array.from({ length: Math.ceil(json.length / 50_000) }, (_, piece) =>
      json.slice(piece * 50_000, (piece + 1) * 50_000),
    );
    at.upstream.next({ headers: { 'content-type': 'application/json' }, chunks });
    const { sink, attempt } = await at.ask();
    expect(JSON.stringify(sink.choice.message.content).length).toBe(10_500_002);
    expect(attempt.usage()).toMatchObject({ inputTokens: 5, outputTokens: 3, estimated: false });
    at.upstream.next({ headers: { 'content-type': 'application/json' }, chunks });
    expect((await at.ask({ stream: true })).sink.told).toMatchObject(TOO_MUCH);
  });

  it.each([
    ['an answer', { stream: true }, 'application/json', answer(WIDE)],
    ['a stream', {}, 'text/event-stream', `data: ${answer(`[${'1,'.repeat(4_000_001)}1]`)}\n\ndata: [DONE]\n\n`],
  ])('can not have %s converted into the other form where it is too large', async (_what, fields, type, text) => {
    at.upstream.next({ headers: { 'content-type': type }, chunks: [text] });
    expect((await at.ask(fields)).sink.told).toMatchObject(TOO_MUCH);
  });
});

it('an event that names its usage many times is not read without end', () => {
  const report = '"usage":{"prompt_tokens":5,"completion_tokens":3,"total_tokens":8}';
  const endless = (count: number): string => `${'"usage":{'.repeat(count)}${'1'.repeat(9_000)}`;
  const usageAfter = (text: string): unknown => {
    const event = new LongEvent();
    event.add(Buffer.from(`data: {${text},${report}}`));
    return event.usage;
  };
  expect(usageAfter(endless(10))).toMatchObject({ inputTokens: 5, outputTokens: 3 });
  expect(usageAfter(endless(1_000))).toBeNull();
});
