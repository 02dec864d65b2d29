/** The texts of an answer for runs and for /process: a large one is read in turns, with other work between them. */
import { setImmediate as nextLoop } from 'node:timers/promises';
import { AnswerTexts } from './answer-texts.js';

const WORDS = 'a long word '.repeat(50_000);

interface Taking {
  readonly texts: AnswerTexts;
  readonly heard: (string | null)[];
  readonly caughtUp: () => number;
}

function taking(): Taking {
  const heard: (string | null)[] = [];
  let caughtUp = 0;
  const texts = new AnswerTexts({
    onText: (text) => {
      heard.push(text);
      return null;
    },
    onCaughtUp: () => (caughtUp += 1),
  });
  return { texts, heard, caughtUp: () => caughtUp };
}

const eventOf = (content: string): Buffer =>
  Buffer.from(`data: ${JSON.stringify({ choices: [{ index: 0, delta: { content }, finish_reason: null }] })}\n\n`);
const answerOf = (content: string, beside = '1'): Buffer =>
  Buffer.from(
    `{"x":[${beside}],"choices":[{"message":{"content":${JSON.stringify(content)}},"finish_reason":"stop"}]}`,
  );

it('takes small events and answers at once', () => {
  const { texts, heard } = taking();
  expect(texts.takeEvents(Buffer.concat([eventOf('One. '), eventOf('Two.')]))).toBe(true);
  texts.takeBody(answerOf('Three.'));
  expect([heard, texts.isBehind, texts.reader.finishReason]).toEqual([['One. Two.', 'Three.'], false, 'stop']);
});

it('lets other work run before it takes a large event that arrived in pieces, and what follows waits for it', async () => {
  const { texts, heard, caughtUp } = taking();
  const bytes = Buffer.concat([eventOf('First. '), eventOf(WORDS), eventOf(' Last.')]);
  let isTaken = true;
  for (let at = 0; at < bytes.length; at += 65_536) isTaken = texts.takeEvents(bytes.subarray(at, at + 65_536));
  texts.afterwards(() => void heard.push('over'));
  expect([heard, isTaken, texts.isBehind]).toEqual([['First. '], false, true]);
  while (texts.isBehind) await nextLoop();
  expect(heard.at(-1)).toBe('over');
  expect(heard.slice(0, -1).join('')).toBe(`First. ${WORDS} Last.`);
  await nextLoop();
  expect(caughtUp()).toBe(1);
});

it('lets other work run before it takes a large answer', async () => {
  const { texts, heard } = taking();
  texts.takeBody(answerOf(WORDS));
  expect(heard).toHaveLength(0);
  while (texts.isBehind) await nextLoop();
  expect(heard).toEqual([WORDS]);
});

it('takes nothing of an answer that holds too much', async () => {
  const { texts, heard } = taking();
  texts.takeBody(answerOf('Hi', '1,2'));
  texts.takeBody(answerOf('Hi', `${'[],'.repeat(260_000)}1`));
  while (texts.isBehind) await nextLoop();
  expect(heard).toEqual(['Hi', null]);
});
