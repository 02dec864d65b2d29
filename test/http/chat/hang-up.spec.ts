import http from 'node:http';
import { eventually } from '../../support/eventually.js';
import { UPSTREAM_MODEL, completion, streamPieces, usageOf } from '../../support/openai-upstream.js';
import { startService, type TestService } from '../../support/service.js';
import { clearLedger, ledgerOf, settledCall, settledCalls } from '../ledger.js';
import { OpenStream } from '../open-stream.js';
import { RawConnection } from '../raw-http.js';

let service: TestService;
let key: string;

beforeAll(async () => {
  service = await startService();
  ({ key } = await service.createKey(await service.createOrg('founder')));
});

afterAll(() => service.stop());

beforeEach(async () => {
  service.upstream.reset();
  await clearLedger(service);
});

const body = (fields: object = {}): object => ({
  model: UPSTREAM_MODEL,
  messages: [{ role: 'user', content: 'Count, please.' }],
  ...fields,
});
const WORDS = Array.from({ length: 2000 }, (_, index) => ` word${index}`);

describe('a caller that hangs up', () => {
  it('within a stream stops the upstream, and pays for what arrived until then', async () => {
    service.upstream.next({ kind: 'stream', pieces: streamPieces({ words: WORDS }), delayMs: 5 });
    const stream = OpenStream.start(service, key, body({ stream: true }));
    await stream.until('word9"');
    stream.hangUp();
    await service.upstream.abort();
    const row = await settledCall(service);
    expect(row).toMatchObject({ outcome: 'CLIENT_ABORTED', status_code: 200, estimated: true });
    expect(row.input_tokens).toBeGreaterThan(3);
    // Ten words of two or three tokens each, and not the two thousand that were to come.
    expect(row.output_tokens).toBeGreaterThanOrEqual(10);
    expect(row.output_tokens).toBeLessThan(2000);
  });

  it('pays by the provider’s own report where it had arrived', async () => {
    const pieces = streamPieces({ words: ['Hello'] }).map((chunk, index) => ({ ...chunk, usage: usageOf(7, index) }));
    service.upstream.next({ kind: 'stream', pieces: [...pieces, 'data: '], stallAfter: 3 });
    const stream = OpenStream.start(service, key, body({ stream: true }));
    await stream.until('"finish_reason":"stop"');
    stream.hangUp();
    await service.upstream.abort();
    expect(await settledCall(service)).toMatchObject({
      outcome: 'CLIENT_ABORTED',
      estimated: false,
      input_tokens: 7,
      output_tokens: 2,
    });
  });

  it('before an answer that is not streamed pays what the answer reports', async () => {
    let goOn: () => void = () => undefined;
    const after = new Promise<void>((resolve) => (goOn = resolve));
    service.upstream.next({ kind: 'body', body: completion({ usage: usageOf(7, 20) }), after });
    const open = OpenStream.start(service, key, body());
    await service.upstream.request();
    open.hangUp();
    expect((await service.call('GET', '/v1/models', { headers: { 'x-api-key': key } })).status).toBe(200);
    goOn();
    expect(await settledCall(service)).toMatchObject({
      outcome: 'CLIENT_ABORTED',
      status_code: 200,
      input_tokens: 7,
      output_tokens: 20,
      estimated: false,
    });
  });

  it('before the stream begins stops the upstream', async () => {
    service.upstream.next({ kind: 'hang' });
    const open = OpenStream.start(service, key, body({ stream: true }));
    await service.upstream.request();
    open.hangUp();
    await service.upstream.abort();
    expect(await settledCall(service)).toMatchObject({
      outcome: 'CLIENT_ABORTED',
      status_code: null,
      output_tokens: 0,
    });
  });

  it('after the end mark got a whole answer, although the upstream keeps the connection open', async () => {
    service.upstream.next({
      kind: 'stream',
      pieces: [...streamPieces(), 'data: [DONE]\n\n', ': bye\n\n'],
      done: false,
      stallAfter: 8,
    });
    const stream = OpenStream.start(service, key, body({ stream: true }));
    await stream.until('[DONE]');
    stream.hangUp();
    await service.upstream.abort();
    expect(await settledCall(service)).toMatchObject({ outcome: 'OK', status_code: 200 });
  });

  it('while it still sends its body leaves no call upstream and no record', async () => {
    const connection = await RawConnection.open(service.baseUrl);
    connection.send(
      `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nX-API-Key: ${key}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"model":`,
    );
    // A later request on another connection is answered only after the first was read.
    expect((await service.call('GET', '/v1/models', { headers: { 'x-api-key': key } })).status).toBe(200);
    connection.destroy();
    const whole = await service.call('POST', '/v1/chat/completions', { headers: { 'x-api-key': key }, body: body() });
    expect(whole.status).toBe(200);
    expect(service.upstream.requests).toHaveLength(1);
    expect(await settledCall(service)).toMatchObject({ outcome: 'OK' });
  });

  it('a hundred times at once leaves no call open, here or upstream', async () => {
    const streams = Array.from({ length: 100 }, () => {
      service.upstream.next({ kind: 'stream', pieces: streamPieces({ words: WORDS }), delayMs: 20 });
      return OpenStream.start(service, key, body({ stream: true }));
    });
    for (const [index, stream] of streams.entries()) {
      // Some at once, some once the stream has begun.
      if (index % 2 === 0) await stream.until('word0');
      stream.hangUp();
    }
    await eventually(async () => {
      const rows = await ledgerOf(service);
      return rows.length >= service.upstream.requests.length && rows.every(({ state }) => state === 'SETTLED');
    });
    await eventually(() => service.upstream.requests.every(({ aborted }) => aborted));
    for (const { outcome } of await ledgerOf(service)) expect(outcome).toBe('CLIENT_ABORTED');
  });
});

