/** A large chat answer becomes a response in steps, with other work between them; a small one at once. */
import { setImmediate as nextLoop } from 'node:timers/promises';
import { jsonObjectOf } from '../../../platform/json/index.js';
import type { AnswerSink } from '../provider.js';
import { readResponsesRequest } from '../requests/responses-request.js';
import { turnsOf } from '../openai/large-answer.js';
import { TranslatedResponse } from './responses-by-chat.js';

const MIB = 1024 * 1024;

interface Said {
  readonly translated: TranslatedResponse;
  readonly heard: Buffer[];
  readonly failures: string[];
}

/** A call that has just been sent. */
function begun(): Said {
  const heard: Buffer[] = [];
  const failures: string[] = [];
  const sink = {
    onJson: (_headers, answer) => heard.push(answer),
    onFailure: ({ error }) => failures.push((error as Error).message),
  } as Partial<AnswerSink> as AnswerSink;
  const request = readResponsesRequest(jsonObjectOf({ model: 'm', input: 'Hello.' }));
  return { translated: new TranslatedResponse(request, sink, turnsOf({})), heard, failures };
}

function answerOf(content: string): Buffer {
  const message = { role: 'assistant', content };
  return Buffer.from(JSON.stringify({ model: 'm', choices: [{ index: 0, message, finish_reason: 'stop' }] }));
}

const textIn = (response: Buffer | undefined): unknown =>
  (JSON.parse(response?.toString() ?? '') as { output: { content: { text: string }[] }[] }).output[0]?.content[0]?.text;

it('hands a small response on at once', () => {
  const { translated, heard } = begun();
  translated.onJson({}, answerOf('Hello.'));
  expect(textIn(heard[0])).toBe('Hello.');
});

it('lets other work run before it hands a large response on', async () => {
  const { translated, heard } = begun();
  const text = 'word é "'.repeat(MIB / 4);
  translated.onJson({}, answerOf(text));
  expect(heard).toHaveLength(0);
  while (heard.length === 0) await nextLoop();
  expect(textIn(heard[0])).toBe(text);
});

it('fails a large answer that is not an object', async () => {
  const { translated, heard, failures } = begun();
  translated.onJson({}, Buffer.from(`{"x":"${'word '.repeat(MIB / 5)}`));
  while (failures.length === 0) await nextLoop();
  expect(failures).toEqual(['The model provider did not answer with a JSON object.']);
  expect(heard).toHaveLength(0);
});

it('hands nothing on after the call is over', async () => {
  const { translated, heard, failures } = begun();
  translated.onJson({}, answerOf('word '.repeat(MIB)));
  translated.abort();
  for (let turn = 0; turn < 200; turn += 1) await nextLoop();
  expect([...heard, ...failures]).toHaveLength(0);
});
