import type { buildConnector } from 'undici';
import { atTurnsEnd } from '../turns/index.js';
import { withSockets } from './prepared-sockets.js';

/** Requests that begin in one turn of the event loop are written at its end, one right after the other. */
export function writtenTogether(connect: buildConnector.connector): buildConnector.connector {
  return withSockets(connect, (socket) => {
    const write = socket.write.bind(socket) as (...parts: unknown[]) => boolean;
    let isHeld = false;
    const release = (): void => {
      isHeld = false;
      socket.uncork();
    };
    socket.write = (...parts: unknown[]) => {
      if (!isHeld) {
        isHeld = true;
        socket.cork();
        atTurnsEnd(release);
      }
      return write(...parts);
    };
  });
}
