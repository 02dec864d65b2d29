import type { buildConnector } from 'undici';

/** What broke connections on which an earlier answer had come. */
const broken = new WeakSet<Error>();

/** Notes of each connection that breaks whether it had served before. */
export function watched(connect: buildConnector.connector): buildConnector.connector {
  return (options, callback) => {
    connect(options, (...[error, socket]) => {
      if (error !== null) {
        callback(error, null);
        return;
      }
      // Before undici's own listener, which fails the call with the same error.
      socket.once('error', (reason: Error) => {
        if (socket.bytesRead > 0) broken.add(reason);
      });
      callback(null, socket);
    });
  };
}

/** Whether a call met a connection that the other side had given up meanwhile, as servers do with idle ones. */
export function brokeUsedConnection(error: Error): boolean {
  return broken.has(error);
}
