import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ConnectionError } from 'fastify';
import { Fault } from '../platform/errors/index.js';
import { requestIdOf } from '../platform/context/index.js';
import { endGently, OPENAI_DIALECT, type Dialects } from '../platform/http/index.js';

/** What HTTP itself forbids, with a status that no other fault has. */
export class UnreadableRequest extends Fault {
  constructor(
    private readonly httpStatus: number,
    message: string,
  ) {
    super('invalid_input', message);
  }

  override get status(): number {
    return this.httpStatus;
  }
}

const REASONS: Readonly<Record<string, readonly [number, string, string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'Request Header Fields Too Large', 'The headers are larger than 16 KiB; send fewer.'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request Timeout', 'The request did not come in time; send it again.'],
};
const MALFORMED = [400, 'Bad Request', 'The request is not valid HTTP.'] as const;

/**
 * Answers what is not a valid HTTP request, in the dialect of the path in its first line, where that arrived in the same
 * piece. The connection ends with it, since the start of the next request is unknown.
 */
export function refuseConnection(error: ConnectionError, socket: Socket, dialects: Dialects): void {
  if (error.code === 'ECONNRESET' || socket.destroyed || REFUSED.has(socket)) return;
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const packet: unknown = error.rawPacket;
  const [status, phrase, message] = REASONS[error.code] ?? MALFORMED;
  const start = Buffer.isBuffer(packet) ? packet.toString('latin1', 0, 2_048) : '';
  const target = /^[A-Z]+ (\/\S*)/.exec(start)?.[1] ?? '/';
  endInTurn(socket, status, phrase, (requestId) =>
    dialects.ofPath(target).renderError(new UnreadableRequest(status, message), requestId),
  );
}

/** Answers CONNECT, by which a client asks a proxy for another server: this service is not a proxy. */
export function refuseConnect(_request: IncomingMessage, socket: Duplex): void {
  endInTurn(socket as Socket, 405, 'Method Not Allowed', (requestId) =>
    OPENAI_DIALECT.renderError(
      new UnreadableRequest(
        405,
        'CONNECT is for proxies, and this service is not a proxy: call its paths by their own methods.',
      ),
      requestId,
    ),
  );
}

/** Their refusal waits for its turn. Node tells of each further piece of them again. */
const REFUSED = new WeakSet<Socket>();

type Render = (requestId: string) => object;

/**
 * Ends a connection with an answer of its own, behind the answers to whole requests that came before on it: written at once, it
 * would stand in their place, or in the middle of one.
 */
function endInTurn(socket: Socket, status: number, phrase: string, render: Render): void {
  // After CONNECT Node listens no more, and an error that no one hears would end the process.
  if (!REFUSED.has(socket)) socket.on('error', () => undefined);
  REFUSED.add(socket);
  const open = openAnswerOf(socket);
  const isForThis = open === null || (!open.req.complete && !open.headersSent);
  if (isForThis) end(socket, status, phrase, render);
  else
    open.once('close', () => {
      // Node hands the connection to the next answer before. An answer to this very request is its last one.
      if (socket.destroyed || !socket.writable) return;
      if (open.req.complete) endInTurn(socket, status, phrase, render);
      else close(socket);
    });
}

/** A client may keep its side open for ever, and would keep the connection. */
const MOST_LINGERING = { mostMs: 5_000, mostBytes: 1024 * 1024 };

function close(socket: Socket, lastWords = ''): void {
  socket.end(lastWords);
  // After CONNECT Node reads no more, and would not see that the client leaves.
  socket.resume();
  endGently(socket, MOST_LINGERING);
}

/** The answer whose turn it is on a connection. Node shows it nowhere else. */
function openAnswerOf(socket: Socket): ServerResponse | null {
  return (socket as { _httpMessage?: ServerResponse | null })._httpMessage ?? null;
}

function end(socket: Socket, status: number, phrase: string, render: Render): void {
  const requestId = requestIdOf({});
  const body = JSON.stringify(render(requestId));
  close(
    socket,
    `HTTP/1.1 ${status} ${phrase}\r\ncontent-type: application/json; charset=utf-8\r\nconnection: close\r\n` +
      `x-request-id: ${requestId}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
