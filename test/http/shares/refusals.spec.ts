/** Floods of refused requests: their answers wait in line, those of others do not wait behind them, and no call waits. */
import http from 'node:http';
import { newSecretKey } from '../../../src/keys/key-format.js';
import { Drain, PacedRefusals } from '../../../src/platform/http/index.js';
import { Metrics } from '../../../src/platform/metrics/index.js';
import type { PacedLine } from '../../../src/platform/shares/index.js';
import { eventually } from '../../support/eventually.js';
import { startService, type Answer, type CallOptions, type Org, type TestService } from '../../support/service.js';
import { RawConnection } from '../raw-http.js';
import { UsageServer } from '../usage-tokens/usage-client.js';
import { chat, chatBody, countsOf, makeCaller, shareMetric, type Caller } from './tenants.js';

/** More than may wait of one owner would be closed. */
const FLOOD = 16;
const WAITING = 4 * FLOOD;

let service: TestService;
let line: PacedLine;
let victim: Caller;
let greedy: Org;
/** Has no scope for what it asks. */
let unscoped: string;

beforeAll(async () => {
  service = await startService({ settings: { refusalsPerSecond: 1, refusalsWaiting: WAITING } });
  ({ line } = service.app.get(PacedRefusals));
  victim = await makeCaller(service);
  greedy = await service.seedOrg();
  ({ key: unscoped } = await service.createKey(greedy, { scopes: ['chat:write'], requestsPerMinute: 100_000 }));
  expect((await chat(service, victim)).status).toBe(200);
});

afterAll(() => service.stop());

afterEach(async () => {
  await eventually(() => {
    line.releaseAll();
    return service.app.get(Drain).openCount === 0;
  });
});

interface Request extends CallOptions {
  readonly method?: 'GET';
  readonly path: string;
}

const list = (key: string): Request => ({ path: '/api/v1/gateways/list', headers: { 'x-api-key': key }, body: {} });
const completion = (token: string): Request => ({
  ...{ path: '/v1/chat/completions', headers: { authorization: `Bearer ${token}` }, body: chatBody() },
});
const nowhere = (key: string): Request => ({ path: '/v1/nothing', headers: { 'x-api-key': key }, body: {} });
const send = ({ method, path, ...options }: Request): Promise<Answer> => service.call(method ?? 'POST', path, options);
const jwt = (header: object, claims: object): string =>
  [header, claims, 'signature'].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');

async function usageToken(human: string): Promise<string> {
  const { key } = await service.createKey(victim.org, { scopes: ['chat:write', 'usage:write'] });
  return new UsageServer(service, key).token(human);
}

/** One that our key has not signed. */
async function forgedUsageToken(): Promise<string> {
  const [head, body] = (await usageToken('ann')).split('.');
  return `${head}.${body}.${Buffer.alloc(64, 1).toString('base64url')}`;
}

/** Starts requests that will be refused, and waits until they are in line. */
async function flood(request: Request, count = FLOOD - 2): Promise<Promise<Answer>[]> {
  while (line.take());
  const answers = Array.from({ length: count }, () => send(request));
  // One or two may have had a turn since.
  await eventually(() => line.waiting >= count - 2);
  return answers;
}

async function released(answers: readonly Promise<Answer>[]): Promise<Answer[]> {
  let isOver = false;
  const all = Promise.all(answers).finally(() => (isOver = true));
  await eventually(() => {
    line.releaseAll();
    return isOver;
  });
  return all;
}

it.each<[string, number, () => Request | Promise<Request>]>([
  ['by a key without the scope', 403, () => list(unscoped)],
  ['with a wrong key', 401, () => list(newSecretKey())],
  ['with a forged usage token', 401, async () => completion(await forgedUsageToken())],
  ['with a JWT of a stranger', 401, () => completion(jwt({ alg: 'ES256' }, { iss: 'https://stranger.example' }))],
  ['to no route', 404, () => nowhere(unscoped)],
  ['for a file that is not there', 404, () => ({ method: 'GET', path: '/docs/guide/nothing.html' })],
  ['with a wrong body', 400, () => ({ ...completion(unscoped), body: '{' })],
])('refused requests %s wait for their answers, and the calls beside them do not', async (_what, status, make) => {
  const answers = await flood(await make());
  const calls: Answer[] = [];
  for (let call = 0; call < 5; call += 1) calls.push(await chat(service, victim));
  expect(countsOf(calls)).toEqual({ 200: 5 });
  expect(line.waiting).toBeGreaterThan(0);
  const told = await released(answers);
  expect(countsOf(told)).toEqual({ [status]: FLOOD - 2 });
  for (const answer of told) expect(answer.json()).toMatchObject({ error: { message: expect.any(String) as string } });
});

