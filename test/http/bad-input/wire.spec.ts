/** Requests that no HTTP library sends. */
import http from 'node:http';
import { startService, type TestService } from '../../support/service.js';
import { rowCounts } from '../ledger.js';
import { RawConnection, sendRaw, type RawAnswer } from '../raw-http.js';

const LIMIT = 100_000;

let service: TestService;
let key: string;
let before: Record<string, number>;

beforeAll(async () => {
  service = await startService({ settings: { bodyLimitBytes: LIMIT } });
  ({ key } = await service.createKey(await service.createOrg('founder')));
  before = await rowCounts(service);
});

afterAll(() => service.stop());

afterEach(async () => {
  expect(service.upstream.requests).toEqual([]);
  expect(await rowCounts(service)).toEqual(before);
  expect((await service.call('GET', '/v1/models', { headers: { 'x-api-key': key } })).status).toBe(200);
});

const send = (head: readonly string[], body: string | Buffer = ''): Promise<RawAnswer> =>
  sendRaw(service.baseUrl, head, body);
const withKey = (...head: string[]): string[] => [...head, `X-API-Key: ${key}`];

function expectOpenaiShape({ headers, ...answer }: RawAnswer): void {
  expect(headers['content-type']).toMatch(/^application\/json/);
  expect(answer.json()).toMatchObject({
    type: expect.any(String) as string,
    error: { message: expect.any(String) as string, type: expect.any(String) as string },
  });
}

describe('a body over the limit is 413 with the caller’s window, and the connection is closed', () => {
  function expectTooLarge(answer: RawAnswer): void {
    expect(answer.status).toBe(413);
    expect(answer.headers['x-ratelimit-limit']).toBe('1000');
    expect(answer.headers['connection']).toBe('close');
    expect(answer.body).toContain(String(LIMIT));
  }

  it.each([LIMIT + 1, 10_000_000_000, Number.MAX_SAFE_INTEGER])(
    'announced as %d bytes: refused before one of them was sent',
    async (length) => {
      const answer = await send(withKey('POST /v1/chat/completions HTTP/1.1', `Content-Length: ${length}`));
      expectTooLarge(answer);
      expectOpenaiShape(answer);
    },
  );

  it('in chunks: refused as soon as it is too much, however much is still to come', async () => {
    const connection = await RawConnection.open(service.baseUrl);
    const head = withKey('POST /v1/chat/completions HTTP/1.1', 'Host: x', 'Transfer-Encoding: chunked');
    connection.send(`${head.join('\r\n')}\r\n\r\n`);
    const chunk = 'x'.repeat(4000);
    for (let sent = 0; sent <= LIMIT; sent += chunk.length) connection.send(`fa0\r\n${chunk}\r\n`);
    const answer = await connection.answer();
    expectTooLarge(answer);
    expectOpenaiShape(answer);
    await connection.closed();
    connection.destroy();
  });

  it('a client that is still sending gets the whole refusal', async () => {
    const body = Buffer.alloc(8 * 1024 * 1024, 0x20);
    for (const chunked of [false, true]) {
      const answer = await new Promise<{ status: number | undefined; text: string }>((resolve, reject) => {
        const headers = { 'x-api-key': key, ...(chunked ? { 'transfer-encoding': 'chunked' } : {}) };
        const request = http.request(
          new URL('/v1/chat/completions', service.baseUrl),
          { method: 'POST', headers, agent: false },
          (response) => {
            let text = '';
            response.setEncoding('utf8').on('data', (part: string) => (text += part));
            response.on('end', () => resolve({ status: response.statusCode, text })).on('error', reject);
          },
        );
        request.on('error', reject);
        request.end(body);
      });
      expect(answer).toMatchObject({ status: 413, text: expect.stringContaining('request_too_large') as string });
    }
  });

  it('a body of exactly the limit is read', async () => {
    const body = '{"model":"x"}'.padEnd(LIMIT);
    const answer = await send(withKey('POST /v1/chat/completions HTTP/1.1', `Content-Length: ${LIMIT}`), body);
    expect(answer.status).toBe(400);
    expect(answer.body).toContain('messages');
    expect(answer.headers['connection']).not.toBe('close');
  });
});

describe('a malformed path is 400 in the dialect of its surface', () => {
  it.each(['/v1/%zz', '/v1/models/%', '/v1/models/%e0%a4%a', '/v1/%80'])('%s', async (path) => {
    const answer = await send(withKey(`GET ${path} HTTP/1.1`, 'Origin: https://app.example'));
    expect([400, 404]).toContain(answer.status);
    expectOpenaiShape(answer);
    expect(answer.headers['x-request-id']).toMatch(/^req_/);
    expect(answer.headers['access-control-allow-origin']).toBe('*');
  });

  it.each(['/api/v1/%zz', '/%'])('%s', async (path) => {
    const answer = await send(withKey(`GET ${path} HTTP/1.1`));
    expect([400, 404]).toContain(answer.status);
    expect(answer.json()).toMatchObject({
      error: { code: answer.status, status: expect.any(String) as string, requestId: expect.any(String) as string },
    });
  });

  it.each([
    '/../../etc/passwd',
    '/docs/../../package.json',
    '/docs/..%2f..%2fpackage.json',
    '/docs/%2e%2e/%2e%2e/package.json',
    '//evil.example/v1/models',
    '/v1/models/..%2f..%2f..',
  ])('and %s leads nowhere', async (path) => {
    const answer = await send(withKey(`GET ${path} HTTP/1.1`));
    expect([400, 403, 404]).toContain(answer.status);
    expect(answer.body).not.toMatch(/root:|"dependencies"/);
  });

  it.each(['/v1/models?%zz', '/v1/models?a[b]=c&__proto__[x]=1', `/v1/models?${'q'.repeat(4000)}`])(
    'while the query of %s is not read',
    async (path) => {
      expect((await send(withKey(`GET ${path} HTTP/1.1`))).status).toBe(200);
    },
  );
});

