/** A large answer is read in steps, with other work between them; a small one at once. */
import { setImmediate as nextLoop } from 'node:timers/promises';
import { HeardSink } from '../../../../test/support/heard-sink.js';
import { OutboundError } from '../../../platform/outbound/index.js';
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

interface Said {
  readonly attempt: OpenaiAttempt<ReturnType<typeof parseChatRequest>>;
  readonly sink: HeardSink;
}

/** What a call hears of an answer that has just begun. */
function begun(fields = ''): Said {
  const sink = new HeardSink();
  const request = parseChatRequest(
    Buffer.from(`{"model":"m","messages":[{"role":"user","content":"Hello."}]${fields}}`),
  );
  const attempt = new OpenaiAttempt(request, sink, CHAT_READER, new Tokenizer(), undefined, {});
  attempt.onHeaders(200, { 'content-type': 'application/json' });
  return { attempt, sink };
}

/** What a call hears of a whole answer that has just come to its end. */
function ended(body: Buffer, broken?: OutboundError, fields?: string): Said {
  const said = begun(fields);
  for (let at = 0; at < body.length; at += 65_536) said.attempt.onData(body.subarray(at, at + 65_536));
  if (broken === undefined) said.attempt.onEnd();
  else said.attempt.onError(broken);
  return said;
}

it('hands a small answer on at once', () => {
  const { sink } = ended(answerOf(1_000));
  expect(sink.answers).toHaveLength(1);
});

it.each([2 * MIB, 9 * MIB])('lets other work run before it hands a large answer on: %i bytes', async (length) => {
  const body = answerOf(length);
  const { attempt, sink } = ended(body);
  expect(sink.isOver).toBe(false);
  while (!sink.isOver) await nextLoop();
  expect(sink.answers[0]?.equals(body)).toBe(true);
  expect(attempt.usage()).toMatchObject({ inputTokens: 9, outputTokens: 7, estimated: false });
});

it('lets other work run before it hands on an answer that was put together from a large stream', async () => {
  const event = `data: {"model":"m","choices":[{"index":0,"delta":{"content":"${'word '.repeat(1_000)}"},"finish_reason":"stop"}]}\n\n`;
  const { sink } = ended(Buffer.from(`${event.repeat(100)}data: [DONE]\n\n`));
  expect(sink.isOver).toBe(false);
  while (!sink.isOver) await nextLoop();
  expect(sink.answers[0]?.toString()).toContain('word '.repeat(100_000));
});

const LARGE_EVENT = `data: {"model":"m","choices":[{"index":0,"delta":{"content":"${'word '.repeat(MIB / 5)}"},"finish_reason":null}]}\n\n`;
const LAST_EVENT = `data: {"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],${USAGE}}\n\n`;
const BROKEN = new OutboundError('broken', 'The connection was cut.');

it.each([
  ['its end', undefined],
  ['its mark, after which the connection broke', BROKEN],
])(
  'lets other work run before it reads large events, and puts all of them together: up to %s',
  async (_what, broken) => {
    const { attempt, sink } = ended(Buffer.from(`${LARGE_EVENT.repeat(3)}${LAST_EVENT}data: [DONE]\n\n`), broken);
    expect(attempt.usage().estimated).toBe(true);
    while (!sink.isOver) await nextLoop();
    const { choices } = JSON.parse(sink.answers[0]?.toString() ?? '') as {
      choices: { message: { content: string } }[];
    };
    expect(choices[0]?.message.content).toBe('word '.repeat(MIB / 5).repeat(3));
    expect(attempt.usage()).toMatchObject({ inputTokens: 9, outputTokens: 7, estimated: false });
  },
);

const TEXT = 'word '.repeat((2 * MIB) / 5);

/** The texts of a stream that came to its mark. */
function saidIn({ events }: HeardSink): string {
  const [mark, ...chunks] = events.trimEnd().split('\n\n').toReversed();
  expect(mark).toBe('data: [DONE]');
  return chunks
    .toReversed()
    .map((chunk) => JSON.parse(chunk.slice(6)) as { choices: [{ delta: { content?: string } }] })
    .map(({ choices }) => choices[0].delta.content ?? '')
    .join('');
}

it('makes a small answer a stream at once', () => {
  const { sink } = ended(answerOf(1_000), undefined, ',"stream":true');
  expect([saidIn(sink), sink.pieces.length, sink.hasEnded]).toEqual(['word '.repeat(200), 1, true]);
});

it('lets other work run before it makes a large answer a stream, which it sends in pieces', async () => {
  const { sink } = ended(answerOf(2 * MIB), undefined, ',"stream":true');
  expect(sink.pieces).toHaveLength(0);
  while (!sink.isOver) await nextLoop();
  expect(saidIn(sink)).toBe(TEXT);
  expect(Math.max(...sink.pieces.map(({ length }) => length))).toBeLessThan(MIB);
});

it('fails a stream for one answer that broke off behind a large event', async () => {
  const { sink } = ended(Buffer.from(LARGE_EVENT.repeat(2)), BROKEN);
  while (!sink.isOver) await nextLoop();
  expect(sink.failures.map(({ outcome }) => outcome)).toEqual(['UPSTREAM_BROKEN']);
  expect(sink.answers).toHaveLength(0);
});

it('takes in no more while it reads a large event', async () => {
  const { attempt } = begun();
  const asked: string[] = [];
  attempt.outbound = {
    abort: () => undefined,
    pause: () => asked.push('pause'),
    resume: () => asked.push('resume'),
  };
  attempt.onData(Buffer.from(LARGE_EVENT));
  attempt.onData(Buffer.from(LARGE_EVENT));
  expect(asked).toEqual(['pause']);
  while (asked.length === 1) await nextLoop();
  attempt.onData(Buffer.from(LARGE_EVENT));
  expect(asked).toEqual(['pause', 'resume', 'pause']);
});

it('hands nothing on after the call is over', async () => {
  const { attempt, sink } = ended(answerOf(2 * MIB));
  attempt.abort();
  for (let turn = 0; turn < 100; turn += 1) await nextLoop();
  expect(sink.isOver).toBe(false);
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
