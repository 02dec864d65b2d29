/** The shares of provider calls: a tenant and an org have a share of them, and can't take more. */
import { Metrics } from '../../../src/platform/metrics/index.js';
import { eventually } from '../../support/eventually.js';
import { UPSTREAM_MODEL, streamPieces } from '../../support/openai-upstream.js';
import { startService, type TestService } from '../../support/service.js';
import { OpenStream } from '../open-stream.js';
import { chat, chatBody, countsOf, makeCaller, shareMetric, type Caller } from './tenants.js';

let service: TestService;
let greedy: Caller;
let victim: Caller;
/** Resolves when the provider may answer the held calls. */
let released: Promise<void>;
let release: () => void;

beforeAll(async () => {
  service = await startService({
    settings: { providerCalls: 16, tenantCalls: 4, orgCalls: 6, openaiModels: [UPSTREAM_MODEL, 'o3'] },
  });
});

afterAll(() => service.stop());

beforeEach(async () => {
  service.upstream.reset();
  released = new Promise((resolve) => (release = resolve));
  greedy = await makeCaller(service);
  victim = await makeCaller(service);
});

afterEach(async () => {
  release();
  await eventually(async () => (await taken()) === 0);
});

const taken = async (): Promise<number> =>
  shareMetric(await service.app.get(Metrics).registry.metrics(), 'taken', 'provider_calls');

/** Opens streams whose provider sends nothing yet, and waits until each is admitted or refused. */
async function hold({ key }: Caller, count: number, admitted: number, fields: object = {}): Promise<OpenStream[]> {
  const before = service.upstream.requests.length;
  for (let index = 0; index < admitted; index += 1) {
    service.upstream.next({ kind: 'stream', after: released, pieces: streamPieces({ words: ['Hi'] }) });
  }
  const opened = Array.from({ length: count }, () =>
    OpenStream.start(service, key, chatBody({ stream: true, ...fields })),
  );
  await eventually(() => opened.filter(({ ended }) => ended).length === count - admitted);
  await eventually(() => service.upstream.requests.length === before + admitted);
  return opened;
}

it('of one tenant are limited; further ones are refused at once, and another tenant’s continue', async () => {
  const opened = await hold(greedy, 24, 4);
  const refused = opened.filter(({ ended }) => ended);
  expect(refused).toHaveLength(20);
  for (const { status, headers, text } of refused) {
    expect(status).toBe(429);
    expect(headers['retry-after']).toMatch(/^(?:[1-9]|1[0-5])$/);
    expect(JSON.parse(text)).toMatchObject({
      error: {
        code: 'concurrency_limit_exceeded',
        message: expect.stringContaining('GATEHOUSE_TENANT_CALLS') as string,
      },
    });
  }
  const answers = [];
  for (let call = 0; call < 20; call += 1) answers.push(await chat(service, victim));
  expect(countsOf(answers)).toEqual({ 200: 20 });
  const metrics = await service.app.get(Metrics).registry.metrics();
  expect(shareMetric(metrics, 'most', 'provider_calls')).toBe(16);
  expect(shareMetric(metrics, 'taken', 'provider_calls')).toBe(4);
  expect(shareMetric(metrics, 'refused_total', 'provider_calls')).toBeGreaterThanOrEqual(20);
});

it('of one org are limited, in however many tenants', async () => {
  const second = await makeCaller(service, greedy.org);
  await hold(greedy, 5, 4);
  const opened = await hold(second, 10, 2);
  const refusal = opened.find(({ ended }) => ended)!;
  expect(refusal.status).toBe(429);
  expect(refusal.text).toContain('GATEHOUSE_ORG_CALLS');
  const answers = await Promise.all([1, 2, 3, 4].map(() => chat(service, victim)));
  expect(countsOf(answers)).toEqual({ 200: 4 });
});

it('of callers who have left count in their tenant’s share, for as long as their provider is read', async () => {
  const opened = await hold(greedy, 4, 4, { model: 'o3' });
  for (const stream of opened) stream.hangUp();
  await eventually(() => opened.every(({ broken }) => broken));
  const refused = await chat(service, greedy);
  expect(refused.status).toBe(429);
  expect(await taken()).toBe(4);
  expect((await chat(service, victim)).status).toBe(200);
});

it('free their places, however they end', async () => {
  service.upstream.next({ kind: 'cut' }).next({ kind: 'body', status: 400, body: { error: { message: 'No.' } } });
  for (let round = 0; round < 12; round += 1) await chat(service, greedy);
  expect(await taken()).toBe(0);
  await hold(greedy, 4, 4);
});

it('of runs hold memory for what they send, as bodies do, until they end', async () => {
  const { key } = await service.createKey(greedy.org, { scopes: ['conversations:read', 'conversations:write'] });
  const bytes = async (): Promise<number> =>
    shareMetric(await service.app.get(Metrics).registry.metrics(), 'taken', 'body_bytes');
  await eventually(async () => (await bytes()) === 0);
  service.upstream.next({ kind: 'stream', after: released, pieces: streamPieces({ words: ['Hi'] }) });
  const content = 'a'.repeat(50_000);
  const sent = await service.call('POST', '/api/v1/llm/gateway/send-message', {
    headers: { 'x-api-key': key },
    body: { conversationKey: 'long', userMessage: { role: 'user', content } },
  });
  expect(sent.status).toBe(200);
  await eventually(() => service.upstream.requests.length === 1);
  await eventually(async () => expect(await bytes()).toBeGreaterThan(content.length));
  release();
  await eventually(async () => (await bytes()) === 0);
});
