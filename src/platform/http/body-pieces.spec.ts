/** A body that its caller sends byte by byte, over a real connection. */
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { eventually } from '../../../test/support/eventually.js';
import { READ_AHEAD_BYTES, readBody } from './body.js';

const BYTES = 200_000;
const BODY = Buffer.from(Array.from({ length: BYTES }, (_, at) => 97 + (at % 26)));
/** Each byte is a chunk of HTTP. */
const CHUNKS = Buffer.concat(Array.from(BODY, (byte) => Buffer.from([49, 13, 10, byte, 13, 10])));

/** Sends the body to a server that does not listen yet. */
async function send(server: http.Server): Promise<net.Socket> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = net.connect((server.address() as net.AddressInfo).port, '127.0.0.1');
  socket.write('POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n');
  socket.write(CHUNKS);
  socket.write('0\r\n\r\n');
  return socket;
}

it('is read whole, and no more than a part of it in one turn of the event loop', async () => {
  let most = 0;
  let before: number | null = null;
  let size = 0;
  const growTo = (bytes: number): void => {
    size = bytes;
    if (before !== null) return;
    const from = (before = bytes);
    setImmediate(() => {
      most = Math.max(most, size - from);
      before = null;
    });
  };
  const read = Promise.withResolvers<Buffer>();
  const server = http.createServer({ highWaterMark: READ_AHEAD_BYTES }, (request, response) => {
    Promise.resolve(readBody(request, { limitBytes: BYTES, silenceMs: 20_000 }, { growTo })).then(
      (body) => {
        read.resolve(body);
        response.end();
      },
      (error: unknown) => read.reject(error as Error),
    );
  });
  const socket = await send(server);
  try {
    expect((await read.promise).equals(BODY)).toBe(true);
    expect(most).toBeLessThan(8 * 1024);
  } finally {
    socket.destroy();
    server.close();
  }
});

it('stays on its connection, but for a part, until it is read', async () => {
  const server = http.createServer({ highWaterMark: READ_AHEAD_BYTES });
  const socket = await send(server);
  try {
    const [request] = (await once(server, 'request')) as [http.IncomingMessage];
    let before = 0;
    await eventually(() => {
      const isStill = before > 0 && request.readableLength === before;
      before = request.readableLength;
      return isStill;
    });
    expect(request.readableLength).toBeLessThan(2 * READ_AHEAD_BYTES + 1024);
  } finally {
    socket.destroy();
    server.close();
  }
});
