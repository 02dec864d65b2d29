import OpenAI from 'openai';
import {
  DONE,
  UPSTREAM_MODEL,
  completion,
  errorBody,
  eventOf,
  streamPieces,
  usageChunk,
  usageOf,
} from '../../support/openai-upstream.js';
import { PROVIDER_SECRET, type Answer } from '../../support/service-client.js';
import { sharedService, type SharedService } from '../../support/shared-service.js';

let service: SharedService;
let key: string;

beforeAll(async () => {
  service = await sharedService();
  ({ key } = await service.createKey(await service.createOrg()));
});

afterAll(() => service.stop());

beforeEach(() => service.upstream.reset());

const post = (body: unknown, headers: Record<string, string> = {}): Promise<Answer> =>
  service.call('POST', '/v1/chat/completions', { headers: { authorization: `Bearer ${key}`, ...headers }, body });

/** The body that went upstream, as text. */
const sent = (): string => service.upstream.requests.at(-1)!.body.toString('utf8');

const INNER = `
\t"model" :"${UPSTREAM_MODEL}"  ,"messages":[ {"role":"user","content":"\\u0048i \\/ \\ud83d\\ude00 😀","x":1,"x":2} ],\r
  "seed": 12345678901234567890123,  "temperature":1.0, "top_p": 1E-7,"logit_bias":{"50256":-0},
  "some_future_field":{"deep":[[[1.10,null,true,"\\u0000"]]],"__proto__":{"a":1}}, "":"", "huge":1e999 `;

describe('the body upstream', () => {
  it("equals the caller's body byte for byte", async () => {
    const body = `  {${INNER}}\n`;
    expect((await post(body)).status).toBe(200);
    expect(sent()).toBe(body);
  });

  it.each([
    ['asks for usage already', `{${INNER},"stream":true,"stream_options":{ "include_usage" : true, "x":1.0 }}`],
    ['is not streamed, whatever its options', `{${INNER},"stream":false,"stream_options":{"include_usage":false}}`],
    ['has null for stream', `{"stream":null,${INNER}}`],
  ])('is unchanged where it %s', async (_case, body) => {
    expect((await post(body)).status).toBe(200);
    expect(sent()).toBe(body);
  });

  it.each([
    ['has no options', `,"stream":true`, undefined],
    ['has null for options', `, "stream" :true, "stream_options":null`, undefined],
    [
      'has other options',
      `,"stream":true,"stream_options":{"include_obfuscation":false,"big":12345678901234567890}`,
      '"big":12345678901234567890',
    ],
    ['declines usage', `,"stream":true,"stream_options":{"include_usage":false,"f":1.0}`, '"f":1.0'],
  ])('asks for usage where a stream %s, and is otherwise byte for byte the same', async (_case, rest, kept) => {
    expect((await post(`{${INNER}${rest}}`)).status).toBe(200);
    expect(sent()).toContain(INNER);
    if (kept !== undefined) expect(sent()).toContain(kept);
    const asked = JSON.parse(sent()) as { stream: boolean; stream_options: { include_usage: boolean } };
    expect(asked).toMatchObject({ stream: true, stream_options: { include_usage: true } });
    // A reader must not find the field twice and use the other value.
    expect(sent().match(/"stream_options"/g)).toHaveLength(1);
    expect(sent().match(/"include_usage"/g)).toHaveLength(1);
  });
});

