import { DnsServer } from '../../../test/support/dns-server.js';
import { eventually } from '../../../test/support/eventually.js';
import { LoopbackListener } from '../../../test/support/loopback-listener.js';
import { RecordedAnswer } from '../../../test/support/recorded-answer.js';
import type { OutboundRequest } from './outbound-request.js';
import { OutboundHttp, type OutboundSettings } from './outbound.js';

/** Stands for a public address, since it is allowed: a test sends nothing to the internet. */
const PUBLIC = '127.0.0.2';
const PUBLIC_ONLY = [`${PUBLIC}/32`];
const NAME = 'issuer.example.com';
const LIMITS = { timeoutMs: 5000, maxBytes: 10_000 };

describe('a server that a tenant chose', () => {
  let names: DnsServer;
  let listener: LoopbackListener;
  let clients: OutboundHttp[];

  beforeAll(async () => {
    names = await DnsServer.start();
    names.set(NAME, [PUBLIC]);
    listener = await LoopbackListener.start({ addresses: ['127.0.0.1', PUBLIC] });
  });

  afterAll(async () => {
    await listener.close();
    await names.close();
  });

  beforeEach(() => {
    clients = [];
    listener.reset();
  });

  afterEach(async () => {
    await Promise.all(clients.map((client) => client.onApplicationShutdown()));
  });

  function client(outboundAllowCidrs: readonly string[], settings: Partial<OutboundSettings> = {}): OutboundHttp {
    const http = new OutboundHttp({ mode: 'development', connectTimeoutMs: 5000, outboundAllowCidrs, ...settings });
    clients.push(http);
    return http;
  }

  const get = (http: OutboundHttp, url: string): ReturnType<OutboundHttp['fetchJson']> =>
    http.fetchJson(url, { ...LIMITS, policy: 'tenant' });

  const urlOf = (host: string, path = '/'): string => `http://${host}:${listener.port}${path}`;

  function dispatch(http: OutboundHttp, origin: string, overrides: Partial<OutboundRequest> = {}): RecordedAnswer {
    const recorder = new RecordedAnswer();
    recorder.call = http.dispatch(
      {
        policy: 'tenant',
        origin,
        path: '/',
        method: 'POST',
        headers: ['content-type', 'application/json'],
        body: '{}',
        firstByteTimeoutMs: 5000,
        idleTimeoutMs: 5000,
        totalTimeoutMs: 5000,
        ...overrides,
      },
      recorder,
    );
    return recorder;
  }

  it('is reached although its name server never answers the question for IPv6', async () => {
    names.hold(NAME, 'AAAA');
    try {
      expect(await get(client(PUBLIC_ONLY), urlOf(NAME))).toMatchObject({ status: 200 });
    } finally {
      names.release();
    }
  });

  it('is given up where its name server never answers at all, before anything is sent', async () => {
    names.set('silent.example.com', [PUBLIC]);
    names.hold('silent.example.com', 'A');
    names.hold('silent.example.com', 'AAAA');
    try {
      const http = client(PUBLIC_ONLY, { connectTimeoutMs: 200 });
      await expect(get(http, urlOf('silent.example.com'))).rejects.toMatchObject({ reason: 'connect' });
    } finally {
      names.release();
    }
    expect(listener.connections).toEqual([]);
  });

  it('is read only up to the allowed size, and then disconnected', async () => {
    listener.answer = (_request, response) => response.end('x'.repeat(200_000));
    const http = client(PUBLIC_ONLY);
    const recorder = dispatch(http, urlOf(PUBLIC, ''), { maxBytes: 100_000 });
    await recorder.over;
    expect(recorder.error).toMatchObject({ reason: 'too_large' });
    expect(recorder.bytes).toBeLessThanOrEqual(100_000);
    await expect(get(http, urlOf(PUBLIC))).rejects.toMatchObject({ reason: 'too_large' });
    await eventually(() => expect(listener.open).toBe(0));
  });

  it('has a default size limit', async () => {
    const chunk = Buffer.alloc(1024 * 1024);
    listener.answer = (_request, response) => {
      const more = (): void => {
        while (!response.destroyed && response.write(chunk));
        if (!response.destroyed) response.once('drain', more);
      };
      more();
    };
    const recorder = dispatch(client(PUBLIC_ONLY), urlOf(PUBLIC, ''), { totalTimeoutMs: 25_000 });
    await recorder.over;
    expect(recorder.error).toMatchObject({ reason: 'too_large' });
    expect(recorder.bytes).toBeLessThanOrEqual(64 * 1024 * 1024);
  });

  it('gets no longer than its time, even where bytes keep coming', async () => {
    listener.answer = (_request, response) => {
      const timer = setInterval(() => response.write(' '), 10);
      response.on('close', () => clearInterval(timer));
    };
    await expect(
      client(PUBLIC_ONLY).fetchJson(urlOf(PUBLIC), { policy: 'tenant', timeoutMs: 200, maxBytes: 10_000 }),
    ).rejects.toMatchObject({ reason: 'timeout' });
  });

  it.each([
    [
      'switches protocols unasked',
      'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n',
      'broken',
    ],
    ['sends headers without end', `HTTP/1.1 200 OK\r\n${'x-filler: 0123456789abcdef\r\n'.repeat(4000)}`, 'broken'],
    ['speaks something else', 'SSH-2.0-OpenSSH_9.2p1\r\n', 'broken'],
    [
      'is of two minds about its length',
      'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}',
      'broken',
    ],
    ['answers early and for ever', 'HTTP/1.1 103 Early Hints\r\nlink: <x>\r\n\r\n'.repeat(1000), 'timeout'],
  ])('does no harm where it %s', async (_what, bytes, reason) => {
    listener.answer = (request) => request.socket.write(bytes);
    const http = client(PUBLIC_ONLY);
    // Only an answer that never ends uses up its time.
    const timeoutMs = reason === 'timeout' ? 300 : 10_000;
    const call = http.fetchJson(urlOf(PUBLIC), { policy: 'tenant', timeoutMs, maxBytes: 10_000 });
    await expect(call).rejects.toMatchObject({ name: 'OutboundError', reason });
    await eventually(() => expect(listener.open).toBe(0));
  });

  it('gets a call that can be paused, resumed and aborted, refused or not', async () => {
    const http = client(PUBLIC_ONLY);
    const refused = dispatch(http, urlOf('127.0.0.1', ''));
    refused.call?.pause();
    refused.call?.resume();
    refused.call?.abort();
    expect(refused.error?.reason).toBe('forbidden');

    listener.answer = () => undefined;
    const aborted = dispatch(http, urlOf(PUBLIC, ''));
    await eventually(() => expect(listener.requests).toHaveLength(1));
    aborted.call?.abort();
    await eventually(() => expect(listener.open).toBe(0));
    expect(aborted.error).toBeNull();
  });
});
