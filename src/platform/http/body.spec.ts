import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { eventually, pause } from '../../../test/support/eventually.js';
import { Fault } from '../errors/index.js';
import { assertJson, readBody } from './body.js';

const LIMIT = 1000;
const SILENCE_MS = 900;

let server: http.Server;
let port: number;
/** Runs before the server reads a body. */
let beforeReading: (request: http.IncomingMessage) => Promise<void>;
/** The result of each readBody. */
let endings: (Buffer | Fault)[];
let sockets: net.Socket[];

beforeEach(async () => {
  endings = [];
  sockets = [];
  beforeReading = () => Promise.resolve();
  server = http.createServer((request, response) => {
    beforeReading(request)
      .then(() => readBody(request, { limitBytes: LIMIT, silenceMs: SILENCE_MS }, { growTo: () => undefined }))
      .then(
        (body) => {
          endings.push(body);
          response.end('read');
        },
        (error: unknown) => {
          endings.push(error as Fault);
          response.writeHead((error as Fault).status, { connection: 'close' }).end();
        },
      );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ({ port } = server.address() as net.AddressInfo);
});

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
});

async function open(text: string | Buffer): Promise<net.Socket> {
  const socket = net.connect(port, '127.0.0.1');
  sockets.push(socket);
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.write(text);
  return socket;
}

async function send(headers: Record<string, string>, body: string): Promise<void> {
  const lines = Object.entries({ host: 'x', connection: 'close', ...headers }).map(
    ([name, value]) => `${name}: ${value}`,
  );
  const socket = await open(`POST / HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n${body}`);
  socket.resume();
  await once(socket, 'close');
}

const chunked = (...parts: string[]): string =>
  `${parts.map((part) => `${part.length.toString(16)}\r\n${part}\r\n`).join('')}0\r\n\r\n`;

const statusOf = (ending: Buffer | Fault | undefined): number | undefined =>
  ending instanceof Fault ? ending.status : 200;

describe('a body', () => {
  it('of exactly the limit is read, byte for byte', async () => {
    await send({ 'content-length': String(LIMIT) }, 'x'.repeat(LIMIT));
    await send({ 'transfer-encoding': 'chunked' }, chunked('a'.repeat(600), 'b'.repeat(400)));
    expect(endings.map(String)).toEqual(['x'.repeat(LIMIT), 'a'.repeat(600) + 'b'.repeat(400)]);
  });

  it('that is absent is empty', async () => {
    await send({}, '');
    await send({ 'content-length': '0' }, '');
    expect(endings.map(String)).toEqual(['', '']);
  });

  it('with a length over the limit is refused before a byte of it is sent', async () => {
    await send({ 'content-length': String(LIMIT + 1) }, '');
    expect(endings.map(statusOf)).toEqual([413]);
  });

  it('in chunks is refused when it exceeds the limit, even without a length and an end', async () => {
    const socket = await open('POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n');
    socket.write(`${(LIMIT + 1).toString(16)}\r\n${'x'.repeat(LIMIT + 1)}\r\n`);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 413 /);
    expect(endings.map(statusOf)).toEqual([413]);
  });

  it.each(['gzip', 'br', 'deflate', 'zstd', 'gzip, identity', 'x-unknown'])(
    'that is encoded as %s is refused',
    async (encoding) => {
      await send({ 'content-encoding': encoding, 'content-length': '2' }, '{}');
      expect(endings.map(statusOf)).toEqual([415]);
      expect((endings[0] as Fault).fields).toEqual([expect.objectContaining({ field: 'content-encoding' })]);
    },
  );

  it.each(['identity', 'Identity'])('that is encoded as %s is read', async (encoding) => {
    await send({ 'content-encoding': encoding, 'content-length': '2' }, '{}');
    expect(endings.map(String)).toEqual(['{}']);
  });

  it('that breaks off is refused, never taken for a shorter one', async () => {
    const asked = new Promise<void>((resolve) => {
      beforeReading = () => {
        setImmediate(resolve);
        return Promise.resolve();
      };
    });
    const socket = await open('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{"a":1');
    await asked;
    socket.destroy();
    await eventually(() => endings.length > 0);
    expect(endings.map(statusOf)).toEqual([400]);
  });

  it('that stops coming is refused; one that comes slowly is read', async () => {
    const head = 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 6\r\n\r\n';
    const slow = await open(`${head}a`);
    for (const part of 'bcdef') {
      await pause(SILENCE_MS / 3);
      slow.write(part);
    }
    await eventually(() => endings.length === 1);
    await open(`${head}{"a":`);
    await eventually(() => endings.length === 2);
    expect(String(endings[0])).toBe('abcdef');
    expect(endings[1]).toMatchObject({ status: 400, code: 'body_timeout' });
  });

  it('that broke off before a handler asked for it is refused too, and makes no request wait', async () => {
    beforeReading = (request) => new Promise((resolve) => request.once('close', () => resolve()));
    const socket = await open('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{"a":1');
    socket.destroy();
    await eventually(() => endings.length > 0, 2000);
    expect(endings.map(statusOf)).toEqual([400]);
  });
});

describe('a media type', () => {
  const typed = (type?: string): http.IncomingMessage =>
    ({ headers: type === undefined ? {} : { 'content-type': type } }) as http.IncomingMessage;

  it.each([
    undefined,
    '',
    'application/json',
    'APPLICATION/JSON',
    'application/json; charset=utf-8',
    'application/problem+json',
    'application/x-www-form-urlencoded',
  ])('counts as JSON: %s', (type) => {
    expect(() => assertJson(typed(type))).not.toThrow();
  });

  it.each(['text/plain', 'multipart/form-data; boundary=x', 'application/jsonp', 'text/html;application/json'])(
    'is refused as not JSON: %s',
    (type) => {
      expect(() => assertJson(typed(type))).toThrow(expect.objectContaining({ kind: 'unsupported_media_type' }));
    },
  );
});
