import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

/** How long a connection lives at most whose caller still sends, and how much of that is read and thrown away. */
export interface LingeringBounds {
  readonly mostMs: number;
  readonly mostBytes: number;
}

const CHECK_MS = 100;
/** A caller that sends nothing for so long has had time to read the answer. */
const SILENCE_MS = 500;

const LINGERING = new WeakSet<Socket>();

/** Whether the connection ends with the answer that it had: a request that comes after it must not be served. */
export function isLingering(socket: Socket): boolean {
  return LINGERING.has(socket);
}

/**
 * Makes a connection end gently once its last answer is sent. Closed at once while its caller still sends, it would be reset by
 * the kernel, and the caller would lose the answer that it had not read yet. So only our side is closed. The rest of the body
 * is read and thrown away, until it ends, the caller closes or is silent, or the bounds are reached.
 */
export function closeLingering(request: IncomingMessage, bounds: LingeringBounds): void {
  const { socket } = request;
  LINGERING.add(socket);
  // What Node calls after an answer with `connection: close`.
  socket.destroySoon = () => {
    if (socket.destroyed) return;
    endGently(socket, bounds);
    request.once('end', () => socket.destroy());
    request.resume();
    socket.end();
  };
}

/** Destroys a connection whose side is closed or about to be, once its caller is silent or the bounds are reached. */
export function endGently(socket: Socket, { mostMs, mostBytes }: LingeringBounds): void {
  const mostRead = socket.bytesRead + mostBytes;
  const endsAtMs = performance.now() + mostMs;
  let heard = { bytes: socket.bytesRead, atMs: performance.now() };
  const check = setInterval(() => {
    const { bytesRead: bytes } = socket;
    const nowMs = performance.now();
    if (bytes > heard.bytes) heard = { bytes, atMs: nowMs };
    // A caller that still reads an answer is not silent.
    if (socket.writableLength > 0) heard.atMs = nowMs;
    if (bytes > mostRead || nowMs > endsAtMs || nowMs - heard.atMs > SILENCE_MS) socket.destroy();
  }, CHECK_MS).unref();
  socket.once('close', () => clearInterval(check));
}
