import type { buildConnector } from 'undici';
import type { Socket } from 'node:net';

/** The same connector, with each socket that it opens prepared before undici gets it. */
export function withSockets(
  connect: buildConnector.connector,
  prepare: (socket: Socket) => void,
): buildConnector.connector {
  return (options, callback) => {
    connect(options, (...[error, socket]) => {
      if (error !== null) {
        callback(error, null);
        return;
      }
      prepare(socket);
      callback(null, socket);
    });
  };
}
