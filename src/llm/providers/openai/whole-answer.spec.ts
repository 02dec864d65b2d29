import fc from 'fast-check';
import { allAtOnce } from '../../../platform/json/index.js';
import { CHAT_READER } from './chat-reader.js';
import { WholeAnswer } from './whole-answer.js';

const chunk = (delta: object, finish: string | null = null): string =>
  JSON.stringify({ id: 'c', model: 'm', choices: [{ index: 0, delta, finish_reason: finish }] });
const EVENTS = [
  ': a comment',
  `data: ${chunk({ role: 'assistant', content: 'Grüße ' })}`,
  `data: ${chunk({ content: '😀' })}`,
  `data: ${JSON.stringify({ id: 'c', choices: [], usage: { prompt_tokens: 7, completion_tokens: 2 } })}`,
  `data: ${chunk({}, 'stop')}`,
  `data: ${JSON.stringify({ id: 'c', choices: [], usage: { prompt_tokens: 7, completion_tokens: 5 } })}`,
  'data: [DONE]',
];

/** @returns whether it is a stream that came to its mark */
function isMarkedAtEnd(whole: WholeAnswer): boolean {
  allAtOnce(whole.endSteps());
  return whole.stream?.isMarked === true;
}

/** The answer to bytes that are cut into pieces. */
function wholeOf(bytes: Buffer, cuts: readonly number[]): WholeAnswer {
  let pushed = 0;
  const kept = (): Buffer => bytes.subarray(0, pushed);
  const whole = new WholeAnswer(CHAT_READER, { all: kept });
  const places = [0, ...cuts.map((cut) => cut % bytes.length).toSorted((one, other) => one - other), bytes.length];
  for (const [index, place] of places.entries()) {
    whole.push(bytes.subarray(place, places[index + 1]));
    pushed = places[index + 1] ?? bytes.length;
  }
  return whole;
}

const CUTS = fc.array(fc.nat(2000), { maxLength: 400 });
const SAID = { role: 'assistant', content: 'Grüße 😀' };

it.each([
  ['lines that end with LF', '\n', ''],
  ['lines that end with CRLF', '\r\n', ''],
  ['lines that end with CR', '\r', ''],
  ['blank lines before it', '\n', '\n\n  \n'],
])('a stream for one answer says the same, wherever it was cut: %s', (_what, end, before) => {
  const bytes = Buffer.from(before + EVENTS.map((event) => event + end + end).join(''));
  fc.assert(
    fc.property(CUTS, (cuts) => {
      const whole = wholeOf(bytes, cuts);
      expect(isMarkedAtEnd(whole)).toBe(true);
      expect(whole.stream?.gathered).toMatchObject({
        isWhole: true,
        error: null,
        answer: { choices: [{ message: SAID, finish_reason: 'stop' }] },
      });
      expect(whole.stream?.reported).toMatchObject({ inputTokens: 7, outputTokens: 5 });
    }),
  );
});

it('a stream without the blank line after its last event is whole, and one without its last events is not', () => {
  const whole = wholeOf(Buffer.from(EVENTS.join('\n\n')), []);
  expect(isMarkedAtEnd(whole)).toBe(true);
  const broken = wholeOf(Buffer.from(EVENTS.slice(0, 3).join('\n\n')), []);
  expect(isMarkedAtEnd(broken)).toBe(false);
  expect(broken.stream?.gathered).toMatchObject({ isWhole: false, answer: { choices: [{ message: SAID }] } });
});

it('what an object reports that is too long to be parsed is read as it comes, wherever it was cut', () => {
  const report = '"usage":{"prompt_tokens":5,"completion_tokens":3,"total_tokens":8}';
  const object = (before: string, after: string): Buffer =>
    Buffer.from(`{"model":"m","x":"${before}",${report},"y":"${after}"}`);
  const bytes = object('x'.repeat(1_000_000), 'y'.repeat(300_000));
  const near = fc.array(fc.integer({ min: 999_990, max: 1_000_100 }), { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(near, (cuts) => {
      const whole = wholeOf(bytes, cuts);
      expect(isMarkedAtEnd(whole)).toBe(false);
      expect(whole.stream).toBeNull();
      expect(whole.longOf(bytes)).toMatchObject({ model: 'm', usage: { inputTokens: 5, outputTokens: 3 } });
    }),
    { numRuns: 30 },
  );
});