describe('an unknown method', () => {
  it.each(['PROPFIND', 'TRACE', 'LOCK', 'QUERY', 'PURGE', 'CONNECT', 'BREW', 'get'])(
    '%s is refused',
    async (method) => {
      const answer = await send(withKey(`${method} /v1/chat/completions HTTP/1.1`, 'Connection: close')).catch(
        () => null,
      );
      // CONNECT, which asks for a tunnel, may get no HTTP answer.
      if (answer !== null) expect([400, 404, 405, 501]).toContain(answer.status);
      else expect(method).toBe('CONNECT');
    },
  );
});

describe('headers', () => {
  it.each([
    ['10,000 of them', Array.from({ length: 10_000 }, (_, index) => `X-H${index}: 1`)],
    ['one of 100,000 bytes', [`X-Long: ${'x'.repeat(100_000)}`]],
    ['a key of 100,000 bytes', [`X-API-Key: sk_${'x'.repeat(100_000)}`]],
    ['a NUL', ['X-Bad: a\0b']],
    ['a bare line feed', ['X-Bad: a\nX-API-Key: sk_x']],
    ['no colon', ['X-Bad']],
    ['a blank before the colon', ['X-Bad : 1']],
    ['a body of two lengths', ['Content-Length: 5', 'Content-Length: 6']],
    ['a length and chunks', ['Content-Length: 5', 'Transfer-Encoding: chunked']],
    ['a negative length', ['Content-Length: -1']],
    ['a length of text', ['Content-Length: many']],
    ['an unknown transfer encoding', ['Transfer-Encoding: gzip']],
  ])('%s: refused with 4xx', async (_what, headers) => {
    const answer = await send(['POST /v1/chat/completions HTTP/1.1', 'Connection: close', ...headers]);
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.status).toBeLessThan(500);
  });

  it.each(['300 of them', 'every byte that may stand in one', 'a repeated name'])('%s: served', async (what) => {
    const headers = {
      '300 of them': Array.from({ length: 300 }, (_, index) => `X-${index}: 1`),
      'every byte that may stand in one': [
        `X-Bytes: ${Array.from({ length: 256 }, (_, byte) => byte)
          .filter((byte) => byte === 0x09 || (byte >= 0x20 && byte !== 0x7f))
          .map((byte) => String.fromCharCode(byte))
          .join('')}`,
      ],
      'a repeated name': ['X-Twice: 1', 'x-twice: 2', 'Content-Type: a/b', 'Cookie: a=b', 'Cookie: c=d'],
    }[what]!;
    expect((await send(withKey('GET /v1/models HTTP/1.1', ...headers))).status).toBe(200);
  });
});

describe('a connection that does not speak HTTP', () => {
  it.each([
    ['TLS', Buffer.from('16030100a5010000a10303', 'hex')],
    ['HTTP/2', Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')],
    ['binary', Buffer.alloc(2000, 0xfe)],
    ['a version of its own', Buffer.from('GET / HTTP/9.9\r\n\r\n')],
    ['a request without a host', Buffer.from('GET /v1/models HTTP/1.1\r\n\r\n')],
  ])('%s ends the connection, with 4xx or without an answer', async (_what, bytes) => {
    const connection = await RawConnection.open(service.baseUrl);
    connection.send(bytes);
    const answer = await connection.answer().catch(() => null);
    if (answer !== null) expect(Math.floor(answer.status / 100)).toBe(4);
    await connection.closed();
    connection.destroy();
  });

  it('a body that breaks off within a chunk gets 400 or no answer', async () => {
    const connection = await RawConnection.open(service.baseUrl);
    const head = withKey('POST /v1/chat/completions HTTP/1.1', 'Host: x', 'Transfer-Encoding: chunked');
    connection.send(`${head.join('\r\n')}\r\n\r\nzz\r\n`);
    const answer = await connection.answer().catch(() => null);
    if (answer !== null) expect(answer.status).toBe(400);
    connection.destroy();
  });

  it('two requests in one packet are two requests, each judged by itself', async () => {
    const connection = await RawConnection.open(service.baseUrl);
    const body = '{"model":"x"}';
    connection.send(
      `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nX-API-Key: ${key}\r\nContent-Length: ${body.length}\r\n\r\n${body}` +
        'GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n',
    );
    expect((await connection.answer()).status).toBe(400);
    expect((await connection.answer()).status).toBe(401);
    connection.destroy();
  });
});
