/** What is not HTTP, behind requests that are: each whole request has its answer, and then the connection ends. */
import { streamPieces, UPSTREAM_MODEL } from '../../support/openai-upstream.js';
import { sharedService, type SharedService } from '../../support/shared-service.js';
import { RawConnection } from '../raw-http.js';

const GARBAGE = 'this is not HTTP\r\n\r\n';

let service: SharedService;

beforeAll(async () => {
  service = await sharedService();
});
afterAll(() => service.stop());
beforeEach(() => service.upstream.reset());

const ping = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: gatehouse.example\r\n\r\n`;

async function sent(text: string): Promise<RawConnection> {
  const connection = await RawConnection.open(service.baseUrl);
  connection.send(text);
  return connection;
}

it.each([
  ['garbage', GARBAGE, 400],
  ['a header over the limit', `GET / HTTP/1.1\r\nX-Long: ${'x'.repeat(17_000)}\r\n\r\n`, 431],
  ['CONNECT', 'CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n', 405],
])('two requests are answered before %s behind them', async (_what, odd, status) => {
  const connection = await sent(ping('/api/v1/ping') + ping('/v1/models') + odd);
  expect((await connection.answer()).json()).toEqual({ message: 'api-pong' });
  expect((await connection.answer()).status).toBe(401);
  const refusal = await connection.answer();
  expect([refusal.status, refusal.headers['connection']]).toEqual([status, 'close']);
  await connection.closed();
});

it('the answer to a call comes whole, and its charge is for what came', async () => {
  const org = await service.createOrg();
  const { key } = await service.createKey(org, { scopes: ['chat:write'] });
  service.upstream.next({ kind: 'stream', pieces: streamPieces() });
  const body = JSON.stringify({ model: UPSTREAM_MODEL, stream: true, messages: [{ role: 'user', content: 'Hi' }] });
  const head = `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nX-API-Key: ${key}\r\ncontent-type: application/json\r\n`;
  const connection = await sent(`${head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}${GARBAGE}`);
  // Without a length the answer is read to the end of the connection, and the refusal with it.
  const answer = await connection.answer();
  expect(answer.status).toBe(200);
  expect(answer.body).toMatch(/data: \[DONE\]\n\n\r\n0\r\n\r\nHTTP\/1\.1 400 Bad Request\r\n/);
  expect(answer.body.match(/HTTP\/1\.1/g)).toHaveLength(1);
});

it.each([
  ['the body of the first request', '', 400],
  ['the body of a later one', ping('/api/v1/ping'), 200],
])('is refused at once in %s, which has no other answer', async (_what, before, first) => {
  const head = 'POST /api/v1/process HTTP/1.1\r\nHost: x\r\ntransfer-encoding: chunked\r\n\r\n';
  const connection = await sent(`${before}${head}not a length\r\n`);
  const statuses = [(await connection.answer()).status];
  if (before !== '') statuses.push((await connection.answer()).status);
  expect(statuses[0]).toBe(first);
  expect(statuses.at(-1)).toBe(400);
  await connection.closed();
});
