/** How a large answer takes turns with other work, over a real connection. */
import { OpenaiUpstream } from '../../../test/support/openai-upstream.js';
import { RecordedAnswer } from '../../../test/support/recorded-answer.js';
import { OutboundHttp } from './outbound.js';

const PIECE = 'x'.repeat(64 * 1024);
const PIECES = 200;
/** What is read in one turn, and the piece that fills it. */
const MOST_OF_TURN = 256 * 1024 + PIECE.length;

/** Calls `onPiece` for each piece of an answer. */
class Pieces extends RecordedAnswer {
  onPiece: (() => void) | null = null;

  override onData(chunk: Buffer): void {
    super.onData(chunk);
    this.onPiece?.();
  }
}

let upstream: OpenaiUpstream;
let http: OutboundHttp;

beforeEach(async () => {
  upstream = await OpenaiUpstream.start();
  http = new OutboundHttp({ connectTimeoutMs: 5000 });
});

afterEach(async () => {
  await http.onApplicationShutdown();
  await upstream.close();
});

function send(): Pieces {
  upstream.next({ kind: 'stream', pieces: Array.from({ length: PIECES }, () => PIECE), done: false });
  const answer = new Pieces();
  answer.call = http.dispatch(
    {
      policy: 'operator',
      origin: new URL(upstream.baseUrl).origin,
      path: '/v1/chat/completions',
      method: 'POST',
      headers: ['content-type', 'application/json'],
      body: '{"model":"gpt-4o-mini","messages":[{}]}',
      firstByteTimeoutMs: 5000,
      idleTimeoutMs: 5000,
      totalTimeoutMs: 60_000,
    },
    answer,
  );
  return answer;
}

/** Resolves when the next piece has come, with a pause behind it. */
function pausedAtNextPiece(answer: Pieces): Promise<void> {
  return new Promise((resolve) => {
    answer.onPiece = () => {
      answer.call?.pause();
      answer.onPiece = null;
      resolve();
    };
    answer.call?.resume();
  });
}

it('reads no more than a part of a large answer in one turn of the event loop', async () => {
  const answer = send();
  await pausedAtNextPiece(answer);
  // Meanwhile the connection's buffers are filled.
  await new Promise((resolve) => setTimeout(resolve, 200));
  let most = 0;
  let before: number | null = null;
  answer.onPiece = () => {
    if (before !== null) return;
    const from = (before = answer.bytes);
    setImmediate(() => {
      most = Math.max(most, answer.bytes - from);
      before = null;
    });
  };
  answer.call?.resume();
  await answer.over;
  expect(answer.bytes).toBe(PIECES * PIECE.length);
  expect(most).toBeLessThanOrEqual(MOST_OF_TURN);
});

it('stays paused, whenever it is the turn of an answer that a caller does not take', async () => {
  const answer = send();
  for (let pauses = 0; pauses < 12; pauses += 1) {
    await pausedAtNextPiece(answer);
    const read = answer.bytes;
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(answer.bytes).toBe(read);
  }
  answer.call?.resume();
  await answer.over;
  expect(answer.bytes).toBe(PIECES * PIECE.length);
});
