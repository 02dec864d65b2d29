/** Calls of a route with several targets: real exchanges with stand-ins of providers, and a ledger that the test reads. */
import { mock } from 'node:test';
import { ChatServer, until } from '../../../test/support/chat-server.js';
import {
  OpenaiUpstream,
  UPSTREAM_MODEL,
  completion,
  errorBody,
  streamPieces,
  usageOf,
  type UpstreamAnswer,
} from '../../../test/support/openai-upstream.js';
import { loadSettings } from '../../platform/config/index.js';
import { logger } from '../../platform/logging/index.js';
import { OutboundHttp } from '../../platform/outbound/index.js';
import type { Provider } from '../providers/provider.js';
import { Circuit } from '../routing/circuit.js';
import { platformProvider } from '../routing/platform-provider.js';
import { RETRY_REASONS } from '../routing/retry-reason.js';
import type { PlannedTarget, Route, RoutePlan } from '../routing/route.js';
import { Tokenizer } from '../tokens/tokenizer.js';

const tokenizer = new Tokenizer();
const ENVIRONMENT = { GATEHOUSE_FIRST_BYTE_TIMEOUT_MS: '1500', GATEHOUSE_TOTAL_TIMEOUT_MS: '20000' };
const { settings } = loadSettings(ENVIRONMENT);
const BODY = { model: 'careful', messages: [{ role: 'user', content: 'Say hello.' }] };
const FAILS = { kind: 'body', status: 500, body: errorBody('No.', 'server_error') } as const;
const CUT_JSON = { kind: 'break', part: JSON.stringify(completion()).split(',"refusal"')[0]! } as const;

let http: OutboundHttp;
let first: OpenaiUpstream;
let second: OpenaiUpstream;
let server: ChatServer;
let circuitSettings = { circuitFailures: 1_000, circuitOpenMs: 60_000 };
let route: Route;

function providerOf(upstream: OpenaiUpstream): Provider {
  const own = loadSettings({ ...ENVIRONMENT, OPENAI_MODELS: UPSTREAM_MODEL, OPENAI_BASE_URL: upstream.baseUrl });
  const { firstByteTimeoutMs, idleTimeoutMs, totalTimeoutMs } = own.settings;
  const timeouts = { firstByteTimeoutMs, idleTimeoutMs, totalTimeoutMs };
  const provider = platformProvider(own.settings, { http, tokenizer, timeouts });
  if (provider === null) throw new Error('The address makes it a provider.');
  return provider;
}

function routeOver(upstreams: readonly OpenaiUpstream[], plan: Partial<RoutePlan> = {}): Route {
  const targets = upstreams.map((upstream, index) => ({
    provider: { ...providerOf(upstream), name: `provider-${index + 1}`, start: startOf(providerOf(upstream)) },
    model: `${UPSTREAM_MODEL}-${index + 1}`,
    place: index,
    circuit: new Circuit(circuitSettings),
  })) as unknown as [PlannedTarget, ...PlannedTarget[]];
  return {
    name: 'careful',
    targets,
    plan: { targets, turns: null, attempts: 1, on: new Set(RETRY_REASONS), ...plan },
  };
}

const startOf =
  (provider: Provider): Provider['start'] =>
  (...asked) =>
    provider.start(...asked);

beforeAll(async () => {
  logger.level = 'silent';
  await tokenizer.load();
  http = new OutboundHttp(settings);
  first = await OpenaiUpstream.start();
  second = await OpenaiUpstream.start();
  server = await ChatServer.start(first, tokenizer, ENVIRONMENT, { routeOf: () => route });
});

afterAll(async () => {
  await server.stop();
  await http.onApplicationShutdown();
  await first.close();
  await second.close();
});

afterEach(() => mock.restoreAll());

beforeEach(() => {
  first.reset();
  second.reset();
  server.book.reservations.length = 0;
  server.book.settlements.length = 0;
  circuitSettings = { circuitFailures: 1_000, circuitOpenMs: 60_000 };
  route = routeOver([first, second]);
});

/** Every try's row, once all are settled: each reserved once and settled once. */
async function tries(): Promise<
  { attempt: number; provider: string; model: string; outcome: string; tokens: number }[]
> {
  const { reservations, settlements } = server.book;
  await until(() => settlements.length === reservations.length);
  expect(new Set(settlements.map(({ id }) => id)).size).toBe(settlements.length);
  return reservations.map(({ id, attempt, provider, model }) => {
    const { outcome, inputTokens, outputTokens } = settlements.find((one) => one.id === id)!;
    return { attempt, provider, model, outcome, tokens: inputTokens + outputTokens };
  });
}

const attributed = (headers: Record<string, unknown>): unknown[] =>
  ['provider', 'model', 'attempts'].map((name) => headers[`x-gatehouse-${name}`]);

