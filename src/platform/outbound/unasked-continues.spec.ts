/** Interim answers to requests that did not ask for them, over real sockets. */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { pause } from '../../../test/support/eventually.js';
import type { OutboundError } from './outbound-request.js';
import { OutboundHttp } from './outbound.js';

const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n';
const HINTS = 'HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n';
const BODY = `in the body: ${CONTINUE}`;
const ANSWER = `HTTP/1.1 200 OK\r\ncontent-length: ${BODY.length}\r\n\r\n${BODY}`;

let server: Server;
let http: OutboundHttp;
let connections = 0;
let react: (socket: Socket) => unknown;

beforeEach(async () => {
  connections = 0;
  server = createServer((socket) => {
    connections += 1;
    let came = '';
    socket
      .on('error', () => undefined)
      .on('data', (chunk) => {
        came += chunk.toString();
        if (!came.endsWith('Hello.')) return;
        came = '';
        react(socket);
      });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  http = new OutboundHttp({ connectTimeoutMs: 1000, mode: 'development', outboundAllowCidrs: ['127.0.0.0/8'] });
});

afterEach(async () => {
  await http.onApplicationShutdown();
  await new Promise((resolve) => server.close(resolve));
});

/** Status and text of an answer, or the reason of its failure. */
function ask(policy: 'operator' | 'tenant' = 'operator'): Promise<string> {
  return new Promise((resolve) => {
    let said = '';
    http.dispatch(
      {
        policy,
        origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
        path: '/',
        method: 'POST',
        headers: [],
        body: 'Hello.',
        firstByteTimeoutMs: 5000,
        idleTimeoutMs: 5000,
        totalTimeoutMs: 5000,
      },
      {
        onHeaders: (status) => (said += `${status} `),
        onData: (chunk) => (said += chunk.toString()),
        // A connection is free again a moment after its answer was read.
        onEnd: () => void pause(20).then(() => resolve(said)),
        onError: ({ reason }: OutboundError) => resolve(reason),
      },
    );
  });
}

it.each([
  ['one', CONTINUE],
  ['one with a header, by HTTP/1.0', 'HTTP/1.0 100 Continue\r\nserver: x\r\n\r\n'],
  ['one without a reason', 'HTTP/1.1 100\r\n\r\n'],
  ['several', CONTINUE.repeat(3)],
  ['hints', HINTS],
  ['that it works on it', 'HTTP/1.1 102 Processing\r\n\r\n'],
  ['hints among others', CONTINUE + HINTS + CONTINUE],
])('a server may send %s before its answer', async (_what, interim) => {
  react = (socket) => socket.write(interim + ANSWER);
  expect([await ask(), await ask(), await ask('tenant')]).toEqual(Array(3).fill(`200 ${BODY}`));
  expect(connections).toBe(2);
});

it('cut at any byte, and before an answer that comes later', async () => {
  const bytes = CONTINUE + HINTS + CONTINUE + ANSWER;
  for (let cut = 1; cut < CONTINUE.length + HINTS.length + 20; cut += 1) {
    react = async (socket) => {
      socket.setNoDelay().write(bytes.slice(0, cut));
      await pause(2);
      socket.write(bytes.slice(cut));
    };
    expect([cut, await ask()]).toEqual([cut, `200 ${BODY}`]);
  }
  expect(connections).toBe(1);
});

it('an answer that nothing precedes stays as it is, cut at any byte of its head', async () => {
  for (let cut = 1; cut < 20; cut += 1) {
    react = async (socket) => {
      socket.setNoDelay().write(ANSWER.slice(0, cut));
      await pause(2);
      socket.write(ANSWER.slice(cut));
    };
    expect([cut, await ask()]).toEqual([cut, `200 ${BODY}`]);
  }
});

it.each([
  ['closes after it', (socket: Socket) => socket.end(CONTINUE)],
  ['sends one that never ends', (socket: Socket) => socket.end(CONTINUE.trimEnd() + '\r\nx: y'.repeat(9000))],
])('a server gives no answer where it %s', async (_what, ending) => {
  react = ending;
  expect(await ask()).toMatch(/^(?:broken|aborted)$/);
});
