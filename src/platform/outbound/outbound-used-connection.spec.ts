/** A used connection that is closed when the next call begins on it. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { pause } from '../../../test/support/eventually.js';
import type { OutboundError, OutboundHandler } from './outbound-request.js';
import { OutboundHttp } from './outbound.js';

const ANSWER = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nOK';
type End = (socket: Socket) => void;
const RESET: End = (socket) => socket.resetAndDestroy();
const CLOSE: End = (socket) => socket.end();

let server: Server;
let http: OutboundHttp;
/** The requests on each connection. */
let connections: string[][];
let react: (socket: Socket, connection: number, request: number) => void;

beforeEach(async () => {
  connections = [];
  const known = new Map<Socket, number>();
  server = createServer((request) => {
    const { socket, method, url, headers } = request;
    if (!known.has(socket)) known.set(socket, connections.push([]));
    const connection = known.get(socket) ?? 0;
    void text(request).then((body) => {
      const sent = `${method} ${url} ${String(headers['x-mine'])} ${body}`;
      react(socket, connection, connections[connection - 1]!.push(sent));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  http = new OutboundHttp({ connectTimeoutMs: 1000 });
});

afterEach(async () => {
  await http.onApplicationShutdown();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

/** The text of an answer, or the reason of its failure. */
function ask(): Promise<string> {
  return new Promise((resolve) => {
    let said = '';
    const handler: OutboundHandler = {
      onHeaders: () => undefined,
      onData: (chunk) => void (said += chunk.toString()),
      // A connection is free again a moment after its answer was read.
      onEnd: () => void pause(20).then(() => resolve(said)),
      onError: ({ reason }: OutboundError) => resolve(reason),
    };
    http.dispatch(
      {
        policy: 'operator',
        origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
        path: '/',
        method: 'POST',
        headers: ['x-mine', '1'],
        body: 'Hello.',
        firstByteTimeoutMs: 5000,
        idleTimeoutMs: 5000,
        totalTimeoutMs: 5000,
      },
      handler,
    );
  });
}

describe('a call on a used connection', () => {
  it.each([
    ['reset', RESET],
    ['closed', CLOSE],
  ])('that is %s before a byte is sent once more, whole, on a fresh one', async (_how, end) => {
    react = (socket, _connection, request) => (request === 1 ? socket.write(ANSWER) : end(socket));
    expect([await ask(), await ask()]).toEqual(['OK', 'OK']);
    expect(connections.map((requests) => requests.length)).toEqual([2, 1]);
    expect(connections[1]).toEqual(['POST / 1 Hello.']);
  });

  it('uses a fresh one even if other kept ones are closed too', async () => {
    react = (socket, _connection, request) => (request === 1 ? socket.write(ANSWER) : RESET(socket));
    expect(await Promise.all([ask(), ask(), ask()])).toEqual(['OK', 'OK', 'OK']);
    expect(await Promise.all([ask(), ask(), ask()])).toEqual(['OK', 'OK', 'OK']);
    expect(connections.map((requests) => requests.length)).toEqual([2, 2, 2, 1, 1, 1]);
  });

  it('is sent no third time', async () => {
    react = (socket, connection, request) => (connection === 1 && request === 1 ? socket.write(ANSWER) : RESET(socket));
    expect([await ask(), await ask()]).toEqual(['OK', 'broken']);
    expect(connections.map((requests) => requests.length)).toEqual([2, 1]);
  });

  it('is not sent again once its answer has begun', async () => {
    react = (socket, _connection, request) => {
      if (request === 1) socket.write(ANSWER);
      else socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nO', () => setImmediate(RESET, socket));
    };
    expect([await ask(), await ask()]).toEqual(['OK', 'broken']);
    expect(connections).toHaveLength(1);
  });

  it.each(['HTTP/1.1 20', 'HTTP/1.1 200 OK\r\ncontent-le', 'HTTP/1.1 103 Early Hints\r\n\r\n'])(
    'is not sent again once a piece of a head has come: %j',
    async (piece) => {
      react = (socket, _connection, request) => {
        if (request === 1) socket.write(ANSWER);
        else socket.write(piece, () => setTimeout(RESET, 50, socket));
      };
      expect([await ask(), await ask()]).toEqual(['OK', 'broken']);
      expect(connections).toHaveLength(1);
    },
  );
});

it.each(['', 'HTTP/1.1 20'])('a call on a new connection is not sent again after %j', async (piece) => {
  react = (socket) => (piece === '' ? RESET(socket) : socket.write(piece, () => setTimeout(RESET, 50, socket)));
  expect(await ask()).toBe('broken');
  expect(connections).toHaveLength(1);
});
