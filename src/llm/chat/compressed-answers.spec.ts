/** Answers that a provider compresses, although none was asked for. */
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { ChatServer, type ChatAnswer } from '../../../test/support/chat-server.js';
import {
  DONE,
  OpenaiUpstream,
  UPSTREAM_MODEL,
  completion,
  errorBody,
  streamPieces,
  usageChunk,
  usageOf,
} from '../../../test/support/openai-upstream.js';
import { Tokenizer } from '../tokens/tokenizer.js';

const BODY = { model: UPSTREAM_MODEL, messages: [{ role: 'user', content: 'Say hello.' }] };
const STREAM = { ...BODY, stream: true };

let upstream: OpenaiUpstream;
let server: ChatServer;
const tokenizer = new Tokenizer();

beforeAll(() => tokenizer.load());

beforeEach(async () => {
  upstream = await OpenaiUpstream.start();
  server = await ChatServer.start(upstream, tokenizer);
});

afterEach(async () => {
  await server.stop();
  await upstream.close();
});

describe('a whole answer', () => {
  const json = JSON.stringify(completion({ usage: usageOf(11, 7) }));
  const pieces = [...streamPieces(), usageChunk(usageOf(11, 7))].map((piece) => `data: ${JSON.stringify(piece)}\n\n`);
  const events = pieces.join('') + DONE;

  it.each<[string, object, string, Buffer]>([
    ['JSON', BODY, 'gzip', gzipSync(json)],
    ['JSON, for a stream', STREAM, 'zstd', zstdCompressSync(json)],
    ['events', STREAM, 'br', brotliCompressSync(events)],
    ['events, for JSON', BODY, 'deflate', deflateSync(events)],
    ['events whose coding has no end', STREAM, 'gzip', gzipSync(events).subarray(0, -8)],
  ])('is passed on, and charged as it reports: %s', async (_what, body, coding, bytes) => {
    upstream.next({ kind: 'body', body: bytes, headers: { 'content-encoding': coding } });
    const answer = await server.post(body);
    expect(answer.status).toBe(200);
    expect(answer.headers).not.toHaveProperty('content-encoding');
    expect(answer.text).toContain('Hello');
    const charged = { outcome: 'OK', inputTokens: 11, outputTokens: 7, estimated: false };
    expect(await server.book.settlement()).toMatchObject(charged);
  });

  it('that unfolds to more than this service passes on is a 502', async () => {
    const body = gzipSync(Buffer.concat([Buffer.from(json), Buffer.alloc(80 * 1024 * 1024, ' ')]));
    upstream.next({ kind: 'body', body, headers: { 'content-encoding': 'gzip' } });
    expect((await server.post(BODY)).status).toBe(502);
  });
});

const errorOf = ({ text }: ChatAnswer): { message: string } =>
  (JSON.parse(text) as { error: { message: string } }).error;

describe('an error', () => {
  it.each([
    ['gzip', gzipSync],
    ['GZIP', gzipSync],
    ['deflate', deflateSync],
    ['br', brotliCompressSync],
  ])('is read: %s', async (encoding, compress) => {
    const body = compress(JSON.stringify(errorBody('context length exceeded: 9000 > 8192', 'x')));
    upstream.next({ kind: 'body', status: 400, body, headers: { 'content-encoding': encoding } });
    const answer = await server.post(BODY);
    expect([answer.status, errorOf(answer).message]).toEqual([400, 'context length exceeded: 9000 > 8192']);
  });

  it.each([
    ['cut off', gzipSync(JSON.stringify(errorBody('No.', 'x'))).subarray(0, 20)],
    ['far larger than any error', gzipSync(`{"error":"${' '.repeat(10_000_000)}"}`)],
    ['damaged', Buffer.from([0x1f, 0x8b, 0xff, 0xff, 1, 2, 3])],
  ])('is reported by its status where it is %s', async (_what, body) => {
    upstream.next({ kind: 'body', status: 400, body, headers: { 'content-encoding': 'gzip' } });
    const answer = await server.post(BODY);
    expect([answer.status, errorOf(answer).message]).toEqual([400, 'The model provider answered with status 400.']);
  });

  it('is read as it is where only its header says that it is compressed', async () => {
    upstream.next({ kind: 'body', status: 400, body: '{"error":"No."}', headers: { 'content-encoding': 'gzip' } });
    expect(errorOf(await server.post(BODY)).message).toBe('No.');
  });
});
