/** A large chat answer becomes a response in steps, with other work between them; a small one at once. */
import { setImmediate as nextLoop } from 'node:timers/promises';
import { HeardSink } from '../../../../test/support/heard-sink.js';
import { jsonObjectOf } from '../../../platform/json/index.js';
import { NOTHING_USED, type Attempt, type ProviderFailure } from '../provider.js';
import { brokeOff, turnsOf } from '../openai/large-answer.js';
import { readResponsesRequest } from '../requests/responses-request.js';
import { TranslatedResponse } from './responses-by-chat.js';

const MIB = 1024 * 1024;

interface Begun {
  readonly translated: TranslatedResponse;
  readonly sink: HeardSink;
  /** What the chat was asked to do. */
  readonly asked: string[];
}

/** A call that has just been sent. */
function begun(fields: object = {}): Begun {
  const sink = new HeardSink();
  const asked: string[] = [];
  const request = readResponsesRequest(jsonObjectOf({ model: 'm', input: 'Hello.', ...fields }));
  const translated = new TranslatedResponse(request, sink, turnsOf({}));
  const chat: Attempt = {
    status: 200,
    answeredBy: 'm',
    complete: true,
    usage: () => NOTHING_USED,
    abort: () => asked.push('abort'),
    pause: () => asked.push('pause'),
    resume: () => asked.push('resume'),
  };
  translated.chat = chat;
  return { translated, sink, asked };
}

function answerOf(content: string): Buffer {
  const message = { role: 'assistant', content };
  return Buffer.from(JSON.stringify({ model: 'm', choices: [{ index: 0, message, finish_reason: 'stop' }] }));
}

const textIn = (response: Buffer | undefined): unknown =>
  (JSON.parse(response?.toString() ?? '') as { output: { content: { text: string }[] }[] }).output[0]?.content[0]?.text;

it('hands a small response on at once', () => {
  const { translated, sink } = begun();
  translated.onJson({}, answerOf('Hello.'));
  expect(textIn(sink.answers[0])).toBe('Hello.');
});

