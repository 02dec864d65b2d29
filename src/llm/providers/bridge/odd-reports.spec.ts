/** Odd reports of what was used: the caller gets what the model said, and is charged what was reported, or what it said. */
import { anthropicEvents, anthropicSays, sse, toolUse } from '../../../../test/support/anthropic-wire.js';
import { bedrockFrames, bedrockStream, changedFrame } from '../../../../test/support/bedrock-wire.js';
import { stageOf } from '../../../../test/support/kind-stage.js';
import { ANTHROPIC, BEDROCK, COHERE, GOOGLE } from '../../../../test/support/kinds.js';
import type { Answerer, WireAnswer } from '../../../../test/support/wire-upstream.js';
import type { Attempt } from '../provider.js';

const TEXT = 'Hello there, how are you today?';
const COUNT = /("\w+(?:_tokens|TokenCount|Tokens)"):(\d+)/g;
const REPORT = /,?"(?:usage|usageMetadata)":\{(?:[^{}]|\{[^{}]*\})*\}/g;

/** The same answer, its text changed. */
function changed(answerer: Answerer, change: (text: string) => string): Answerer {
  return (request) => {
    const { headers = {}, chunks, ...rest } = answerer(request);
    const { 'content-length': _length, ...others } = headers;
    const isFramed = others['content-type'] === 'application/vnd.amazon.eventstream';
    const changedChunk = (chunk: Buffer | string): Buffer | string =>
      isFramed ? changedFrame(Buffer.from(chunk), change) : change(String(chunk));
    const answer: WireAnswer = { ...rest, headers: others, chunks: chunks.map(changedChunk) };
    return answer;
  };
}

const counts = (form: (digits: string) => string) => (text: string) =>
  text.replaceAll(COUNT, (_all, name: string, digits: string) => `${name}:${form(digits)}`);

/** Another value in place of the report. */
const report = (value: string) => (text: string) =>
  text.replaceAll(REPORT, (all) => all.replace(/\{.*\}/, () => value));

/** An estimate of the prompt and of the text. */
function expectEstimate(attempt: Attempt): void {
  const { inputTokens, outputTokens, estimated } = attempt.usage();
  expect(estimated).toBe(true);
  expect(inputTokens).toBeGreaterThan(0);
  expect(outputTokens).toBeGreaterThan(5);
}

const FORMS = [
  { kind: ANTHROPIC, stream: false },
  { kind: ANTHROPIC, stream: true },
  { kind: GOOGLE, stream: false },
  { kind: GOOGLE, stream: true },
  { kind: COHERE, stream: false },
  { kind: COHERE, stream: true },
  { kind: BEDROCK, stream: false },
  { kind: BEDROCK, stream: true },
];

describe.each(FORMS)('$kind.kind (stream: $stream)', ({ kind, stream }) => {
  const at = stageOf(kind);

  /** @returns what the provider used; the caller gets the text in any case */
  async function used(change: (text: string) => string): Promise<Attempt> {
    at.upstream.next(changed(kind.says({ text: TEXT }), change));
    const { sink, attempt } = await at.ask({ stream });
    expect(sink.told).toEqual({});
    expect(stream ? sink.message.content : sink.choice.message.content).toBe(TEXT);
    return attempt;
  }

  it.each(['\n', '\r\n', '\r'])(
    'counts in strings are charged as numbers, where lines end with %j',
    async (lineEnd) => {
      const usual = (await used((text) => text)).usage();
      expect(usual).toMatchObject({ outputTokens: 33, estimated: false });
      const inStrings = counts((digits) => `"${digits}"`);
      const attempt = await used((text) => inStrings(text).replaceAll(/\r?\n/g, lineEnd));
      expect(attempt.usage()).toEqual(usual);
    },
  );

  it('a report is believed whatever else stands in it', async () => {
    const usual = (await used((text) => text)).usage();
    const noted = '{"serviceTier":5,"service_tier":[],"promptTokensDetails":"x","iterations":7,"cacheDetails":0,';
    const attempt = await used((text) => text.replaceAll(REPORT, (all) => all.replace('{', noted)));
    expect(attempt.usage()).toEqual(usual);
  });

  it.each([
    ['parts of one', counts((digits) => `${digits}.5`)],
    ['negative', counts(() => '-3')],
    ['more than there can be', counts(() => '1e30')],
    ['null', counts(() => 'null')],
    ['words', counts(() => '"many"')],
    ['objects', counts(() => '{}')],
    ['objects that hold one', counts((digits) => `{"n":${digits}}`)],
    ['lists', counts((digits) => `[${digits}]`)],
    ['lists of objects', counts(() => '[{}]')],
    ['beyond any number', counts(() => '1e400')],
    ['below any number', counts(() => '-1e400')],
    ['in no report', (text: string) => text.replaceAll(COUNT, '"other":1')],
    ['in a report of null', report('null')],
    ['in a report of words', report('"many"')],
    ['in a report that is a list', report('[7]')],
    ['in a report that is empty', report('{}')],
    ['true', counts(() => 'true')],
    ['missing', (text: string) => text.replaceAll(REPORT, '')],
  ])('counts that are %s are not believed, and what was said is charged', async (_what, change) =>
    expectEstimate(await used(change)),
  );
});

