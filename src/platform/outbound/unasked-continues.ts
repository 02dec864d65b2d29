import type { buildConnector } from 'undici';

const CONTINUE = '100';
/** How one begins; it stands for what has not come yet, too. */
const PATTERN = `HTTP/1.1 ${CONTINUE}`;
const INTERIM = /^HTTP\/1\.\d (1\d\d)/;
const HEAD_END = Buffer.from('\r\n\r\n');
/** No interim answer is longer; of one that claims to be the parser judges. */
const MOST_BYTES = 16 * 1024;
const NOTHING: Buffer = Buffer.alloc(0);

/**
 * Takes `100 Continue` out of what a server sends before its answer. A client must bear one that it did not ask for (RFC 9110,
 * 15.2), and some servers and proxies send one to every POST; undici closes the connection. Other interim answers it reads over.
 *
 * An answer begins with the first byte that comes after a request was written: a connection carries one call at a time.
 */
export function withoutContinues(connect: buildConnector.connector): buildConnector.connector {
  return (options, callback) => {
    connect(options, (...[error, socket]) => {
      if (error !== null) {
        callback(error, null);
        return;
      }
      const read = socket.read.bind(socket);
      const write = socket.write.bind(socket) as (...parts: unknown[]) => boolean;
      let start: AnswerStart | null = null;
      socket.write = (...parts: unknown[]) => {
        start ??= new AnswerStart();
        return write(...parts);
      };
      socket.read = (size?: number) => {
        for (;;) {
          const chunk = read(size) as Buffer | null;
          if (chunk === null || start === null) return chunk;
          const left = start.push(chunk);
          if (start.isOver) start = null;
          if (left.length > 0) return left;
        }
      };
      callback(null, socket);
    });
  };
}

/** The bytes of an answer up to its own head. */
class AnswerStart {
  isOver = false;
  private held = NOTHING;

  /** @returns what the parser gets of it */
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

/** The status of an interim answer that begins so, or may; null: it is an answer. */
function statusIn(begin: string): string | null {
  return INTERIM.exec(begin + PATTERN.slice(begin.length))?.[1] ?? null;
}
