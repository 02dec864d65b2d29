import type { buildConnector } from 'undici';
import { withSockets } from './prepared-sockets.js';

/** Errors that broke connections on which an earlier answer had come, and nothing since the last request. */
const broken = new WeakSet<Error>();

/** Notes, for each connection that breaks, whether it had served a call before, and had sent nothing of the next answer. */
export function watched(connect: buildConnector.connector): buildConnector.connector {
  return withSockets(connect, (socket) => {
    const write = socket.write.bind(socket) as (...parts: unknown[]) => boolean;
    let readAtWrite = 0;
    socket.write = (...parts: unknown[]) => {
      readAtWrite = socket.bytesRead;
      return write(...parts);
    };
    // Listens before undici, which fails the call with the same error.
    socket.once('error', (reason: Error) => {
      // A piece of a head is the beginning of an answer, which the provider may bill.
      if (socket.bytesRead > 0 && socket.bytesRead === readAtWrite) broken.add(reason);
    });
  });
}

/** Whether a call failed on a connection that the server had already closed, as servers do with idle ones. */
export function brokeUsedConnection(error: Error): boolean {
  return broken.has(error);
}
