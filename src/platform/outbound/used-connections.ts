import type { buildConnector } from 'undici';
import { withSockets } from './prepared-sockets.js';

/** Errors that broke connections on which an earlier answer had come. */
const broken = new WeakSet<Error>();

/** Notes, for each connection that breaks, whether it had served a call before. */
export function watched(connect: buildConnector.connector): buildConnector.connector {
  return withSockets(connect, (socket) => {
    // Listens before undici, which fails the call with the same error.
    socket.once('error', (reason: Error) => {
      if (socket.bytesRead > 0) broken.add(reason);
    });
  });
}

/** Whether a call failed on a connection that the server had already closed, as servers do with idle ones. */
export function brokeUsedConnection(error: Error): boolean {
  return broken.has(error);
}