describe('Anthropic', () => {
  const at = stageOf(ANTHROPIC);

  it.each([true, false])('arguments of a tool stay as they are beside such counts (stream: %s)', async (stream) => {
    const input = { usage: { input_tokens: '12' } };
    const said = {
      content: [toolUse('toolu_1', input)],
      stopReason: 'tool_use',
      usage: { input_tokens: '25', output_tokens: '33' },
    };
    at.upstream.next(anthropicSays(said));
    const { sink, attempt } = await at.ask({ stream });
    const [call] = (stream ? sink.message : sink.choice.message).tool_calls ?? [];
    const told = stream
      ? (call as { arguments: string }).arguments
      : (call as { function: { arguments: string } }).function.arguments;
    expect(JSON.parse(told)).toEqual(input);
    expect(attempt.usage()).toMatchObject({ inputTokens: 25, outputTokens: 33, estimated: false });
  });

  it.each([true, false])('what each step used is added up, also from strings (stream: %s)', async (stream) => {
    const iterations = ['compaction', 'message'].map((type) => ({ type, input_tokens: '10', output_tokens: '20' }));
    const usage = { input_tokens: 10, output_tokens: 20, iterations };
    at.upstream.next(
      changed(anthropicSays({ usage }), (text) =>
        text.replaceAll('"usage":{"output_tokens":20}', `"usage":${JSON.stringify(usage)}`),
      ),
    );
    const { sink, attempt } = await at.ask({ stream });
    expect(sink.told).toEqual({});
    expect(attempt.usage()).toMatchObject({ inputTokens: 20, outputTokens: 40, estimated: false });
  });

  it('a stream that is cut anywhere is charged the same', async () => {
    const bytes = Buffer.from(counts((digits) => `"${digits}"`)(anthropicEvents({}, {}).join('')));
    at.upstream.next({ ...sse([]), chunks: Array.from(bytes, (_byte, index) => bytes.subarray(index, index + 1)) });
    const { sink, attempt } = await at.ask({ stream: true });
    expect(sink.message.content).toBe('Hello there');
    expect(attempt.usage()).toMatchObject({ inputTokens: 132, outputTokens: 33, estimated: false });
  });
});

describe('Gemini', () => {
  const at = stageOf(GOOGLE);

  it.each([true, false])(
    'a report without its input is believed, and the prompt is counted (stream: %s)',
    async (stream) => {
      at.upstream.next(
        changed(GOOGLE.says({ text: TEXT }), (text) =>
          text.replaceAll(/"(?:prompt|cachedContent)TokenCount":\d+,?/g, ''),
        ),
      );
      const { attempt } = await at.ask({ stream });
      const { inputTokens, outputTokens, estimated } = attempt.usage();
      expect(inputTokens).toBeGreaterThan(0);
      expect([outputTokens, estimated]).toEqual([33, true]);
    },
  );
});

describe('Bedrock', () => {
  const at = stageOf(BEDROCK);

  const odd = bedrockFrames({ content: [{ text: TEXT }] }).map((one) =>
    changedFrame(
      one,
      counts((digits) => `"${digits}"`),
    ),
  );

  it('a stream that is cut anywhere is charged the same', async () => {
    const bytes = Buffer.concat(odd);
    at.upstream.next(bedrockStream(Array.from(bytes, (_byte, index) => bytes.subarray(index, index + 1))));
    const { sink, attempt } = await at.ask({ stream: true });
    expect([sink.message.content, sink.told]).toEqual([TEXT, {}]);
    expect(attempt.usage()).toMatchObject({ inputTokens: 132, outputTokens: 33, estimated: false });
  });

  it.each([
    [
      'a wrong checksum',
      (last: Buffer) => Buffer.concat([last.subarray(0, -1), Buffer.from([(last.at(-1) ?? 0) ^ 1])]),
    ],
    ['no length', () => Buffer.alloc(40)],
    ['no end', (last: Buffer) => last.subarray(0, -10)],
  ])('a report in a frame with %s ends the stream with an error', async (_what, damaged) => {
    at.upstream.next(bedrockStream([...odd.slice(0, -1), damaged(odd.at(-1) as Buffer)]));
    const { sink, attempt } = await at.ask({ stream: true });
    expect(sink.message.content).toBe(TEXT);
    expect(sink.told).not.toEqual({});
    expectEstimate(attempt);
  });

  it.each([true, false])('a report beside odd notes is believed (stream: %s)', async (stream) => {
    const noted = (text: string): string =>
      text.replace('"metrics"', '"performanceConfig":{},"serviceTier":"x","metrics"');
    at.upstream.next(changed(BEDROCK.says({ text: TEXT }), noted));
    const { sink, attempt } = await at.ask({ stream });
    expect(sink.told).toEqual({});
    expect(attempt.usage()).toMatchObject({ inputTokens: 132, outputTokens: 33, estimated: false });
  });
});
