import type { buildConnector } from 'undici';
import { withSockets } from './prepared-sockets.js';

const CONTINUE = '100';
/** How a `100 Continue` begins; also completes a beginning that has not arrived whole. */
const PATTERN = `HTTP/1.1 ${CONTINUE}`;
const INTERIM = /^HTTP\/1\.\d (1\d\d)/;
const HEAD_END = Buffer.from('\r\n\r\n');
/** No interim answer is longer; the parser judges one that claims to be. */
const MOST_BYTES = 16 * 1024;
const NOTHING: Buffer = Buffer.alloc(0);

/**
 * Removes `100 Continue` from the bytes that a server sends before its answer. A client must accept it unasked (RFC
 * 9110, 15.2), and some servers and proxies send one to every POST; undici closes the connection. Undici skips
 * other interim answers itself.
 *
 * An answer begins with the first byte after a request was written, since a connection carries one call at a time.
 */
export function withoutContinues(connect: buildConnector.connector): buildConnector.connector {
  return withSockets(connect, (socket) => {
    const read = socket.read.bind(socket);
    const write = socket.write.bind(socket) as (...parts: unknown[]) => boolean;
    let awaitsAnswer = false;
    let start: AnswerStart | null = null;
    socket.write = (...parts: unknown[]) => {
      awaitsAnswer = true;
      return write(...parts);
    };
    socket.read = (size?: number) => {
      for (;;) {
        const chunk = read(size) as Buffer | null;
        if (chunk === null || !awaitsAnswer) return chunk;
        if (start === null && isAnswerItself(chunk)) {
          awaitsAnswer = false;
          return chunk;
        }
        start ??= new AnswerStart();
        const left = start.push(chunk);
        if (start.isOver) {
          awaitsAnswer = false;
          start = null;
        }
        if (left.length > 0) return left;
      }
    };
  });
}

/** The first digit of the status tells in most cases. */
function isAnswerItself(begin: Buffer): boolean {
  const digit = begin[PATTERN.indexOf(CONTINUE)];
  return digit !== undefined && digit !== CONTINUE.charCodeAt(0);
}

/** The bytes of an answer up to its own head. */
class AnswerStart {
  isOver = false;
  private held = NOTHING;

  /** @returns the bytes that the parser gets */
  push(chunk: Buffer): Buffer {
    const data = this.held.length === 0 ? chunk : Buffer.concat([this.held, chunk]);
    this.held = NOTHING;
    const kept: Buffer[] = [];
    for (let at = 0; at < data.length;) {
      const status = statusIn(data.toString('latin1', at, at + PATTERN.length));
      const end = status === null ? -1 : data.indexOf(HEAD_END, at);
      if (status === null || (end === -1 && data.length - at > MOST_BYTES)) {
        this.isOver = true;
        kept.push(data.subarray(at));
        break;
      }
      if (end === -1) {
        this.held = data.subarray(at);
        break;
      }
      const next = end + HEAD_END.length;
      if (status !== CONTINUE) kept.push(data.subarray(at, next));
      at = next;
    }
    return kept.length === 1 && kept[0] !== undefined ? kept[0] : Buffer.concat(kept);
  }
}

/** The status of the interim answer that these bytes begin, or may begin; null: the answer itself begins here. */
function statusIn(begin: string): string | null {
  return INTERIM.exec(begin + PATTERN.slice(begin.length))?.[1] ?? null;
}
