/** Of N parallel calls against a window of M, exactly M pass. */
import http from 'node:http';
import { eventually } from '../../support/eventually.js';
import { UPSTREAM_MODEL } from '../../support/openai-upstream.js';
import { startService, startServiceProcess, type ServiceClient, type TestService } from '../../support/service.js';
import { settledCalls } from '../ledger.js';

const CALLS = 1000;
const ADMITTED = 37;
const BODY = JSON.stringify({ model: UPSTREAM_MODEL, messages: [{ role: 'user', content: 'Hi' }] });

interface Counted {
  readonly status: number;
  readonly remaining: number;
}

/** Sends a number of calls over a pool of sockets for each service, in turn, all at once. */
async function callAll(services: readonly ServiceClient[], key: string, calls = CALLS): Promise<Counted[]> {
  const agents = services.map(() => new http.Agent({ keepAlive: true, maxSockets: 64 }));
  const one = (index: number): Promise<Counted> =>
    new Promise((resolve, reject) => {
      const at = index % services.length;
      const headers = { 'content-type': 'application/json', 'x-api-key': key };
      const request = http.request(new URL('/v1/chat/completions', services[at]!.baseUrl), {
        method: 'POST',
        headers,
        agent: agents[at]!,
      });
      request.on('error', reject).on('response', (response) => {
        response.resume().on('error', reject);
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, remaining: Number(response.headers['x-ratelimit-remaining']) }),
        );
      });
      request.end(BODY);
    });
  try {
    return await Promise.all(Array.from({ length: calls }, (_, index) => one(index)));
  } finally {
    for (const agent of agents) agent.destroy();
  }
}

function expectExactly(answers: readonly Counted[], admitted: number): void {
  const passed = answers.filter(({ status }) => status === 200);
  expect(answers.filter(({ status }) => status !== 200 && status !== 429)).toEqual([]);
  expect(passed).toHaveLength(admitted);
  // Each admitted call took a place of its own.
  expect(passed.map(({ remaining }) => remaining).sort((a, b) => a - b)).toEqual(
    Array.from({ length: admitted }, (_, index) => index),
  );
  for (const { status, remaining } of answers) if (status === 429) expect(remaining).toBe(0);
}

describe.each([
  ['in memory', true],
  ['in Postgres', false],
])('one process, counting %s', (_where, embeddedDatabase) => {
  let service: TestService;

  beforeAll(async () => {
    service = await startService({ settings: { embeddedDatabase, rateWindowSeconds: 120 } });
  });

  afterAll(() => service.stop());

  it(`admits exactly ${ADMITTED} of ${CALLS} parallel calls, and the ledger has no other`, async () => {
    const { key } = await service.createKey(await service.createOrg('founder'), { requestsPerMinute: ADMITTED });
    expectExactly(await callAll([service], key), ADMITTED);
    expect(service.upstream.requests).toHaveLength(ADMITTED);
    await settledCalls(service, ADMITTED);
  });

  it('admits all calls where there is room for all', async () => {
    const { key } = await service.createKey(await service.createOrg('another'), { requestsPerMinute: 200 });
    expectExactly(await callAll([service], key, 200), 200);
  });
});

describe('two processes on one Postgres', () => {
  it(`admit exactly ${ADMITTED} of ${CALLS} parallel calls between them, and do not count the refused ones`, async () => {
    const service = await startService({ settings: { rateWindowSeconds: 120 } });
    const { database, issuer, upstream, settings } = service;
    const org = await service.createOrg('founder');
    const { key, keyId } = await service.createKey(org, { requestsPerMinute: ADMITTED });
    const replicas: ServiceClient[] = [];
    const stops: (() => Promise<unknown>)[] = [];
    try {
      for (let index = 0; index < 2; index += 1) {
        const replica = await startServiceProcess({
          database,
          issuer,
          upstream,
          providerTenants: [org.tenantId],
          env: {
            GATEHOUSE_RATE_WINDOW_SECONDS: '120',
            GATEHOUSE_PEPPERS: settings.peppers
              .map(({ version, secret }) => `${version}:${secret.toString('base64url')}`)
              .join(','),
          },
        });
        replicas.push(replica);
        stops.push(() => replica.stop());
      }
      expectExactly(await callAll(replicas, key), ADMITTED);
      await settledCalls(service, ADMITTED);
      const rows = await service.sql<{ used: number }>(
        "SELECT used FROM rate_windows WHERE key LIKE '%' || $1 || '%'",
        [keyId],
      );
      expect(rows).toEqual([{ used: ADMITTED }]);
    } finally {
      for (const stop of stops) await stop();
      await service.stop();
    }
  });
});

describe('a window', () => {
  it.each([true, false])(
    'that closed is followed by one with exactly the same room (in memory: %s)',
    async (embeddedDatabase) => {
      const service = await startService({ settings: { embeddedDatabase, rateWindowSeconds: 3 } });
      try {
        const { key } = await service.createKey(await service.createOrg('founder'), { requestsPerMinute: 5 });
        const call = () => service.call('GET', '/v1/models', { headers: { 'x-api-key': key } });
        for (let round = 0; round < 2; round += 1) {
          let opened = await call();
          await eventually(async () => {
            if (opened.status !== 200) opened = await call();
            return opened.status === 200;
          });
          expect(opened.headers['x-ratelimit-remaining']).toBe('4');
          const rest = await Promise.all(Array.from({ length: 40 }, call));
          const inWindow = rest.filter(
            ({ headers }) => headers['x-ratelimit-reset'] === opened.headers['x-ratelimit-reset'],
          );
          // The window can close meanwhile only if the machine stands still for three seconds.
          expect(inWindow).toHaveLength(40);
          expect(rest.filter(({ status }) => status === 200)).toHaveLength(4);
        }
      } finally {
        await service.stop();
      }
    },
  );
});
