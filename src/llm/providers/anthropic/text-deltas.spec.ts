import { anthropicEvents, type AnthropicSaid } from '../../../../test/support/anthropic-wire.js';
import { TextDeltas } from './text-deltas.js';

const SAID: AnthropicSaid = {
  content: [
    { type: 'thinking', thinking: 'Let me think.', signature: 'c2ln' },
    { type: 'text', text: 'Für 3 € gibt’s "Zeilen\n\nund" 😀 Emoji.' },
    { type: 'tool_use', id: 'toolu_1', name: 'look', input: { at: 'text_delta' } },
    { type: 'text', text: 'And more.' },
  ],
};
const STREAM = anthropicEvents(SAID, { model: 'claude' }).join('');

/** What is said, in order: texts that follow each other are one, and everything else stands as it came. */
function said(events: readonly (string | { readonly text: string })[]): string[] {
  const all: { text: boolean; said: string }[] = [];
  for (const event of events) {
    const text = typeof event === 'string' ? textIn(event) : event.text;
    const last = all.at(-1);
    if (text === null) all.push({ text: false, said: event as string });
    else if (last?.text === true) last.said += text;
    else all.push({ text: true, said: text });
  }
  return all.map((one) => one.said);
}

function textIn(event: string): string | null {
  const { delta } = JSON.parse(event.slice(event.indexOf('data: ') + 6)) as {
    delta?: { type?: string; text?: string };
  };
  return delta?.type === 'text_delta' ? (delta.text ?? null) : null;
}

const eventsOf = (text: string): string[] => text.split('\n\n').filter((event) => event !== '');
const withoutPings = (events: readonly string[]): string[] =>
  events.filter((event) => !event.startsWith('event: ping'));

/** @param late how many pieces later the package says that a text begins */
function read(pieces: readonly Buffer[], late: number): { heard: (string | { text: string })[]; left: string } {
  const heard: (string | { text: string })[] = [];
  const shortcut = new TextDeltas((text) => heard.push({ text }));
  const due: { in: number; events: string[] }[] = [];
  let rest = '';
  let left = '';
  const tell = (): void => {
    while (due[0] !== undefined && due[0].in <= 0) {
      for (const event of due.shift()!.events) {
        heard.push(event);
        const { index } = JSON.parse(event.slice(event.indexOf('data: ') + 6)) as { index?: number };
        if (event.includes('"content_block":{"type":"text"')) shortcut.begin(String(index));
      }
    }
  };
  const feed = (bytes: Buffer | null): void => {
    rest += bytes?.toString('latin1') ?? '';
    left += bytes?.toString('latin1') ?? '';
    const end = rest.lastIndexOf('\n\n');
    const events = end === -1 ? [] : eventsOf(Buffer.from(rest.slice(0, end), 'latin1').toString());
    if (end !== -1) rest = rest.slice(end + 2);
    for (const one of due) one.in -= 1;
    due.push({ in: late, events });
    tell();
  };
  for (const piece of pieces) feed(shortcut.take(piece));
  feed(shortcut.end());
  for (const one of due) one.in = 0;
  tell();
  return { heard, left };
}

const bytes = Buffer.from(STREAM);
const whole = said(withoutPings(eventsOf(STREAM)));

describe('the texts of a stream', () => {
  it.each([0, 1, 3, 1_000])(
    'are the same, and in their order, wherever it is cut and however late (%i) the package is',
    (late) => {
      for (let at = 0; at <= bytes.length; at += 1)
        expect(said(read([bytes.subarray(0, at), bytes.subarray(at)], late).heard)).toEqual(whole);
      const single = Array.from({ length: bytes.length }, (_, at) => bytes.subarray(at, at + 1));
      expect(said(read(single, late).heard)).toEqual(whole);
    },
  );

  it('do not go through the package once it has said that they begin', () => {
    const pieces = anthropicEvents(SAID, { model: 'claude' }).map((event) => Buffer.from(event));
    const { heard, left } = read(pieces, 0);
    expect(said(heard)).toEqual(whole);
    expect(left).not.toContain('"type":"text_delta"');
    expect(left).toContain('"type":"input_json_delta"');
    expect(left).toContain('"type":"thinking_delta"');
  });

  it.each([
    ['lines that end otherwise', STREAM.replaceAll('\n', '\r\n')],
    ['no names of events', STREAM.replaceAll(/^event: .*\n/gm, '')],
    ['data in two lines', STREAM.replaceAll('"index":', '\ndata: "index":')],
    ['what is no JSON', 'event: content_block_delta\ndata: {"type"\n\n'],
    ['an end in the middle of an event', STREAM.slice(0, STREAM.indexOf('Emoji') + 2)],
  ])('are left to the package in a stream with %s', (_title, stream) => {
    const shortcut = new TextDeltas(() => {
      throw new Error('It read what it does not know.');
    });
    const left = [shortcut.take(Buffer.from(stream)), shortcut.end()].map((part) => part?.toString() ?? '').join('');
    const texts = (text: string): string =>
      [...text.matchAll(/"text_delta","text":"((?:[^"\\]|\\.)*)/g)].map(([, one]) => one).join('');
    expect(texts(left)).toBe(texts(stream));
  });
});