describe('a caller that reads slowly', () => {
  it('makes the upstream wait, and gets every byte in the end', async () => {
    const piece = 'x'.repeat(64 * 1024);
    const words = Array.from({ length: 300 }, () => piece);
    service.upstream.next({ kind: 'stream', pieces: streamPieces({ words }) });
    const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
      const headers = { 'content-type': 'application/json', authorization: `Bearer ${key}` };
      http
        .request(new URL('/v1/chat/completions', service.baseUrl), { method: 'POST', headers, agent: false }, resolve)
        .on('error', reject)
        .end(JSON.stringify(body({ stream: true })));
    });
    // Nothing is read here: the upstream can send only what the buffers between the two hold.
    const [request] = service.upstream.requests;
    expect(request!.answered).toBe(false);
    for (let round = 0; round < 10; round += 1) expect(await ledgerOf(service)).toMatchObject([{ state: 'RESERVED' }]);
    expect(request!.answered).toBe(false);

    let length = 0;
    let last = '';
    for await (const chunk of response) {
      last = String(chunk);
      length += (chunk as Buffer).length;
    }
    expect(length).toBeGreaterThan(300 * piece.length);
    expect(last.endsWith('data: [DONE]\n\n')).toBe(true);
    expect(await settledCall(service)).toMatchObject({ outcome: 'OK' });
  });
});

describe('a connection', () => {
  it('serves one completion after another, streamed and not, without mixing them', async () => {
    const connection = await RawConnection.open(service.baseUrl);
    const send = (words: string): void => {
      service.upstream.next({ kind: 'body', body: completion({ words: [words] }) });
      const text = JSON.stringify(body());
      connection.send(
        `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nX-API-Key: ${key}\r\nContent-Length: ${text.length}\r\n\r\n${text}`,
      );
    };
    for (const words of ['first', 'second', 'third']) {
      send(words);
      const answer = await connection.answer();
      expect(answer.status).toBe(200);
      expect(answer.json()).toEqual(completion({ words: [words] }));
    }
    connection.destroy();
    await settledCalls(service, 3);
  });
});
