/** Requests that are refused before routing. */
import { startService, type TestService } from '../../support/service.js';
import { RawConnection, sendRaw } from '../raw-http.js';

let service: TestService;

beforeAll(async () => {
  service = await startService({ settings: { documentation: false } });
});

afterAll(() => service.stop());

it.each([
  ['/v1/models', { type: 'invalid_input' }],
  ['/api/v1/humans/list', { error: { code: 400, status: 'INVALID_ARGUMENT' } }],
])('two Host headers at %s are 400 in the dialect of the surface', async (path, body) => {
  const answer = await sendRaw(service.baseUrl, [`GET ${path} HTTP/1.1`, 'Host: other.example']);
  expect(answer.status).toBe(400);
  expect(answer.json()).toMatchObject(body);
  expect(answer.body).toContain('host');
});

it.each([
  ['/v1/models', { type: 'invalid_input' }],
  ['/api/v1/humans/list', { error: { code: 400, status: 'INVALID_ARGUMENT' } }],
])('no Host header at %s is 400 in the dialect of the surface', async (path, body) => {
  const connection = await RawConnection.open(service.baseUrl);
  connection.send(`GET ${path} HTTP/1.1\r\n\r\n`);
  const answer = await connection.answer();
  expect(answer.status).toBe(400);
  expect(answer.json()).toMatchObject(body);
  expect(answer.body).toContain('host');
});

it.each([
  ['/v1/models', { type: 'invalid_input' }],
  ['/api/v1/humans/list', { error: { code: 417, status: 'INVALID_ARGUMENT' } }],
])('an unknown Expect header at %s is 417 in the dialect of the surface', async (path, body) => {
  const answer = await sendRaw(service.baseUrl, [`POST ${path} HTTP/1.1`, 'Expect: 200-ok', 'Content-Length: 0']);
  expect(answer.status).toBe(417);
  expect(answer.json()).toMatchObject(body);
  expect(answer.body).toContain('expect');
});

it('CONNECT is refused: the service is not a proxy', async () => {
  const connection = await RawConnection.open(service.baseUrl);
  connection.send('CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n');
  const answer = await connection.answer();
  expect(answer.status).toBe(405);
  expect(answer.json()).toMatchObject({ type: 'invalid_input', message: expect.stringContaining('CONNECT') as string });
  await connection.closed();
});

it('a target that is not a path is 404 like any unknown path', async () => {
  const answer = await sendRaw(service.baseUrl, ['POST * HTTP/1.1', 'Content-Length: 0']);
  expect(answer.status).toBe(404);
  expect(answer.json()).toMatchObject({
    error: { status: 'NOT_FOUND', message: 'No route matches POST *. /openapi.json lists the routes.' },
  });
});

it.each([
  ['/v1/models', { type: 'invalid_input', error: { type: 'invalid_request_error' } }],
  ['//v1/models', { type: 'invalid_input', error: { type: 'invalid_request_error' } }],
  ['/api/v1/humans/list', { error: { code: 431, status: 'INVALID_ARGUMENT' } }],
])('a header over the limit at %s is 431 in the dialect of the surface', async (path, body) => {
  const answer = await sendRaw(service.baseUrl, [`GET ${path} HTTP/1.1`, `X-Long: ${'x'.repeat(17_000)}`]);
  expect(answer.status).toBe(431);
  expect(answer.json()).toMatchObject(body);
  expect(answer.headers['connection']).toBe('close');
});

it('a request that is not HTTP is 400, and the connection ends', async () => {
  const answer = await sendRaw(service.baseUrl, ['GET /v1/models HTTP/1.1', 'no header at all']);
  expect(answer.status).toBe(400);
  expect(answer.json()).toMatchObject({ error: { type: 'invalid_request_error' } });
});

it('a path with an extra slash is 404 in the dialect of its surface', async () => {
  const answer = await sendRaw(service.baseUrl, ['GET //v1/nothing HTTP/1.1']);
  expect(answer.status).toBe(404);
  expect(answer.json()).toMatchObject({
    error: { type: 'invalid_request_error', message: expect.any(String) as string },
  });
});

it.each(['/docs', '/docs/', '/openapi.json', '/openapi.yaml', '/docs-json'])(
  'the documentation can be switched off: %s is 404',
  async (path) => {
    expect((await service.call('GET', path)).status).toBe(404);
  },
);