it('another tenant’s refusal, and a stranger’s, wait for one turn of the flood each', async () => {
  const answers = await flood(list(unscoped));
  expect(countsOf([await send(nowhere(victim.key)), await send(list(newSecretKey()))])).toEqual({ 401: 1, 404: 1 });
  expect(line.waiting).toBeGreaterThan(FLOOD / 2);
  await released(answers);
});

it('a usage token that is known passes a flood of forged ones; a new one waits for its turn, and then is good', async () => {
  const [known, fresh] = [await usageToken('ann'), await usageToken('bob')];
  expect((await send(completion(known))).status).toBe(200);
  const answers = await flood(completion(await forgedUsageToken()));
  expect((await send(completion(known))).status).toBe(200);
  const { delayed } = line;
  const ofFresh = send(completion(fresh));
  await eventually(() => line.delayed === delayed + 1);
  expect(countsOf(await released([ofFresh]))).toEqual({ 200: 1 });
  expect(countsOf(await released(answers))).toEqual({ 401: FLOOD - 2 });
});

it('forged usage tokens wait before they are judged', async () => {
  const failures = async (): Promise<number> => {
    const { values } = await service.app.get(Metrics).failedAuthentications.get();
    return values.find(({ labels }) => labels['reason'] === 'bad_signature')?.value ?? 0;
  };
  const before = await failures();
  const answers = await flood(completion(await forgedUsageToken()));
  expect((await failures()) - before).toBe(FLOOD - 2 - line.waiting);
  await released(answers);
  expect(await failures()).toBe(before + FLOOD - 2);
});

it.each<[string, () => Request | Promise<Request>]>([
  ['for an answer', () => list(unscoped)],
  ['before its credential is judged', async () => completion(await forgedUsageToken())],
])('a caller who hangs up while it waits %s leaves nothing', async (_when, make) => {
  const { path, headers, body } = await make();
  while (line.take());
  const requests = Array.from({ length: FLOOD - 2 }, () => {
    const request = http.request(new URL(path, service.baseUrl), { method: 'POST', agent: false, ...{ headers } });
    request.on('error', () => undefined).end(JSON.stringify(body));
    return request;
  });
  await eventually(() => line.waiting >= FLOOD - 4);
  for (const request of requests) request.destroy();
  // Their turns would come one a second.
  await eventually(() => line.waiting === 0, 6_000);
  await eventually(() => service.app.get(Drain).openCount === 0);
});

it('a caller of whom too many wait is cut off, and metrics say so', async () => {
  const answers = await flood(list(unscoped), FLOOD - 1);
  const refused = line.refused;
  const more = Array.from({ length: 10 }, () =>
    send(list(unscoped)).then(
      () => 'told',
      () => 'cut off',
    ),
  );
  await eventually(() => line.refused > refused);
  expect((await chat(service, victim)).status).toBe(200);
  await released(answers);
  expect(await Promise.all(more)).toContain('cut off');
  const metrics = await service.app.get(Metrics).registry.metrics();
  const valueOf = (name: string): number => Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(metrics)?.[1]);
  expect(valueOf('gatehouse_refusals_dropped_total')).toBe(line.refused);
  expect(valueOf('gatehouse_refusals_delayed_total')).toBe(line.delayed);
  expect(valueOf('gatehouse_refusals_waiting')).toBe(line.waiting);
});

it('a connection goes on after an answer that waited', async () => {
  const connection = await RawConnection.open(service.baseUrl);
  const head = (key: string): string =>
    `POST /api/v1/gateways/list HTTP/1.1\r\nHost: gatehouse\r\nX-API-Key: ${key}\r\nContent-Length: 2\r\n\r\n{}`;
  try {
    for (let request = 0; request < 3; request += 1) {
      while (line.take());
      connection.send(head(unscoped));
      await eventually(() => line.waiting === 1);
      line.releaseAll();
      expect((await connection.answer()).status).toBe(403);
    }
  } finally {
    connection.destroy();
  }
});

it('a body whose refusal waits holds no room', async () => {
  const answers = await flood({ ...completion(unscoped), body: 'x'.repeat(60_000) }, 4);
  expect(shareMetric(await service.app.get(Metrics).registry.metrics(), 'taken', 'body_bytes')).toBe(0);
  expect(countsOf(await released(answers))).toEqual({ 400: 4 });
});

it('a service that stops answers at once', async () => {
  const answers = await flood(list(unscoped));
  service.app.get(Drain).begin();
  expect(line.waiting).toBe(0);
  answers.push(send(list(unscoped)));
  expect(countsOf(await Promise.all(answers))).toEqual({ 403: FLOOD - 1 });
});
