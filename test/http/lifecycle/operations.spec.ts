/** The service as its operators see it: health, metrics, request ids. */
import { eventually } from '../../support/eventually.js';
import { UPSTREAM_MODEL } from '../../support/openai-upstream.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';
import { startService, type Answer, type TestService } from '../../support/service.js';
import { TcpProxy } from '../../support/tcp-proxy.js';
import { ledgerOf } from '../ledger.js';
import { openaiError } from '../refusals.js';
import { freePort } from '../../support/free-port.js';

let service: TestService;
let database: TestDatabase;
let proxy: TcpProxy;
let metricsPort: number;
let key: string;

beforeAll(async () => {
  database = await createTestDatabase();
  const { hostname, port } = new URL(database.ownerUrl);
  proxy = await TcpProxy.start({ host: hostname, port: Number(port) });
  metricsPort = await freePort();
  service = await startService({
    database,
    settings: { databaseUrl: proxy.through(database.ownerUrl), metricsPort, metricsHost: '127.0.0.1' },
  });
  ({ key } = await service.createKey(await service.createOrg('founder', 'Secretive Ltd')));
});

afterAll(async () => {
  proxy.thaw();
  await service.stop();
  await proxy.close();
  await database.drop();
});

const models = (headers: Record<string, string> = {}): Promise<Answer> =>
  service.call('GET', '/v1/models', { headers: { 'x-api-key': key, ...headers } });

describe('health', () => {
  it('is ready and live while all is well, and must not be cached', async () => {
    for (const path of ['/health/live', '/health/ready']) {
      const answer = await service.call('GET', path);
      expect(answer).toMatchObject({ status: 200, headers: { 'cache-control': 'no-store' } });
      expect(answer.json()).toEqual({ status: 'ok' });
    }
  });

  it.each([
    ['frozen', () => proxy.freeze(), () => proxy.thaw()],
    [
      'down',
      () => {
        proxy.refuse(true);
        proxy.cut();
      },
      () => proxy.refuse(false),
    ],
  ])('is not ready while the database is %s, stays live, and is ready again after', async (_how, ruin, mend) => {
    ruin();
    try {
      const answer = await service.call('GET', '/health/ready');
      expect(answer.status).toBe(503);
      expect(answer.json()).toMatchObject({ error: { code: 503, status: 'UNAVAILABLE' } });
      expect((await service.call('GET', '/health/live')).status).toBe(200);
      // An outage is not reported as a bad credential, and nothing goes upstream unrecorded.
      const body = { model: UPSTREAM_MODEL, messages: [{ role: 'user', content: 'Hi' }] };
      const refused = await service.call('POST', '/v1/chat/completions', { headers: { 'x-api-key': key }, body });
      expect(openaiError(refused, 503).code).toBe('unavailable');
      expect(service.upstream.requests).toEqual([]);
    } finally {
      mend();
    }
    await eventually(async () => (await service.call('GET', '/health/ready')).status === 200);
    await eventually(async () => (await models()).status === 200);
    // A call that was recorded before it was refused is settled, and charged nothing.
    await eventually(async () => (await ledgerOf(service)).every(({ state }) => state !== 'RESERVED'));
    for (const row of await ledgerOf(service))
      expect(row).toMatchObject({ outcome: 'NOT_SENT', input_tokens: 0, output_tokens: 0 });
  });
});

describe('metrics', () => {
  const metrics = (): Promise<Answer> => service.call('GET', `http://127.0.0.1:${metricsPort}/metrics`);

  it('have a port of their own', async () => {
    const answer = await metrics();
    expect(answer.status).toBe(200);
    expect(answer.headers['content-type']).toMatch(/^text\/plain/);
    expect(answer.text).toContain('process_resident_memory_bytes');
    for (const headers of [{}, { 'x-api-key': key }])
      expect((await service.call('GET', '/metrics', { headers })).status).toBe(404);
    expect((await service.call('GET', `http://127.0.0.1:${metricsPort}/v1/models`)).status).toBe(404);
  });

  it('count requests by route and status, without names of callers or values that a caller chose', async () => {
    await models();
    await service.call('GET', '/v1/models/marker-model', { headers: { 'x-api-key': key } });
    await service.call('GET', '/marker-path/7', { headers: { 'x-api-key': key } });
    let text = '';
    await eventually(async () => {
      ({ text } = await metrics());
      return (
        /^gatehouse_http_requests_total\{[^}]*route="\/v1\/models"[^}]*status="200"[^}]*\} [1-9]/m.test(text) &&
        / status="404"|status="404"/.test(text)
      );
    });
    expect(text).not.toMatch(/marker|secretive|founder|sk_gh|key_/i);
  });
});

describe('a request id', () => {
  it('is the caller’s own where it is safe in a log', async () => {
    for (const id of ['req-1', 'a', 'A.b_c:d-9', 'x'.repeat(128)])
      expect((await models({ 'x-request-id': id })).headers['x-request-id']).toBe(id);
  });

  it.each([
    ['none', undefined],
    ['an empty one', ''],
    ['one of 129 characters', 'x'.repeat(129)],
    ['one with a blank', 'a b'],
    ['one with a quote', 'a"b'],
    ['one with JSON', '{"level":60}'],
    ['one with markup', '<script>'],
    ['one with an escape', 'a\\u001b[31m'],
    ['one beyond ASCII', 'h\u00e9'],
    ['one with a tab', 'a\tb'],
  ])('is made by the service in place of %s', async (_what, given) => {
    const [first, second] = [await models(given === undefined ? {} : { 'x-request-id': given }), await models()];
    expect(first.headers['x-request-id']).toMatch(/^req_[A-Za-z0-9_-]{16,}$/);
    expect(first.headers['x-request-id']).not.toBe(second.headers['x-request-id']);
  });

  it('is on every answer, errors too', async () => {
    for (const [method, path] of [
      ['GET', '/nothing'],
      ['POST', '/v1/chat/completions'],
      ['OPTIONS', '/v1/models'],
      ['GET', '/docs'],
      ['GET', '/health/live'],
    ] as const) {
      expect((await service.call(method, path)).headers['x-request-id']).toMatch(/^req_/);
    }
  });
});
