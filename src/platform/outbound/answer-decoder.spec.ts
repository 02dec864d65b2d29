import type { ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import { brotliCompressSync, createGzip, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { eventually } from '../../../test/support/eventually.js';
import { LoopbackListener } from '../../../test/support/loopback-listener.js';
import { RecordedAnswer } from '../../../test/support/recorded-answer.js';
import type { OutboundRequest } from './outbound-request.js';
import { OutboundHttp } from './outbound.js';

const TEXT = JSON.stringify({ said: 'Grüße, 日本語 '.repeat(5000) });
const MIB = 1024 * 1024;

class TextAnswer extends RecordedAnswer {
  readonly pieces: Buffer[] = [];
  onPiece: (() => void) | null = null;

  get text(): string {
    return Buffer.concat(this.pieces).toString('utf8');
  }

  override onData(chunk: Buffer): void {
    super.onData(chunk);
    this.pieces.push(Buffer.from(chunk));
    this.onPiece?.();
  }
}

describe('an answer that is compressed, although none was asked for', () => {
  let listener: LoopbackListener;
  let http: OutboundHttp;

  beforeAll(async () => {
    listener = await LoopbackListener.start({ addresses: ['127.0.0.1'] });
  });
  afterAll(() => listener.close());

  beforeEach(() => {
    listener.reset();
    http = outbound();
  });
  afterEach(() => http.onApplicationShutdown());

  function outbound(more: { providerCalls?: number } = {}): OutboundHttp {
    return new OutboundHttp({
      mode: 'development',
      connectTimeoutMs: 5000,
      outboundAllowCidrs: ['127.0.0.1/32'],
      ...more,
    });
  }

  function ask(more: Partial<OutboundRequest> = {}): TextAnswer {
    const answer = new TextAnswer();
    answer.call = http.dispatch(
      {
        policy: 'operator',
        origin: `http://127.0.0.1:${listener.port}`,
        path: '/',
        method: 'GET',
        headers: [],
        firstByteTimeoutMs: 20_000,
        idleTimeoutMs: 20_000,
        totalTimeoutMs: 20_000,
        ...more,
      },
      answer,
    );
    return answer;
  }

  function answers(coding: string, body: Buffer): void {
    listener.answer = (_request, response) => {
      response.writeHead(200, { 'content-encoding': coding, 'content-length': body.length, 'x-kept': 'yes' });
      response.end(body);
    };
  }

  it.each([
    ['gzip', gzipSync],
    ['x-gzip', gzipSync],
    [' GZIP', gzipSync],
    ['identity, gzip', gzipSync],
    ['deflate', deflateSync],
    ['deflate', deflateRawSync],
    ['br', brotliCompressSync],
    ['zstd', zstdCompressSync],
  ])('is decoded, and its headers are those of the decoded one: %s', async (coding, compress) => {
    answers(coding, compress(TEXT));
    const answer = ask();
    await answer.over;
    expect(answer.error).toBeNull();
    expect(answer.text).toBe(TEXT);
    expect(answer.headers).toMatchObject({ 'x-kept': 'yes' });
    expect(Object.keys(answer.headers)).not.toEqual(expect.arrayContaining(['content-encoding']));
    expect(Object.keys(answer.headers)).not.toEqual(expect.arrayContaining(['content-length']));
  });

  it('is read as JSON, within the bytes that its reader takes', async () => {
    answers('gzip', gzipSync(TEXT));
    const url = `http://127.0.0.1:${listener.port}/`;
    const limits = { timeoutMs: 20_000, maxBytes: MIB };
    expect((await http.fetchJson(url, limits)).body).toEqual(JSON.parse(TEXT));
    await expect(http.fetchJson(url, { ...limits, maxBytes: 10_000 })).rejects.toMatchObject({ reason: 'too_large' });
  });

  it('is handed on piece by piece as its server flushes it', async () => {
    let response: ServerResponse | undefined;
    const gzip = createGzip();
    const write = promisify((piece: string, done: () => void) => {
      gzip.write(piece);
      gzip.flush(done);
    });
    listener.answer = (_request, raw) => {
      response = raw;
      raw.writeHead(200, { 'content-encoding': 'gzip' });
      gzip.pipe(raw);
      void write('one ');
    };
    const answer = ask();
    await eventually(() => answer.text === 'one ');
    await write('two');
    await eventually(() => answer.text === 'one two');
    expect(response!.writableEnded).toBe(false);
    gzip.end();
    await answer.over;
    expect(answer.error).toBeNull();
  });

  it('that unfolds to more than its reader takes is left, and handed on in small pieces', async () => {
    answers('gzip', gzipSync(Buffer.alloc(64 * MIB)));
    const answer = ask({ policy: 'tenant', maxBytes: MIB });
    await answer.over;
    expect(answer.error).toMatchObject({ reason: 'too_large' });
    expect(answer.bytes).toBeLessThanOrEqual(MIB);
    expect(Math.max(...answer.pieces.map(({ length }) => length))).toBeLessThanOrEqual(16 * 1024);
  });

  it('is not decoded while its reader pauses', async () => {
    answers('gzip', gzipSync(Buffer.alloc(8 * MIB)));
    const answer = ask();
    answer.onPiece = () => answer.call!.pause();
    await eventually(() => answer.bytes > 0);
    const taken = answer.bytes;
    // Another answer comes meanwhile, whole.
    const other = ask();
    await other.over;
    expect([other.bytes, answer.bytes]).toEqual([8 * MIB, taken]);
    answer.onPiece = null;
    answer.call!.resume();
    await answer.over;
    expect(answer.bytes).toBe(8 * MIB);
  });

  it('is paused before its first byte, too, and goes on', async () => {
    answers('br', brotliCompressSync(TEXT));
    const answer = ask();
    answer.call!.pause();
    const other = ask();
    await other.over;
    expect(answer.bytes).toBe(0);
    answer.call!.resume();
    await answer.over;
    expect(answer.text).toBe(TEXT);
  });

  it('that breaks off is handed on up to there, and fails', async () => {
    const random = Buffer.from(Array.from({ length: 200_000 }, (_, index) => (index * 7919) % 251));
    const whole = gzipSync(random);
    listener.answer = (_request, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': whole.length });
      response.write(whole.subarray(0, whole.length - 20), () => response.destroy());
    };
    const answer = ask();
    await answer.over;
    expect(answer.error).toMatchObject({ reason: 'broken' });
    expect(answer.bytes).toBeGreaterThan(0);
    expect(random.subarray(0, answer.bytes)).toEqual(Buffer.concat(answer.pieces));
  });

  it('is whole although its server forgot the end of its coding', async () => {
    answers('gzip', gzipSync(TEXT).subarray(0, -8));
    const answer = ask();
    await answer.over;
    expect([answer.error, answer.text]).toEqual([null, TEXT]);
  });

  it.each([
    ['gzip', Buffer.from([0x1f, 0x8b, 0xff, 0xff, 1, 2, 3])],
    ['br', Buffer.from('{"said":"Hello, this is plain text"}')],
  ])('and is not what it says fails: %s', async (coding, body) => {
    answers(coding, body);
    const answer = ask();
    await answer.over;
    expect(answer.error).toMatchObject({ reason: 'broken' });
  });

  it.each([
    ['gzip', Buffer.from(TEXT)],
    ['zstd', Buffer.from(TEXT)],
  ])('is taken as it is where only its header says so: %s', async (coding, body) => {
    answers(coding, body);
    const answer = ask();
    await answer.over;
    expect([answer.error, answer.text]).toEqual([null, TEXT]);
  });

  it('is handed on undecoded, with its header, where it is compressed twice or in an unknown way', async () => {
    for (const coding of ['gzip, gzip', 'compress']) {
      const body = gzipSync(gzipSync(TEXT));
      answers(coding, body);
      const answer = ask();
      await answer.over;
      expect(Buffer.concat(answer.pieces)).toEqual(body);
      expect(answer.headers).toMatchObject({ 'content-encoding': coding });
    }
  });

  it("does not hold much memory for many of tenants' servers: 16 with large windows, gzip besides", async () => {
    const part = brotliCompressSync(TEXT).subarray(0, 20);
    listener.answer = (request, response) => {
      const isGzip = request.url === '/gzip';
      response.writeHead(200, { 'content-encoding': isGzip ? 'gzip' : 'br' });
      if (isGzip) response.end(gzipSync(TEXT));
      else response.write(part);
    };
    const open = Array.from({ length: 16 }, () => ask({ policy: 'tenant' }));
    await eventually(() => listener.requests.length === 16 && open.every(({ status }) => status === 200));
    const refused = ask({ policy: 'tenant' });
    await refused.over;
    expect(refused.error).toMatchObject({ reason: 'broken', message: expect.stringMatching(/gzip/) as string });
    const gzip = ask({ policy: 'tenant', path: '/gzip' });
    await gzip.over;
    expect(gzip.text).toBe(TEXT);
    for (const one of open) one.call!.abort();
    answers('br', brotliCompressSync(TEXT));
    const next = ask({ policy: 'tenant' });
    await next.over;
    expect([next.error, next.text]).toEqual([null, TEXT]);
  });

  describe.each([
    ['gzip', gzipSync, 0],
    ['deflate', deflateSync, 1],
    ['deflate', deflateRawSync, 1],
    ['br', brotliCompressSync, 1],
    // Whatever follows a frame must be another one.
    ['zstd', zstdCompressSync, 1],
  ])('with bytes behind its end: %s', (coding, compress, padding) => {
    it.each(['operator', 'tenant'] as const)('gives its place back, of %s', async (policy) => {
      await http.onApplicationShutdown();
      http = outbound({ providerCalls: 1 });
      answers(coding, Buffer.concat([compress(TEXT), Buffer.alloc(MIB, padding)]));
      const padded = ask({ policy });
      await padded.over;
      expect(padded.text).toBe(TEXT);
      if (coding === 'zstd') expect(padded.error).toMatchObject({ reason: 'broken' });
      else expect(padded.error).toBeNull();
      await eventually(() => listener.open === 0);
      answers(coding, compress(TEXT));
      const next = ask({ policy });
      await next.over;
      expect([next.error, next.text]).toEqual([null, TEXT]);
    });
  });

  describe('in frames of zstd', () => {
    const FRAMES = Array.from({ length: 300 }, (_, index) => `${index}: ${'Grüße '.repeat(index % 40)}`);
    const whole = Buffer.concat(FRAMES.map((text) => zstdCompressSync(text)));

    it('is whole where many come in one packet', async () => {
      answers('zstd', whole);
      const answer = ask();
      await answer.over;
      expect(answer.error).toBeNull();
      expect(answer.text).toBe(FRAMES.join(''));
    });

    it.each([1, 7, 1000, 20_000])('is whole where packets cut them: %d bytes', async (size) => {
      const write = async (response: ServerResponse): Promise<void> => {
        for (let at = 0; at < whole.length; at += size) {
          response.write(whole.subarray(at, at + size));
          if (at % 50 === 0) await new Promise(setImmediate);
        }
        response.end();
      };
      listener.answer = (_request, response) => {
        response.writeHead(200, { 'content-encoding': 'zstd' });
        void write(response);
      };
      const answer = ask();
      answer.onPiece = () => {
        answer.call!.pause();
        setImmediate(() => answer.call!.resume());
      };
      await answer.over;
      expect(answer.error).toBeNull();
      expect(answer.text).toBe(FRAMES.join(''));
    });

    it('fails where it breaks off behind a frame, or within one', async () => {
      const first = zstdCompressSync(FRAMES[39] as string);
      for (const length of [first.length, first.length + 2, first.length + 12]) {
        listener.answer = (_request, response) => {
          response.writeHead(200, { 'content-encoding': 'zstd', 'content-length': whole.length });
          const part = Buffer.concat([first, first]).subarray(0, length);
          response.write(part, () => response.destroy());
        };
        const answer = ask();
        await answer.over;
        expect(answer.error).toMatchObject({ reason: 'broken' });
      }
    });

    it('fails where thousands of them have nothing in them', async () => {
      answers('zstd', Buffer.concat(Array.from({ length: 5000 }, () => zstdCompressSync(''))));
      const answer = ask();
      await answer.over;
      expect(answer.error).toMatchObject({ reason: 'broken' });
    });
  });
});