describe.each([false, true])('a call of a route (stream: %s)', (stream) => {
  const body = { ...BODY, stream };

  it('is answered by the first target, which gets its own name of the model, and says so', async () => {
    const answer = await server.post(body);
    expect([answer.status, attributed(answer.headers)]).toEqual([200, ['provider-1', `${UPSTREAM_MODEL}-1`, '1']]);
    expect(Number(answer.headers['x-gatehouse-overhead-ms'])).toBeGreaterThanOrEqual(0);
    expect(JSON.parse((await first.request()).body.toString())).toMatchObject({
      ...body,
      model: `${UPSTREAM_MODEL}-1`,
    });
    expect(server.book.reservations).toMatchObject([{ route: 'careful', attempt: 1, model: `${UPSTREAM_MODEL}-1` }]);
  });

  it.each<[string, UpstreamAnswer, string]>([
    ['fails', FAILS, 'UPSTREAM_ERROR'],
    ['is full', { ...FAILS, status: 429, headers: { 'retry-after': '60' } }, 'UPSTREAM_ERROR'],
    ['cuts the connection', { kind: 'cut' }, 'UPSTREAM_BROKEN'],
    ['refuses our credential', { ...FAILS, status: 401 }, 'UPSTREAM_ERROR'],
  ])('continues with the next target where one %s, and each try has its row', async (_what, failing, outcome) => {
    // A used connection that is cut is tried once more on a fresh one.
    first.otherwise = () => failing;
    const answer = await server.post(body);
    expect([answer.status, attributed(answer.headers)]).toEqual([200, ['provider-2', `${UPSTREAM_MODEL}-2`, '2']]);
    expect(await tries()).toMatchObject([
      { attempt: 1, provider: 'provider-1', model: `${UPSTREAM_MODEL}-1`, outcome, tokens: 0 },
      { attempt: 2, provider: 'provider-2', model: `${UPSTREAM_MODEL}-2`, outcome: 'OK', tokens: 21 },
    ]);
    expect(server.book.settlements.map(({ counted }) => counted)).toEqual([false, true]);
  });

  it('continues where no server listens at a target', async () => {
    const gone = await OpenaiUpstream.start();
    route = routeOver([gone, second]);
    await gone.close();
    expect((await server.post(body)).status).toBe(200);
    expect(await tries()).toMatchObject([
      { outcome: 'UPSTREAM_ERROR', tokens: 0 },
      { outcome: 'OK', tokens: 21 },
    ]);
  });

  it('continues where a target is late, and charges what that one still bills', async () => {
    let answerNow: () => void = () => undefined;
    const after = new Promise<void>((resolve) => (answerNow = resolve));
    first.next(
      stream
        ? { kind: 'stream', pieces: streamPieces({ usage: usageOf(1000, 200) }), after }
        : { kind: 'body', body: completion({ usage: usageOf(1000, 200) }), after },
    );
    const answer = await server.post(body);
    expect([answer.status, attributed(answer.headers)]).toEqual([200, ['provider-2', `${UPSTREAM_MODEL}-2`, '2']]);
    expect(server.book.settlements).toHaveLength(1);
    answerNow();
    expect(await tries()).toMatchObject([{ outcome: 'UPSTREAM_TIMEOUT' }, { outcome: 'OK', tokens: 21 }]);
    const [late] = server.book.settlements.filter(({ outcome }) => outcome === 'UPSTREAM_TIMEOUT');
    expect(late).toMatchObject({ counted: false, inputTokens: stream ? late!.inputTokens : 1000 });
    expect(late!.outputTokens).toBeGreaterThan(0);
  });

  it('returns the last target’s failure where all fail, with its name', async () => {
    first.next(FAILS);
    second.next({ ...FAILS, status: 503 });
    const answer = await server.post(body);
    expect([answer.status, attributed(answer.headers)]).toEqual([503, ['provider-2', `${UPSTREAM_MODEL}-2`, '2']]);
    expect(answer.headers['x-should-retry']).toBeUndefined();
    expect((await tries()).map(({ tokens }) => tokens)).toEqual([0, 0]);
  });

  it('is not retried where the request itself is refused', async () => {
    first.next({ ...FAILS, status: 400 });
    expect((await server.post(body)).status).toBe(400);
    expect([second.requests.length, (await tries()).length]).toEqual([0, 1]);
  });

  it('ends with its caller, who leaves between two tries', async () => {
    route = routeOver([first], { attempts: 5 });
    first.otherwise = () => FAILS;
    const request = server.send(body).on('error', () => undefined);
    await first.request();
    request.destroy();
    await until(() => server.book.settlements.length > 0);
    const seen = first.requests.length;
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(first.requests.length).toBeLessThanOrEqual(seen + 1);
    await tries();
  });
});

