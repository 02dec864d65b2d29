import { createServer, type Server } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Server as TcpServer } from 'node:net';
import { pause } from '../../../test/support/eventually.js';
import { OpenaiUpstream, eventOf } from '../../../test/support/openai-upstream.js';
import type { OutboundCall, OutboundError, OutboundHandler, OutboundRequest } from './outbound-request.js';
import { OutboundHttp } from './outbound.js';

/** Records an answer, and resolves when it has ended. */
class Recorder implements OutboundHandler {
  /** Whether it waits for an answer that does not begin in time. */
  waits = false;
  status = 0;
  text = '';
  pieces = 0;
  error: OutboundError | null = null;
  call: OutboundCall | null = null;
  onPiece: (() => void) | null = null;
  readonly over: Promise<void>;
  private end: () => void = () => undefined;

  constructor() {
    this.over = new Promise((resolve) => {
      this.end = resolve;
    });
  }

  onLate(): boolean {
    return this.waits;
  }

  onHeaders(status: number): void {
    this.status = status;
  }

  onData(chunk: Buffer): void {
    this.text += chunk.toString('utf8');
    this.pieces += 1;
    this.onPiece?.();
  }

  onEnd(): void {
    this.end();
  }

  onError(error: OutboundError): void {
    this.error = error;
    this.end();
  }
}

