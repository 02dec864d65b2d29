/** A caller that is refused while it still sends its body can read why. */
import net from 'node:net';
import { Metrics } from '../../../src/platform/metrics/index.js';
import { eventually } from '../../support/eventually.js';
import { startService, type TestService } from '../../support/service.js';

const MIB = 1024 * 1024;
const TRIES = 8;

let service: TestService;
let key: string;

beforeAll(async () => {
  service = await startService({ settings: { bodyLimitBytes: MIB } });
  ({ key } = await service.createKey(await service.createOrg('founder')));
});

afterAll(() => service.stop());

/** Sends a request whole, as simple clients do, before it reads the first byte of the answer; then reads to the end. */
function sendWhole(headers: readonly string[], bytes: number): Promise<string> {
  const socket = net.connect(Number(new URL(service.baseUrl).port), '127.0.0.1').pause();
  const head = ['POST /v1/chat/completions HTTP/1.1', 'Host: x', `Content-Length: ${bytes}`, ...headers].join('\r\n');
  return new Promise((resolve, reject) => {
    let answer = '';
    socket.on('error', reject);
    socket.on('data', (data) => (answer += data.toString('latin1')));
    socket.on('end', () => socket.end());
    socket.on('close', () => resolve(answer));
    socket.write(`${head}\r\n\r\n`);
    let left = bytes;
    const piece = Buffer.alloc(64 * 1024, 0x20);
    const send = (): void => {
      for (; left > 0; left -= piece.length) {
        if (!socket.write(piece)) {
          left -= piece.length;
          socket.once('drain', send);
          return;
        }
      }
      socket.resume();
    };
    send();
  });
}

it('reads the 413 of a body over the limit, however much of it was on its way', async () => {
  for (let count = 0; count < TRIES; count += 1) {
    const answer = await sendWhole([`X-API-Key: ${key}`], 30 * MIB);
    expect(answer).toMatch(/^HTTP\/1\.1 413 .*GATEHOUSE_BODY_LIMIT_BYTES/s);
  }
});

/** A request without a credential, whose body is not sent yet; it has had its answer. */
async function refused(bytes: number) {
  const port = Number(new URL(service.baseUrl).port);
  // It goes on sending although the service has closed its side.
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  const caller = { socket, isClosed: false, answers: '' };
  socket.on('error', () => undefined).on('close', () => (caller.isClosed = true));
  socket.on('data', (data) => (caller.answers += data.toString('latin1')));
  socket.write(`POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: ${bytes}\r\n\r\n`);
  await eventually(() => caller.answers.includes('401'));
  return caller;
}

it('is cut off where it sends without end', async () => {
  const caller = await refused(1024 * MIB);
  const piece = Buffer.alloc(64 * 1024, 0x20);
  await eventually(() => {
    caller.socket.write(piece);
    return caller.isClosed;
  });
});

it('is served no request that follows such a body', async () => {
  const served = (): number =>
    [...service.app.get(Metrics).requests.counts()]
      .filter(([{ route }]) => route === '/health/live')
      .reduce((sum, [, count]) => sum + count, 0);
  expect((await service.call('GET', '/health/live')).status).toBe(200);
  await eventually(() => served() > 0);
  const before = served();
  const caller = await refused(100 * 1024);
  const next = 'GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n';
  caller.socket.end(Buffer.concat([Buffer.alloc(100 * 1024, 0x20), Buffer.from(next)]));
  await eventually(() => caller.isClosed);
  expect((await service.call('GET', '/health/live')).status).toBe(200);
  await eventually(() => served() > before);
  expect(served()).toBe(before + 1);
  expect(caller.answers.match(/HTTP\/1\.1 /g)).toHaveLength(1);
});

it.each([
  ['garbage', 'GARBAGE\r\n\r\n', '400'],
  ['garbage behind a request', 'GET /health/live HTTP/1.1\r\nHost: x\r\n\r\nGARBAGE\r\n\r\n', '400'],
  ['CONNECT', 'CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n', '405'],
])('keeps no connection by leaving its side open: %s', async (_what, text, status) => {
  const port = Number(new URL(service.baseUrl).port);
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  let answers = '';
  socket.on('data', (data) => (answers += data.toString('latin1')));
  socket.on('error', () => undefined);
  socket.write(text);
  await eventually(() => answers.includes(`HTTP/1.1 ${status}`));
  const count = (): Promise<number> =>
    new Promise((resolve) => service.app.getHttpServer().getConnections((_error, open) => resolve(open)));
  try {
    // The client's own side stays open: the service alone can end it.
    await eventually(async () => (await count()) === 0);
    expect(socket.writable).toBe(true);
  } finally {
    socket.destroy();
  }
});