describe('output that has begun', () => {
  it('in a stream is never followed by another try', async () => {
    first.next({ kind: 'stream', pieces: streamPieces(), breakAfter: 3 });
    const answer = await server.post({ ...BODY, stream: true });
    expect(answer.status).toBe(200);
    expect(answer.text).toContain('upstream_broken');
    expect([second.requests.length, first.requests.length]).toEqual([0, 1]);
    expect(await tries()).toMatchObject([{ outcome: 'UPSTREAM_BROKEN' }]);
  });

  it('as JSON reaches the caller only whole: a broken answer is charged, and the call continues', async () => {
    first.next(CUT_JSON);
    const answer = await server.post(BODY);
    expect([answer.status, attributed(answer.headers)[2]]).toEqual([200, '2']);
    const [broken, whole] = await tries();
    expect([broken!.outcome, whole!.outcome]).toEqual(['UPSTREAM_BROKEN', 'OK']);
    expect(broken!.tokens).toBeGreaterThan(0);
    expect(server.book.settlements[0]).toMatchObject({ estimated: true, counted: false });
  });

  it('and is charged keeps the caller’s client from retrying, where no target answers in the end', async () => {
    first.next(CUT_JSON);
    second.next({ ...FAILS, status: 503 });
    const answer = await server.post(BODY);
    expect([answer.status, answer.headers['x-should-retry']]).toEqual([503, 'false']);
  });
});

it('from a late try that is still billed keeps the caller’s client from retrying, where no target answers', async () => {
  let answerNow: () => void = () => undefined;
  const after = new Promise<void>((resolve) => (answerNow = resolve));
  first.next({ kind: 'body', body: completion(), after });
  second.next({ ...FAILS, status: 503 });
  const answer = await server.post(BODY);
  expect([answer.status, answer.headers['x-should-retry']]).toEqual([503, 'false']);
  answerNow();
  expect(await tries()).toMatchObject([{ outcome: 'UPSTREAM_TIMEOUT' }, { outcome: 'UPSTREAM_ERROR', tokens: 0 }]);
});

describe('a target that fails 30 % of the time', () => {
  it('behind a fallback causes no failure for callers, and the ledger has what both targets billed', async () => {
    let asked = 0;
    const billed = { tokens: 0 };
    const bill = (usage: ReturnType<typeof usageOf>): UpstreamAnswer => {
      billed.tokens += usage.total_tokens;
      return { kind: 'body', body: completion({ usage }) };
    };
    const failures: readonly UpstreamAnswer[] = [FAILS, { ...FAILS, status: 429 }, { ...FAILS, status: 503 }];
    first.otherwise = () => {
      asked += 1;
      return asked % 10 < 3 ? failures[asked % 10]! : bill(usageOf(asked, 7));
    };
    second.otherwise = () => bill(usageOf(3, 11));
    // A few at once: providers have 1.5 s here, which a busy machine would use up.
    const answers = [];
    for (let wave = 0; wave < 15; wave += 1)
      answers.push(...(await Promise.all(Array.from({ length: 20 }, () => server.post(BODY)))));
    expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
    const rows = await tries();
    expect(rows.filter(({ outcome }) => outcome === 'OK')).toHaveLength(300);
    expect(rows.filter(({ outcome }) => outcome !== 'OK').length).toBe(second.requests.length);
    expect(second.requests.length).toBeGreaterThanOrEqual(80);
    expect(rows.reduce((sum, { tokens }) => sum + tokens, 0)).toBe(billed.tokens);
  });
});

describe('a circuit', () => {
  it('sends nothing to a target that failed too often, and one probe after its time, whose success closes it', async () => {
    const OPEN_MS = 60_000;
    circuitSettings = { circuitFailures: 3, circuitOpenMs: OPEN_MS };
    route = routeOver([first, second]);
    let laterMs = 0;
    const now = performance.now.bind(performance);
    mock.method(performance, 'now', () => now() + laterMs);
    first.otherwise = () => FAILS;
    for (let i = 0; i < 10; i += 1) expect((await server.post(BODY)).status).toBe(200);
    expect(first.requests).toHaveLength(3);
    laterMs += OPEN_MS;
    // The probe fails: the target is skipped again.
    for (let i = 0; i < 3; i += 1) expect((await server.post(BODY)).status).toBe(200);
    expect(first.requests).toHaveLength(4);
    laterMs += OPEN_MS;
    first.otherwise = () => ({ kind: 'body', body: completion() });
    for (let i = 0; i < 5; i += 1) expect((await server.post(BODY)).status).toBe(200);
    expect(first.requests).toHaveLength(9);
  });

  it('that is open for every target gives 503 with a time, and nothing is reserved', async () => {
    circuitSettings = { circuitFailures: 1, circuitOpenMs: 60_000 };
    route = routeOver([first]);
    first.next(FAILS);
    await server.post(BODY);
    await tries();
    const answer = await server.post(BODY);
    expect([answer.status, Number(answer.headers['retry-after'])]).toEqual([503, 60]);
    expect(JSON.parse(answer.text)).toMatchObject({ error: { code: 'route_unavailable' } });
    expect([first.requests.length, server.book.reservations.length]).toEqual([1, 1]);
  });
});