describe('headers', () => {
  const HOSTILE = {
    cookie: 'session=marker',
    'openai-organization': 'org-marker',
    'openai-project': 'proj-marker',
    'openai-beta': 'marker',
    'proxy-authorization': 'Bearer marker',
    'cf-aig-authorization': 'Bearer marker',
    'x-stainless-lang': 'marker',
    'x-stainless-retry-count': '1',
    'x-forwarded-for': '203.0.113.9',
    'x-request-id': 'marker-of-the-caller',
    'idempotency-key': 'marker',
    'accept-language': 'marker',
    'user-agent': 'marker',
    origin: 'https://marker.example',
    referer: 'https://marker.example/',
    'x-custom': 'marker',
    'x-api-key': '',
    traceparent: '00-marker-01',
  };
  const ALLOWED = [
    'accept',
    'accept-encoding',
    'authorization',
    'connection',
    'content-length',
    'content-type',
    'host',
    'user-agent',
  ];

  it.each([false, true])(
    'of the caller, such as the credential, do not reach the upstream (stream: %s)',
    async (stream) => {
      const headers: Record<string, string> = { ...HOSTILE, 'x-api-key': key };
      const body = { model: UPSTREAM_MODEL, stream, messages: [{ role: 'user', content: 'Hi' }] };
      expect((await post(body, headers)).status).toBe(200);
      const [request] = service.upstream.requests;
      expect(Object.keys(request!.headers).filter((name) => !ALLOWED.includes(name))).toEqual([]);
      expect(request!.headers.authorization).toBe(`Bearer ${PROVIDER_SECRET}`);
      const all = request!.rawHeaders.join('\n');
      expect(all).not.toContain('marker');
      expect(all).not.toContain(key);
    },
  );

  const UPSTREAMS = {
    'set-cookie': 'session=leak; Path=/',
    'openai-organization': 'org-leak',
    'openai-project': 'proj-leak',
    'openai-version': 'leak',
    'x-request-id': 'req_leak',
    'x-ratelimit-limit-requests': '1-leak',
    'x-ratelimit-remaining-tokens': '1-leak',
    'x-ratelimit-limit': '5000000',
    'cf-ray': 'leak',
    server: 'leak',
    'access-control-allow-origin': 'https://leak.example',
    'access-control-allow-credentials': 'true',
    'alt-svc': 'h3="leak:443"',
    location: 'https://leak.example',
    'www-authenticate': 'Basic realm=leak',
    'x-should-retry': 'true',
    'cache-control': 'public, max-age=86400',
    etag: 'leak',
  };

  it.each([
    ['a completion', 200, { kind: 'body', body: completion(), headers: UPSTREAMS } as const, false],
    ['a stream', 200, { kind: 'stream', pieces: streamPieces(), headers: UPSTREAMS } as const, true],
    ['a refusal', 422, { kind: 'body', status: 422, body: errorBody('No.', 'x'), headers: UPSTREAMS } as const, false],
    [
      'a refused credential',
      502,
      { kind: 'body', status: 401, body: errorBody('No.', 'x'), headers: UPSTREAMS } as const,
      false,
    ],
  ])(
    'of the upstream do not reach the caller with %s, except the allowed ones',
    async (_what, status, answer, stream) => {
      service.upstream.next(answer);
      const body = { model: UPSTREAM_MODEL, stream, messages: [{ role: 'user', content: 'Hi' }] };
      const received = await post(body, { origin: 'https://app.example' });
      expect(received.status).toBe(status);
      expect(JSON.stringify(received.headers)).not.toContain('leak');
      expect(received.headers['set-cookie']).toBeUndefined();
      expect(received.headers['x-ratelimit-limit']).toBe('1000');
      expect(received.headers['x-request-id']).toMatch(/^req_\S{16,}$/);
      expect(received.headers['access-control-allow-origin']).toBe('*');
      expect(received.headers['access-control-allow-credentials']).toBeUndefined();
      expect(received.headers['cache-control'] ?? 'no-cache').toMatch(/no-/);
    },
  );

  it('carry the key as X-API-Key just as well, also from the official client', async () => {
    const defaultHeaders = { 'X-API-Key': key, Authorization: null };
    const client = new OpenAI({ baseURL: `${service.baseUrl}/v1`, apiKey: 'unused', defaultHeaders });
    const answer = await client.chat.completions.create({
      model: UPSTREAM_MODEL,
      messages: [{ role: 'user', content: 'Hi' }],
    });
    expect(answer.choices[0]!.message.content).toBe('Hello from the upstream.');
  });
});

describe('the answer', () => {
  it("equals the upstream's byte for byte", async () => {
    const body = ` { "id" : "x",\r\n "usage":{"prompt_tokens":1.0e0,"completion_tokens":2},"choices":[ {} ],"n":12345678901234567890,"s":"\\u0041","e":1e5 }\n\n`;
    service.upstream.next({ kind: 'body', body });
    const answer = await post({ model: UPSTREAM_MODEL, messages: [{ role: 'user', content: 'Hi' }] });
    expect(answer.text).toBe(body);
    expect(answer.headers['content-length']).toBe(String(Buffer.byteLength(body)));
  });

  const chunk = (text: string): string =>
    `{ "choices" : [{"index":0,"delta":{"content":${JSON.stringify(text)}}}], "n":1.0 }`;
  const USAGE_EVENT = eventOf(usageChunk(usageOf(3, 4)));
  const PLAIN = [
    ': keep-alive\n\n',
    `event: chunk\nid: 7\ndata: ${chunk('ä')}\n\n`,
    `data:${chunk('😀 data: [DONE]')}\r\n\r\n`,
    `data: {"choices":[{"index":0,\ndata: "delta":{"content":"two lines"}}]}\n\n`,
    'data: {"choices":[],"prompt_filter_results":[]}\n\n',
    `data: ${chunk('"usage":{"prompt_tokens":1}')}\n\n`,
    'retry: 5\n\n',
  ];

  it.each([1, 7, 64, 100_000])('is a stream of the upstream’s bytes, cut into pieces of %d', async (size) => {
    const text = PLAIN.join('') + USAGE_EVENT + DONE;
    const bytes = Buffer.from(text);
    const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
      bytes.subarray(index * size, (index + 1) * size),
    );
    const body = { model: UPSTREAM_MODEL, stream: true, messages: [{ role: 'user', content: 'Hi' }] };
    service.upstream.next({ kind: 'stream', pieces, done: false });
    expect((await post({ ...body, stream_options: { include_usage: true } })).text).toBe(text);
    service.upstream.next({ kind: 'stream', pieces, done: false });
    const unasked = await post(body);
    expect(unasked.text).toBe(PLAIN.join('') + DONE);
    expect(unasked.headers['content-type']).toMatch(/^text\/event-stream/);
    expect(unasked.headers['content-length']).toBeUndefined();
  });

  it('is a stream where the caller asked for one, although the upstream does not stream', async () => {
    service.upstream.next({ kind: 'body', body: completion() });
    const answer = await post({ model: UPSTREAM_MODEL, stream: true, messages: [{ role: 'user', content: 'Hi' }] });
    expect(answer.headers['content-type']).toMatch(/^text\/event-stream/);
    expect(answer.text).toMatch(/^data: \{[^]*"Hello from the upstream\."[^]*\n\ndata: \[DONE\]\n\n$/);
  });
});
