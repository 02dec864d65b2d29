/** Writes of one turn, over a real socket. */
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { text } from 'node:stream/consumers';
import { buildConnector } from 'undici';
import { writtenTogether } from './written-together.js';

let server: Server;
let connected: Promise<Socket[]>;

beforeEach(async () => {
  server = createServer();
  connected = once(server, 'connection') as Promise<Socket[]>;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterEach(() => new Promise((resolve) => server.close(resolve)));

function connect(): Promise<Socket> {
  const { port } = server.address() as AddressInfo;
  return new Promise((resolve, reject) => {
    writtenTogether(buildConnector({}))(
      { hostname: '127.0.0.1', host: '127.0.0.1', protocol: 'http:', port: String(port) },
      (...[error, socket]) => (error === null ? resolve(socket) : reject(error)),
    );
  });
}

it("leaves at the turn's end, whole and in order", async () => {
  const socket = await connect();
  const [other] = await connected;
  for (const part of ['one ', 'two ', 'three']) socket.write(part);
  await Promise.resolve();
  expect(socket.writableLength).toBe('one two three'.length);
  await nextTurn();
  expect(socket.writableLength).toBe(0);
  socket.write('.');
  socket.end();
  expect(await text(other!)).toBe('one two three.');
});

it('is dropped where the connection was given up meanwhile', async () => {
  const socket = await connect();
  socket.write('lost');
  socket.destroy();
  await once(socket, 'close');
  await nextTurn();
  expect(socket.destroyed).toBe(true);
});
