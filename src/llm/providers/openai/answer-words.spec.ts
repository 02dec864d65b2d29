/** A large answer in a kind's own words is read in turns, with other work between them; a small one at once. */
import { setImmediate as nextLoop } from 'node:timers/promises';
import { HeardSink } from '../../../../test/support/heard-sink.js';
import { WordsSink } from './answer-words.js';
import { turnsOf } from './large-answer.js';

const WORDS = { mark: /"own"/, read: ({ own }: Readonly<Record<string, unknown>>) => ({ said: own }) };

function heardOf(body: object): HeardSink {
  const heard = new HeardSink();
  new WordsSink(heard, WORDS, turnsOf({})).onJson({}, Buffer.from(JSON.stringify(body)));
  return heard;
}

it('reads a small answer at once', () => {
  expect(heardOf({ own: 'Hi' }).answers.map(String)).toEqual(['{"said":"Hi"}']);
});

it('lets other work run before it hands a large answer on', async () => {
  const own = 'word '.repeat(800_000);
  const heard = heardOf({ own });
  expect(heard.isOver).toBe(false);
  while (!heard.isOver) await nextLoop();
  expect(JSON.parse(String(heard.answers[0]))).toEqual({ said: own });
});

it.each([
  ['none of its words', { other: 'word '.repeat(800_000) }],
  ['too much', { own: [], x: Array(260_000).fill(1) }],
])('hands on an answer that holds %s as it came', async (_what, body) => {
  const heard = heardOf(body);
  while (!heard.isOver) await nextLoop();
  expect(JSON.parse(String(heard.answers[0]))).toEqual(body);
});
