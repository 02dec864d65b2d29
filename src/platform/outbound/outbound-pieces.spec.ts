/** An answer whose server sends it byte by byte, over a real connection. */
import type { ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import { LoopbackListener } from '../../../test/support/loopback-listener.js';
import { RecordedAnswer } from '../../../test/support/recorded-answer.js';
import { OutboundHttp } from './outbound.js';

const BYTES = 200_000;
const TEXT = Buffer.from(Array.from({ length: BYTES }, (_, at) => 97 + (at % 26)));

class Pieces extends RecordedAnswer {
  readonly pieces: Buffer[] = [];
  onPiece: (() => void) | null = null;

  override onData(chunk: Buffer): void {
    super.onData(chunk);
    this.pieces.push(Buffer.from(chunk));
    this.onPiece?.();
  }
}

let listener: LoopbackListener;
let http: OutboundHttp;

beforeAll(async () => {
  listener = await LoopbackListener.start({ addresses: ['127.0.0.1'] });
});
afterAll(() => listener.close());

beforeEach(() => {
  listener.reset();
  http = new OutboundHttp({ connectTimeoutMs: 5000 });
});
afterEach(() => http.onApplicationShutdown());

/** Each byte is a chunk of HTTP; all are written at once. */
function writeByteByByte(response: ServerResponse, body: Buffer, headers: Record<string, string> = {}): void {
  const said = Object.entries({ 'transfer-encoding': 'chunked', ...headers }).map(
    ([name, value]) => `${name}: ${value}`,
  );
  response.socket?.write(`HTTP/1.1 200 OK\r\n${said.join('\r\n')}\r\n\r\n`);
  response.socket?.write(Buffer.concat(Array.from(body, (byte) => Buffer.from([49, 13, 10, byte, 13, 10]))));
}

function ask(): Pieces {
  const answer = new Pieces();
  answer.call = http.dispatch(
    {
      policy: 'operator',
      origin: `http://127.0.0.1:${listener.port}`,
      path: '/',
      method: 'GET',
      headers: [],
      firstByteTimeoutMs: 20_000,
      idleTimeoutMs: 20_000,
      totalTimeoutMs: 20_000,
    },
    answer,
  );
  return answer;
}

it.each([
  ['as it is', {}, TEXT],
  ['compressed', { 'content-encoding': 'gzip' }, gzipSync(TEXT, { level: 0 })],
])('comes whole, in few pieces: %s', async (_how, headers, body) => {
  listener.answer = (_request, response) => {
    writeByteByByte(response, body, headers);
    response.socket?.write('0\r\n\r\n');
  };
  const answer = ask();
  await answer.over;
  expect(answer.error).toBeNull();
  expect(Buffer.concat(answer.pieces).equals(TEXT)).toBe(true);
  expect(answer.pieces.length).toBeLessThan(BYTES / 100);
});

it('comes up to the byte at which the connection is cut', async () => {
  listener.answer = (_request, response) => {
    writeByteByByte(response, TEXT);
    response.socket?.end();
  };
  const answer = ask();
  await answer.over;
  expect(answer.error?.reason).toBe('broken');
  expect(answer.bytes).toBe(BYTES);
});

it('is read in turns: its pieces cost more than its bytes', async () => {
  listener.answer = (_request, response) => {
    writeByteByByte(response, TEXT);
    response.socket?.write('0\r\n\r\n');
  };
  const answer = ask();
  let most = 0;
  let before: number | null = null;
  answer.onPiece = () => {
    if (before === null) {
      const from = (before = answer.bytes);
      setImmediate(() => {
        most = Math.max(most, answer.bytes - from);
        before = null;
      });
    }
  };
  await answer.over;
  expect(answer.bytes).toBe(BYTES);
  expect(most).toBeLessThan(32 * 1024);
});
