import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pause } from '../../../test/support/eventually.js';
import { OutboundHttp, type Fetch, type FetchOptions } from './index.js';

let server: Server;
let origin: string;
let answer: (request: IncomingMessage, response: ServerResponse, body: string) => void;
let requests: { method: string; url: string; headers: IncomingMessage['headers']; body: string }[];
let outbound: OutboundHttp;

beforeEach(async () => {
  requests = [];
  answer = (_request, response) => response.end('{}');
  server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      requests.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers, body });
      answer(request, response, body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  outbound = new OutboundHttp({ connectTimeoutMs: 1000 });
});

afterEach(async () => {
  await outbound.onApplicationShutdown();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const TIMEOUTS = { firstByteTimeoutMs: 2000, idleTimeoutMs: 2000, totalTimeoutMs: 5000 };

function fetchWith(options: Partial<FetchOptions> = {}): Fetch {
  return outbound.fetchFor({
    policy: 'operator',
    origins: [origin],
    timeouts: TIMEOUTS,
    maxBytes: 1_000_000,
    ...options,
  });
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe('a fetch for a provider package', () => {
  it("sends the package's method, path, headers and body, and returns status, headers and body", async () => {
    answer = (_request, response) => {
      response.writeHead(429, { 'content-type': 'application/json', 'retry-after': '7', 'set-cookie': 'a=b' });
      response.end('{"error":"slow down"}');
    };
    const response = await fetchWith()(`${origin}/v1/messages?beta=true`, {
      method: 'post',
      headers: { 'X-Api-Key': 'secret', 'content-type': 'application/json' },
      body: '{"a":1}',
    });
    expect(response.status).toBe(429);
    expect(response.headers.get('retry-after')).toBe('7');
    expect(response.headers.get('set-cookie')).toBeNull();
    expect(await response.json()).toEqual({ error: 'slow down' });
    expect(requests).toMatchObject([{ method: 'POST', url: '/v1/messages?beta=true', body: '{"a":1}' }]);
    expect(requests[0]?.headers).toMatchObject({ 'x-api-key': 'secret', 'content-type': 'application/json' });
  });

  it('sends our own headers for the connection, whatever the package sets', async () => {
    await fetchWith()(`${origin}/`, {
      headers: { 'user-agent': 'package/1', 'accept-encoding': 'gzip', host: 'elsewhere.example', te: 'trailers' },
    });
    expect(requests[0]?.headers).toEqual({
      host: new URL(origin).host,
      connection: 'keep-alive',
      'accept-encoding': 'identity',
      'user-agent': 'gatehouse',
    });
  });

  it('sends bytes unchanged', async () => {
    const bytes = new TextEncoder().encode('xxé').subarray(1);
    await fetchWith()(`${origin}/`, { method: 'POST', body: bytes });
    expect(requests[0]?.body).toBe('xé');
  });

  it.each<[string, () => [string | URL | Request, RequestInit?]]>([
    ['to an origin that the credential is not for', () => ['http://127.0.0.2:1/']],
    ['by a method that no provider needs', () => [origin, { method: 'DELETE' }]],
    ['with a body that is neither text nor bytes', () => [origin, { method: 'POST', body: new FormData() }]],
    ['that is a Request, whose body would be read before it is seen', () => [new Request(origin)]],
    ['that was aborted before', () => [origin, { signal: AbortSignal.abort() }]],
  ])('sends nothing %s', async (_what, request) => {
    await expect(fetchWith()(...request())).rejects.toThrow();
    expect(requests).toEqual([]);
  });

  it('shows the bytes before they are sent, and sends nothing where that is refused', async () => {
    const seen: unknown[] = [];
    const onRequest: FetchOptions['onRequest'] = (url, body) => {
      seen.push([url.pathname, body]);
      if (body === '{"max_tokens":40400}') throw new Error('More than was reserved.');
    };
    const fetchIt = fetchWith({ onRequest });
    await fetchIt(`${origin}/v1`, { method: 'POST', body: '{"max_tokens":2000}' });
    await expect(fetchIt(`${origin}/v1`, { method: 'POST', body: '{"max_tokens":40400}' })).rejects.toThrow(
      'More than was reserved.',
    );
    expect(seen).toEqual([
      ['/v1', '{"max_tokens":2000}'],
      ['/v1', '{"max_tokens":40400}'],
    ]);
    expect(requests).toHaveLength(1);
  });

  it('reaches no private address for a tenant', async () => {
    await expect(fetchWith({ policy: 'tenant' })(`${origin}/`)).rejects.toMatchObject({ reason: 'forbidden' });
    expect(requests).toEqual([]);
  });

  it('follows no redirect, and returns it as the answer', async () => {
    answer = (_request, response) => response.writeHead(307, { location: `${origin}/elsewhere` }).end();
    const response = await fetchWith()(`${origin}/`);
    expect([response.status, response.headers.get('location')]).toEqual([307, `${origin}/elsewhere`]);
    expect(requests).toHaveLength(1);
  });

  it('returns no body for an answer without one', async () => {
    answer = (_request, response) => response.writeHead(204).end();
    const response = await fetchWith()(`${origin}/`);
    expect([response.status, response.body]).toEqual([204, null]);
  });

  it('reads no more of an answer than allowed, also from an address that a tenant chose', async () => {
    answer = (_request, response) => response.end('x'.repeat(2000));
    const response = await fetchWith({ maxBytes: 1000 })(`${origin}/`);
    await expect(response.text()).rejects.toMatchObject({ reason: 'too_large' });
  });

  it('ends an answer that does not begin, or stops, in time', async () => {
    answer = () => undefined;
    const late = fetchWith({ timeouts: { ...TIMEOUTS, firstByteTimeoutMs: 50 } });
    await expect(late(`${origin}/`)).rejects.toMatchObject({ reason: 'timeout' });
    answer = (_request, response) => response.write('begun');
    const silent = await fetchWith({ timeouts: { ...TIMEOUTS, idleTimeoutMs: 50 } })(`${origin}/`);
    await expect(silent.text()).rejects.toMatchObject({ reason: 'timeout' });
  });

  it('waits longer for an answer that does not begin in time where the caller says so', async () => {
    // On the open connection the request is sent before its short time is over.
    await fetchWith()(`${origin}/`).then((response) => response.text());
    await pause(10);
    let late = 0;
    answer = (_request, response) => setTimeout(() => response.end('{}'), 400);
    const timeouts = { ...TIMEOUTS, firstByteTimeoutMs: 100 };
    const response = await fetchWith({ timeouts, onLate: () => (late += 1) > 0 })(`${origin}/`);
    expect(await response.text()).toBe('{}');
    expect(late).toBe(1);
  });

  it("fails where it can't connect", async () => {
    const gone = 'http://127.0.0.1:1';
    await expect(fetchWith({ origins: [gone] })(gone)).rejects.toMatchObject({ reason: 'connect' });
  });

  it.each(['before the answer begins', 'within the answer'])('is aborted %s, and the server sees it', async (when) => {
    let closed = false;
    answer = (_request, response) => {
      response.on('close', () => (closed = true));
      if (when === 'within the answer') response.write('begun');
    };
    const abort = new AbortController();
    const answered = fetchWith()(`${origin}/`, { signal: abort.signal });
    if (when === 'within the answer') {
      const response = await answered;
      abort.abort(new Error('The caller has gone.'));
      await expect(response.text()).rejects.toThrow('The caller has gone.');
    } else {
      await until(() => requests.length === 1);
      abort.abort(new Error('The caller has gone.'));
      await expect(answered).rejects.toThrow('The caller has gone.');
    }
    await until(() => closed);
  });

  it('streams as data arrives, and stops the server where the reader has enough', async () => {
    let closed = false;
    let more: () => void = () => undefined;
    answer = (_request, response) => {
      response.on('close', () => (closed = true));
      response.write('one');
      more = () => response.write('two');
    };
    const { body } = await fetchWith()(`${origin}/`);
    const reader = body!.getReader();
    expect(Buffer.from((await reader.read()).value).toString()).toBe('one');
    more();
    expect(Buffer.from((await reader.read()).value).toString()).toBe('two');
    await reader.cancel();
    await until(() => closed);
  });

  it('makes the server wait for a reader who reads nothing, and loses no byte', async () => {
    const chunk = Buffer.alloc(64 * 1024, 'x');
    const chunks = 512;
    let written = 0;
    answer = (_request, response) => {
      const write = (): void => {
        while (written < chunks) {
          written += 1;
          if (!response.write(chunk)) return void response.once('drain', write);
        }
        response.end();
      };
      write();
    };
    const response = await fetchWith({ maxBytes: 64 * 1024 * 1024 })(`${origin}/`);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(written).toBeLessThan(chunks);
    expect((await response.arrayBuffer()).byteLength).toBe(chunks * chunk.length);
  });
});