it('keeps the sources that a text names, whole and piece by piece', async () => {
  const url_citation = { start_index: 0, end_index: 3, url: 'https://example.com', title: 'Example' };
  const annotations = [{ type: 'url_citation', url_citation }, { type: 'other' }, null];
  const told = { type: 'url_citation', ...url_citation };
  const choice = { index: 0, finish_reason: 'stop' };
  const message = { role: 'assistant', content: 'See.', annotations };
  const whole = begun();
  whole.translated.onJson({}, Buffer.from(JSON.stringify({ choices: [{ ...choice, message }] })));
  expect(JSON.parse(whole.sink.answers[0]?.toString() ?? '')).toMatchObject({
    output: [{ content: [{ text: 'See.', annotations: [told] }] }],
  });
  const pieces = begun({ stream: true });
  for (const delta of [{ content: 'See.' }, { annotations }])
    pieces.translated.onStreamData({}, Buffer.from(`data: ${JSON.stringify({ choices: [{ ...choice, delta }] })}\n\n`));
  pieces.translated.onStreamEnd();
  while (!pieces.sink.isOver) await nextLoop();
  const events = pieces.sink.events
    .split('\n\n')
    .flatMap((event) => /^data: (\{.*)/m.exec(event)?.[1] ?? [])
    .map((data) => JSON.parse(data) as { type: string } & Record<string, unknown>);
  const named = (type: string): object | undefined => events.find((event) => event.type === type);
  expect(named('response.output_text.annotation.added')).toMatchObject({ annotation_index: 0, annotation: told });
  expect(named('response.completed')).toMatchObject({ response: { output: [{ content: [{ annotations: [told] }] }] } });
});

it('lets other work run before it hands a large response on', async () => {
  const { translated, sink } = begun();
  const text = 'word é "'.repeat(MIB / 4);
  translated.onJson({}, answerOf(text));
  expect(sink.isOver).toBe(false);
  while (!sink.isOver) await nextLoop();
  expect(textIn(sink.answers[0])).toBe(text);
});

it('fails a large answer that is not an object', async () => {
  const { translated, sink } = begun();
  translated.onJson({}, Buffer.from(`{"x":"${'word '.repeat(MIB / 5)}`));
  while (!sink.isOver) await nextLoop();
  expect(sink.failures.map(messageOf)).toEqual(['The model provider did not answer with a JSON object.']);
  expect(sink.answers).toHaveLength(0);
});

it('hands nothing on after the call is over', async () => {
  const { translated, sink } = begun();
  translated.onJson({}, answerOf('word '.repeat(MIB)));
  translated.abort();
  for (let turn = 0; turn < 200; turn += 1) await nextLoop();
  expect(sink.isOver).toBe(false);
});

describe('a stream', () => {
  const eventOf = (content: string): Buffer =>
    Buffer.from(`data: ${JSON.stringify({ model: 'm', choices: [{ index: 0, delta: { content } }] })}\n\n`);
  const MARK = Buffer.from('data: [DONE]\n\n');
  const WORDS = 'word é "'.repeat(MIB / 8);

  /** The texts of a stream whose events are whole and numbered without a gap. */
  function saidIn({ events }: HeardSink): {
    readonly types: string[];
    readonly deltas: string;
    readonly last: unknown;
  } {
    const said = events
      .split('\n\n')
      .filter((event) => event !== '')
      .map((event) => {
        const [, name, data] = /^event: (.*)\ndata: (.*)$/.exec(event) ?? [];
        const parsed = JSON.parse(data ?? '') as { type: string; sequence_number: number; delta?: string };
        expect(parsed.type).toBe(name);
        return parsed;
      });
    expect(said.map(({ sequence_number: number }) => number)).toEqual([...said.keys()]);
    return {
      types: said.map(({ type }) => type),
      deltas: said.map(({ delta = '' }) => delta).join(''),
      last: said.at(-1),
    };
  }

  it('hands small events on at once', () => {
    const { translated, sink, asked } = begun({ stream: true });
    translated.onStreamData({}, eventOf('Hello.'));
    expect(saidIn(sink).deltas).toBe('Hello.');
    translated.onStreamData({}, MARK);
    translated.onStreamEnd();
    expect(saidIn(sink).types.at(-1)).toBe('response.completed');
    expect([sink.hasEnded, asked]).toEqual([true, []]);
  });

  it('lets other work run before it tells a long text once more at the end', async () => {
    const { translated, sink } = begun({ stream: true });
    for (let at = 0; at < WORDS.length; at += 32_768)
      translated.onStreamData({}, eventOf(WORDS.slice(at, at + 32_768)));
    const heard = sink.pieces.length;
    expect(saidIn(sink).deltas).toBe(WORDS);
    translated.onStreamData({}, MARK);
    translated.onStreamEnd();
    expect([sink.pieces.length, sink.hasEnded, translated.complete]).toEqual([heard, false, false]);
    while (!sink.isOver) await nextLoop();
    const { types, deltas, last } = saidIn(sink);
    expect(types.slice(-4)).toEqual([
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.completed',
    ]);
    expect(deltas).toBe(WORDS);
    expect(textIn(Buffer.from(JSON.stringify((last as { response: object }).response)))).toBe(WORDS);
    expect(translated.complete).toBe(true);
  });

  it('lets other work run before it reads a large event, takes in no more meanwhile, and keeps the order', async () => {
    const { translated, sink, asked } = begun({ stream: true });
    for (const text of ['One. ', WORDS, ' Two.']) translated.onStreamData({}, eventOf(text));
    translated.onStreamData({}, MARK);
    translated.onStreamEnd();
    expect(saidIn(sink).deltas).toBe('One. ');
    expect(asked).toEqual(['pause']);
    while (!sink.isOver) await nextLoop();
    expect(saidIn(sink).deltas).toBe(`One. ${WORDS} Two.`);
    expect(asked).toEqual(['pause', 'resume']);
  });

  it('lets other work run before it reads an event that is large by what is not told', async () => {
    const { translated, sink } = begun({ stream: true });
    const choices = [{ index: 0, delta: { content: 'Hi.' } }];
    translated.onStreamData({}, Buffer.from(`data: ${JSON.stringify({ x: WORDS, choices })}\n\n`));
    expect(sink.pieces).toHaveLength(0);
    while (sink.pieces.length === 0) await nextLoop();
    expect(saidIn(sink).deltas).toBe('Hi.');
  });

  it('writes no more of a large event while its caller takes none', async () => {
    const { translated, sink, asked } = begun({ stream: true });
    translated.pause();
    translated.onStreamData({}, eventOf(WORDS));
    translated.onStreamData({}, MARK);
    translated.onStreamEnd();
    for (let turn = 0; turn < 50; turn += 1) await nextLoop();
    expect(sink.pieces).toHaveLength(0);
    translated.resume();
    expect(asked).not.toContain('resume');
    while (!sink.isOver) await nextLoop();
    expect(saidIn(sink).deltas).toBe(WORDS);
    expect(asked.at(-1)).toBe('resume');
  });

  it('tells of a failure behind the large event that came before it', async () => {
    const { translated, sink } = begun({ stream: true });
    translated.onStreamData({}, eventOf(WORDS));
    translated.onFailure(brokeOff());
    expect(sink.isOver).toBe(false);
    while (!sink.isOver) await nextLoop();
    const { types, deltas } = saidIn(sink);
    expect([deltas, types.at(-1)]).toEqual([WORDS, 'response.failed']);
    expect(sink.failures).toMatchObject([{ outcome: 'UPSTREAM_BROKEN', told: true }]);
  });

  it('hands nothing on after the call is over', async () => {
    const { translated, sink, asked } = begun({ stream: true });
    translated.onStreamData({}, eventOf(WORDS));
    translated.onStreamEnd();
    translated.abort();
    for (let turn = 0; turn < 200; turn += 1) await nextLoop();
    expect([sink.pieces.length, sink.isOver, asked]).toEqual([0, false, ['pause', 'abort']]);
  });
});

function messageOf({ error }: ProviderFailure): string {
  return (error as Error).message;
}
