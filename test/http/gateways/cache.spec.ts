/** A gateway's cache: answers to identical requests. */
import OpenAI from 'openai';
import { eventually } from '../../support/eventually.js';
import {
  type OpenaiUpstream,
  completion,
  errorBody,
  eventOf,
  streamPieces,
  usageOf,
} from '../../support/openai-upstream.js';
import { withOtherEnd } from '../../support/other-end.js';
import type { Answer, Org, TestService } from '../../support/service.js';
import { CachingStage, cacheOf } from './caching-stage.js';
import { call, chat, chatBody, create, createToken, post, type Made } from './gateways.js';

let stage: CachingStage;
let service: TestService;
let other: TestService;
let upstream: OpenaiUpstream;
let org: Org;
let made: Made;

beforeAll(async () => {
  stage = await CachingStage.start();
  ({ service, other } = stage);
});

afterAll(() => stage.stop());

beforeEach(async () => {
  await stage.begin();
  ({ upstream, org, made } = stage);
});

afterEach(() => stage.end());

const ids = (): string => made.gateway.id;

describe('the cache', () => {
  it('gives the same answer again without the provider, on each replica, however the request is spelled', async () => {
    const first = await stage.warm({ temperature: 0.5, seed: 7 });
    const spelled = `{ "seed":7,"temperature" : 0.5, "messages":[{"content":"Say \\u0068ello.","role":"user"}],"model":"gpt-4o-mini"}`;
    for (const replica of [service, other]) {
      const again = await replica.call('POST', `/gateways/${ids()}/v1/chat/completions`, {
        headers: { authorization: `Bearer ${made.token}` },
        body: spelled,
      });
      expect([again.status, cacheOf(again), again.text]).toEqual([200, 'HIT', first.text]);
      expect(Number(again.headers['age'])).toBeGreaterThanOrEqual(0);
    }
    expect(upstream.requests).toHaveLength(1);
  });

  it('settles a cached answer at no cost, and the ledger says so', async () => {
    await stage.warm();
    await chat(service, ids(), made.token);
    await eventually(async () =>
      expect(
        await service.sql(
          `SELECT provider, model, outcome, requests, input_tokens, output_tokens, cost_pico_usd
           FROM usage_records WHERE tenant_id = $1 AND provider = 'cache'`,
          [org.tenantId],
        ),
      ).toEqual([
        {
          ...{ provider: 'cache', model: 'gpt-4o-mini', outcome: 'OK', requests: 1 },
          ...{ input_tokens: '0', output_tokens: '0', cost_pico_usd: '0' },
        },
      ]),
    );
  });

  it('replays a stream as a stream that the openai package reads', async () => {
    const client = new OpenAI({
      apiKey: made.token,
      baseURL: `${service.baseUrl}/gateways/${ids()}/v1`,
      maxRetries: 0,
    });
    const said: string[] = [];
    for (const expected of ['MISS', 'HIT']) {
      const { data, response } = await client.chat.completions
        .create({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Stream.' }], stream: true })
        .withResponse();
      expect(response.headers.get('x-gatehouse-cache')).toBe(expected);
      expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
      let text = '';
      for await (const chunk of data) text += chunk.choices[0]?.delta.content ?? '';
      said.push(text);
      await stage.holds(1);
    }
    expect(said).toEqual(['Hello from the upstream.', 'Hello from the upstream.']);
    expect(upstream.requests).toHaveLength(1);
  });

  it('stores embeddings and responses, too', async () => {
    const path = `/gateways/${ids()}/v1`;
    for (const [route, body] of [
      ['embeddings', { model: 'gpt-4o-mini', input: 'words' }],
      ['responses', { model: 'gpt-4o-mini', input: 'Say hello.' }],
    ] as const) {
      const before = await stage.stored();
      const first = await post(service, `${path}/${route}`, made.token, body);
      await stage.holds(before + 1);
      const again = await post(service, `${path}/${route}`, made.token, body);
      expect([again.status, cacheOf(again), again.text]).toEqual([200, 'HIT', first.text]);
    }
  });

  it.each([
    ['another message', { messages: [{ role: 'user', content: 'Say goodbye.' }] }],
    ['another model', { model: 'gpt-4o' }],
    ['a stream', { stream: true }],
    ['an additional field', { temperature: 1 }],
    ['another spelling of the same number', { seed: 1.0, n: 1 }],
  ])('asks the provider for %s', async (_what, more) => {
    await stage.warm();
    expect(cacheOf(await chat(service, ids(), made.token, more))).toBe('MISS');
  });

  it('obeys x-cache-control, and refuses unknown values', async () => {
    const asked = (control: string): Promise<Answer> =>
      chat(service, ids(), made.token, {}, { 'x-cache-control': control });
    expect(cacheOf(await asked('no-store'))).toBe('MISS');
    expect(cacheOf(await asked('no-store'))).toBe('MISS');
    expect(upstream.requests).toHaveLength(2);
    expect(await stage.stored()).toBe(0);
    await stage.warm();
    expect(cacheOf(await asked('no-cache'))).toBe('MISS');
    expect(cacheOf(await asked('max-age=600'))).toBe('HIT');
    await service.sql(
      "UPDATE gateway_cache_entries SET created_at = now() - interval '11 minutes' WHERE gateway_id = $1",
      [ids()],
    );
    expect(cacheOf(await chat(other, ids(), made.token, {}, { 'x-cache-control': 'MAX-AGE=600' }))).toBe('MISS');
    const wrong = await asked('private');
    expect([wrong.status, wrong.json<{ error: { param: string } }>().error.param]).toEqual([400, 'x-cache-control']);
  });

  it('stores no error, and no answer that was cut or broke off', async () => {
    const cut = {
      ...completion(),
      choices: [{ index: 0, finish_reason: 'length', message: { role: 'assistant', content: 'Hel' } }],
    };
    upstream.next({ kind: 'body', status: 500, body: errorBody('down', 'server_error') });
    upstream.next({ kind: 'body', body: cut });
    upstream.next({ kind: 'stream', pieces: streamPieces(), breakAfter: 2 });
    upstream.next({
      kind: 'stream',
      pieces: [...streamPieces().slice(0, 2), eventOf(errorBody('down', 'server_error'))],
    });
    for (const more of [{}, {}, { stream: true }, { stream: true }]) {
      try {
        await chat(service, ids(), made.token, more);
      } catch {
        // The connection was cut.
      }
    }
    const embedding = Array<number>(100_000).fill(0.123456);
    upstream.next({ kind: 'body', body: { object: 'list', data: [{ object: 'embedding', index: 0, embedding }] } });
    const long = { model: 'gpt-4o-mini', input: 'words' };
    expect((await post(service, `/gateways/${ids()}/v1/embeddings`, made.token, long)).status).toBe(200);
    expect(upstream.requests).toHaveLength(5);
    // Only the later answer is stored.
    await stage.warm({ messages: [{ role: 'user', content: 'The last.' }] });
    expect(await stage.stored()).toBe(1);
  });

  it("gives nothing of another gateway's, and is emptied where the gateway's providers change", async () => {
    await stage.warm();
    const neighbour = await create(service, org, upstream, { name: 'neighbour', cache: { ttlSeconds: 60 } });
    expect(cacheOf(await chat(service, neighbour.gateway.id, neighbour.token))).toBe('MISS');
    const providers = [{ provider: 'openai_compatible', endpoint: upstream.baseUrl, models: ['gpt-4o-mini'] }];
    await call(service, org, 'POST', 'update', { gatewayId: ids(), providers });
    expect(await stage.stored()).toBe(0);
    for (const replica of [service, other])
      await eventually(async () =>
        expect(cacheOf(await chat(replica, ids(), made.token, {}, { 'x-cache-control': 'no-store' }))).toBe('MISS'),
      );
    await stage.warm({ n: 1 });
    await call(service, org, 'POST', 'delete', { gatewayId: ids() });
    expect(await stage.stored()).toBe(0);
  });

  it('is off unless the gateway switches it on, and then sends no header', async () => {
    const plain = await create(service, org, upstream, { name: 'plain' });
    for (let i = 0; i < 2; i += 1) expect(cacheOf(await chat(service, plain.gateway.id, plain.token))).toBeUndefined();
    expect(upstream.requests).toHaveLength(2);
  });

  it('stays below its size limit: the oldest answers are deleted', async () => {
    await call(service, org, 'POST', 'update', { gatewayId: ids(), cache: { ttlSeconds: 600, maxBytes: 65_536 } });
    const long = 'x'.repeat(8_000);
    upstream.otherwise = () => ({ kind: 'body', body: completion({ words: [long], usage: usageOf(1, 1) }) });
    for (let i = 0; i < 24; i += 1) await chat(service, ids(), made.token, { seed: i });
    await eventually(async () => {
      const [{ bytes, entries, newest }] = (await service.sql<{ bytes: string; entries: string; newest: string }>(
        `SELECT (SELECT bytes FROM gateway_cache_sizes WHERE gateway_id = $1) AS bytes, sum(bytes) AS entries, count(*) AS newest
         FROM gateway_cache_entries WHERE gateway_id = $1`,
        [ids()],
      )) as [{ bytes: string; entries: string; newest: string }];
      expect(Number(bytes)).toBe(Number(entries));
      expect(Number(bytes)).toBeLessThanOrEqual(65_536);
      expect(Number(newest)).toBeGreaterThanOrEqual(1);
    });
    expect(cacheOf(await chat(service, ids(), made.token, { seed: 0 }))).toBe('MISS');
  });

  it('is limited by requests, and serves a hit under a limit of tokens that a call would not fit', async () => {
    await stage.warm();
    await call(service, org, 'POST', 'update', {
      gatewayId: ids(),
      rateLimit: { tokens: { limit: 40, window: 'DAY' } },
    });
    expect(cacheOf(await chat(service, ids(), made.token))).toBe('HIT');
    expect((await chat(service, ids(), made.token, { seed: 1 })).status).toBe(429);
    await call(service, org, 'POST', 'update', {
      gatewayId: ids(),
      rateLimit: { requests: { limit: 0, window: 'DAY' } },
    });
    expect((await chat(service, ids(), made.token)).status).toBe(429);
  });

  it('gives exactly as many simultaneous answers as a limit of requests allows, over two replicas', async () => {
    await stage.warm();
    const rateLimit = { requests: { limit: 7, window: 'MONTH' } };
    const { token } = await createToken(service, org, ids(), { name: 'limited', rateLimit });
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, place) => chat(place % 2 ? service : other, ids(), token)),
    );
    const statuses = answers.map(({ status }) => status).sort();
    expect(statuses).toEqual([...Array<number>(7).fill(200), ...Array<number>(33).fill(429)]);
    expect(answers.filter(({ status }) => status === 200).map(cacheOf)).toEqual(Array(7).fill('HIT'));
    expect(upstream.requests).toHaveLength(1);
  });

  it('checks a request again although its bytes are known', async () => {
    await stage.warm();
    expect(cacheOf(await chat(service, ids(), made.token))).toBe('HIT');
    const typed = await chat(service, ids(), made.token, {}, { 'content-type': 'text/html' });
    expect(typed.status).toBe(415);
    const foreign = await create(service, org, upstream, { name: 'foreign', cache: { ttlSeconds: 60 } });
    expect(cacheOf(await chat(service, foreign.gateway.id, foreign.token))).toBe('MISS');
    const pinned = await post(
      service,
      `/gateways/${ids()}/openai_compatible/gpt-4o/chat/completions`,
      made.token,
      chatBody(),
    );
    expect([pinned.status, cacheOf(pinned)]).toEqual([200, 'MISS']);
    expect((await chat(service, ids(), withOtherEnd(made.token))).status).toBe(401);
  });
});
