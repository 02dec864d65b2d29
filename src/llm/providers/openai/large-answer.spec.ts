/** A large answer is read in steps, with other work between them; a small one at once. */
import { setImmediate as nextLoop } from 'node:timers/promises';
import type { AnswerSink } from '../provider.js';
import { parseChatRequest } from '../requests/chat-request.js';
import { Tokenizer } from '../../tokens/tokenizer.js';
import { CHAT_READER } from './chat-reader.js';
import { OpenaiAttempt } from './openai-attempt.js';

const MIB = 1024 * 1024;
const USAGE = '"usage":{"prompt_tokens":9,"completion_tokens":7,"total_tokens":16}';

function answerOf(length: number, report = `,${USAGE}`): Buffer {
  const choices = `[{"index":0,"message":{"role":"assistant","content":"${'word '.repeat(length / 5)}"},"finish_reason":"stop"}]`;
  return Buffer.from(`{"id":"x","model":"m","choices":${choices}${report}}`);
}

/** What a call hears of a whole answer that has just come to its end. */
function ended(body: Buffer): {
  readonly attempt: OpenaiAttempt<ReturnType<typeof parseChatRequest>>;
  heard: Buffer[];
} {
  const heard: Buffer[] = [];
  const sink = {
    onJson: (_headers, answer) => heard.push(answer),
    onFailure: () => undefined,
  } as Partial<AnswerSink> as AnswerSink;
  const request = parseChatRequest(Buffer.from('{"model":"m","messages":[{"role":"user","content":"Hello."}]}'));
  const attempt = new OpenaiAttempt(request, sink, CHAT_READER, new Tokenizer(), undefined, {});
  attempt.onHeaders(200, { 'content-type': 'application/json' });
  for (let at = 0; at < body.length; at += 65_536) attempt.onData(body.subarray(at, at + 65_536));
  attempt.onEnd();
  return { attempt, heard };
}

it('hands a small answer on at once', () => {
  const { heard } = ended(answerOf(1_000));
  expect(heard).toHaveLength(1);
});

it.each([2 * MIB, 9 * MIB])('lets other work run before it hands a large answer on: %i bytes', async (length) => {
  const body = answerOf(length);
  const { attempt, heard } = ended(body);
  expect(heard).toHaveLength(0);
  while (heard.length === 0) await nextLoop();
  expect(heard[0]?.equals(body)).toBe(true);
  expect(attempt.usage()).toMatchObject({ inputTokens: 9, outputTokens: 7, estimated: false });
});

it('lets other work run before it hands on an answer that was put together from a large stream', async () => {
  const event = `data: {"model":"m","choices":[{"index":0,"delta":{"content":"${'word '.repeat(1_000)}"},"finish_reason":"stop"}]}\n\n`;
  const { heard } = ended(Buffer.from(`${event.repeat(100)}data: [DONE]\n\n`));
  expect(heard).toHaveLength(0);
  while (heard.length === 0) await nextLoop();
  expect(heard[0]?.toString()).toContain('word '.repeat(100_000));
});

it('hands nothing on after the call is over', async () => {
  const { attempt, heard } = ended(answerOf(2 * MIB));
  attempt.abort();
  for (let turn = 0; turn < 100; turn += 1) await nextLoop();
  expect(heard).toHaveLength(0);
});

it('estimates a large stream for one answer by a part of it', () => {
  const event = `data: {"model":"m","choices":[{"index":0,"delta":{"content":"${'word '.repeat(1_000)}"}}]}\n\n`;
  const { attempt } = ended(Buffer.from(event.repeat(800)));
  expect(attempt.usage().outputTokens / (1_000 * 800)).toBeCloseTo(1.25, 1);
});

it('estimates a large answer that was not looked through by a part of it', () => {
  const { attempt } = ended(answerOf(2 * MIB, ''));
  const { outputTokens, estimated } = attempt.usage();
  expect(estimated).toBe(true);
  expect(outputTokens / ((2 * MIB) / 4)).toBeCloseTo(1, 1);
});