describe('OutboundHttp', () => {
  let upstream: OpenaiUpstream;
  let http: OutboundHttp;

  beforeEach(async () => {
    upstream = await OpenaiUpstream.start();
    http = new OutboundHttp({ connectTimeoutMs: 5000 });
  });

  afterEach(async () => {
    await http.onApplicationShutdown();
    await upstream.close();
  });

  function send(overrides: Partial<OutboundRequest> = {}): Recorder {
    const recorder = new Recorder();
    recorder.call = http.dispatch(
      {
        policy: 'operator',
        origin: new URL(upstream.baseUrl).origin,
        path: '/v1/chat/completions',
        method: 'POST',
        headers: ['content-type', 'application/json'],
        body: '{"model":"gpt-4o-mini","messages":[{}]}',
        firstByteTimeoutMs: 5000,
        idleTimeoutMs: 5000,
        totalTimeoutMs: 5000,
        ...overrides,
      },
      recorder,
    );
    return recorder;
  }

  /** Opens the connection that the next call is sent on at once, however short its times are. */
  async function connect(): Promise<void> {
    await send().over;
    // A connection is free again a moment after its answer was read.
    await pause(10);
  }

  it('passes on the status and every byte of an answer', async () => {
    upstream.next({ kind: 'body', status: 418, body: 'short and stout' });
    const answer = send();
    await answer.over;
    expect(answer).toMatchObject({ status: 418, text: 'short and stout', error: null });
  });

  it("sends the given body and headers, and none of its own beyond HTTP's", async () => {
    const answer = send({
      headers: ['content-type', 'application/json', 'x-one', '1'],
      body: '{"stream":false,"model":"m"}',
    });
    await answer.over;
    const received = await upstream.request();
    expect(received.body.toString()).toBe('{"stream":false,"model":"m"}');
    expect(Object.keys(received.headers).sort()).toEqual([
      'connection',
      'content-length',
      'content-type',
      'host',
      'x-one',
    ]);
  });

  it('calls a refused connection `connect`', async () => {
    const { origin } = new URL(upstream.baseUrl);
    await upstream.close();
    const answer = send({ origin });
    await answer.over;
    expect(answer.error?.reason).toBe('connect');
  });

  it('calls an unknown host `connect`', async () => {
    const answer = send({ origin: 'http://nowhere.invalid' });
    await answer.over;
    expect(answer.error?.reason).toBe('connect');
  });

  it('calls an answer that does not begin `timeout`, and closes the connection', async () => {
    await connect();
    upstream.next({ kind: 'hang' });
    const answer = send({ firstByteTimeoutMs: 60 });
    await answer.over;
    expect(answer.error?.reason).toBe('timeout');
    await upstream.abort(2);
  });

  it('waits for a late answer where its handler does, until the total time is over', async () => {
    await connect();
    upstream.next({ kind: 'body', body: 'late', delayMs: 200 });
    const answer = send({ firstByteTimeoutMs: 60 });
    answer.waits = true;
    await answer.over;
    expect(answer).toMatchObject({ text: 'late', error: null });

    await pause(10);
    upstream.next({ kind: 'hang' });
    const hanging = send({ firstByteTimeoutMs: 60, totalTimeoutMs: 200 });
    hanging.waits = true;
    await hanging.over;
    expect(hanging.error?.reason).toBe('timeout');
    await upstream.abort(3);
  });

  it('does not wait for a late answer to a request that it could not send yet', async () => {
    // Accepts connections, and never shakes hands.
    const silent: TcpServer = createTcpServer(() => undefined);
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as AddressInfo;
    const answer = send({ origin: `https://127.0.0.1:${port}`, firstByteTimeoutMs: 60 });
    answer.waits = true;
    await answer.over;
    silent.close();
    expect(answer.error?.reason).toBe('timeout');
  });

  it('calls a silence within an answer `timeout`, after the part before it', async () => {
    upstream.next({ kind: 'stream', pieces: ['one', 'two', 'three'], stallAfter: 2 });
    const answer = send({ idleTimeoutMs: 1000 });
    await answer.over;
    expect(answer.error?.reason).toBe('timeout');
    expect(answer.text).toBe('onetwo');
    await upstream.abort();
  });

  it('ends an answer that never pauses but takes too long', async () => {
    upstream.next({ kind: 'stream', pieces: Array.from({ length: 500 }, (_, index) => eventOf(index)), delayMs: 10 });
    const answer = send({ firstByteTimeoutMs: 1000, totalTimeoutMs: 1500 });
    await answer.over;
    expect(answer.error?.reason).toBe('timeout');
    expect(answer.pieces).toBeGreaterThan(0);
    await upstream.abort();
  });

  it.each([
    ['before the headers', { kind: 'cut' } as const],
    ['within a body of known length', { kind: 'break', part: '{"id":' } as const],
    ['within a stream', { kind: 'stream', pieces: ['one', 'two'], breakAfter: 1 } as const],
  ])('calls a connection that is cut %s `broken`', async (_where, answer) => {
    upstream.next(answer);
    const recorder = send();
    await recorder.over;
    expect(recorder.error?.reason).toBe('broken');
  });

  it('calls nothing more once a call is aborted, and the other side sees it', async () => {
    upstream.next({ kind: 'stream', pieces: Array.from({ length: 500 }, (_, index) => eventOf(index)), delayMs: 5 });
    const answer = send();
    const heard = await new Promise<number>((resolve) => {
      answer.onPiece = () => {
        answer.call?.abort();
        resolve(answer.pieces);
      };
    });
    await upstream.abort();
    expect(answer.pieces).toBe(heard);
    expect(answer.error).toBeNull();
  });

  it('never sends a call that was aborted while it waited for its connection', async () => {
    send().call?.abort();
    const answer = send();
    await answer.over;
    expect(upstream.requests).toHaveLength(1);
  });

  it('stops reading while it is paused, and continues from there', async () => {
    const piece = 'x'.repeat(64 * 1024);
    upstream.next({ kind: 'stream', pieces: Array.from({ length: 200 }, () => piece), done: false });
    const answer = send({ idleTimeoutMs: 1000 });
    await new Promise<void>((resolve) => {
      answer.onPiece = () => {
        answer.call?.pause();
        answer.onPiece = null;
        resolve();
      };
    });
    // Twice the idle timeout: a silence that we caused is not the provider's.
    await pause(2000);
    expect(answer.text.length).toBeLessThan(200 * piece.length);
    expect((await upstream.request()).answered).toBe(false);
    answer.call?.resume();
    await answer.over;
    expect(answer.error).toBeNull();
    expect(answer.text).toHaveLength(200 * piece.length);
  });

  it('does not follow a redirect', async () => {
    upstream.next({ kind: 'body', status: 302, headers: { location: '/v1/models' }, body: '' });
    const answer = send();
    await answer.over;
    expect(answer.status).toBe(302);
    expect(upstream.otherRequests).toHaveLength(0);
  });

  it('ends open calls with an error when it closes', async () => {
    upstream.next({ kind: 'hang' });
    const answer = send();
    await upstream.request();
    await http.onApplicationShutdown();
    await answer.over;
    expect(answer.error?.reason).toBe('aborted');
  });

  it("fails where the handler's end callback throws", async () => {
    const answer = send();
    answer.onEnd = () => {
      throw new Error('no room');
    };
    await answer.over;
    expect(answer.error?.reason).toBe('broken');
  });

  describe('fetchJson', () => {
    it('reads a JSON document', async () => {
      const answer = await http.fetchJson(`${upstream.baseUrl}/models?a=1`, {
        timeoutMs: 1000,
        maxBytes: 10_000,
        headers: { 'x-one': '1' },
      });
      expect(answer).toMatchObject({ status: 200, body: { object: 'list' } });
      expect(answer.headers['content-type']).toBe('application/json');
      expect(upstream.otherRequests[0]).toMatchObject({
        path: '/v1/models?a=1',
        headers: { 'x-one': '1', accept: 'application/json' },
      });
    });

    it('has no body where the answer is not JSON', async () => {
      const server = await listen((_request, response) => response.writeHead(404).end('404 page not found'));
      const answer = await http.fetchJson(server.url, { timeoutMs: 1000, maxBytes: 1000 });
      await server.close();
      expect(answer).toMatchObject({ status: 404, body: undefined });
    });

    it('refuses more than the caller accepts', async () => {
      const server = await listen((_request, response) => response.end(JSON.stringify('x'.repeat(5000))));
      await expect(http.fetchJson(server.url, { timeoutMs: 1000, maxBytes: 1000 })).rejects.toMatchObject({
        reason: 'too_large',
      });
      await server.close();
    });

    it('gives up after its time, even where bytes keep coming', async () => {
      const server = await listen((_request, response) => {
        const timer = setInterval(() => response.write(' '), 10);
        response.on('close', () => clearInterval(timer));
      });
      await expect(http.fetchJson(server.url, { timeoutMs: 100, maxBytes: 1000 })).rejects.toMatchObject({
        reason: 'timeout',
      });
      await server.close();
    });

    it('gives up on a server that accepts and sends nothing', async () => {
      const silent: TcpServer = createTcpServer(() => undefined);
      await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
      const { port } = silent.address() as AddressInfo;
      await expect(http.fetchJson(`http://127.0.0.1:${port}/`, { timeoutMs: 60, maxBytes: 10 })).rejects.toMatchObject({
        reason: 'timeout',
      });
      silent.close();
    });
  });
});

async function listen(
  onRequest: Parameters<typeof createServer>[1],
): Promise<{ url: string; close: () => Promise<void> }> {
  const server: Server = createServer(onRequest as never);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
