/** Two replicas at the edge between two windows, and with one place left. */
import { setLimits } from '../../support/chaos-world.js';
import { eventually } from '../../support/eventually.js';
import { startReplicas, stopReplicas } from '../../support/replicas.js';
import type { Answer, Org, TestService } from '../../support/service.js';
import { chat, create, createToken, SETTINGS, type Made } from '../gateways/gateways.js';
import { mint, processing } from '../sealed/sealed-client.js';

const MANY = [1_000_000, 1_000_000, 1_000_000] as const;
const SHORT = {
  ...SETTINGS,
  platformProviderTenants: ['*'],
  rateWindowSeconds: 2,
  sealedGlobalQuota: MANY,
  sealedClientQuota: MANY,
};
/** The number of callers for one place. */
const CROWD = 24;
const ROUNDS = 6;
const ROOM = 5;

let replicas: readonly [TestService, TestService];
let org: Org;

beforeAll(async () => {
  replicas = await startReplicas(SHORT, SHORT);
  org = await replicas[0].createOrg('founder');
}, 60_000);

afterAll(() => stopReplicas(replicas));

const body = { model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Say hello.' }] };
const statusesOf = (answers: readonly Answer[]): number[] => answers.map(({ status }) => status);

/** Many simultaneous calls, in turn over the replicas. */
function together(count: number, call: (at: TestService) => Promise<Answer>): Promise<Answer[]> {
  return Promise.all(Array.from({ length: count }, (_, index) => call(replicas[index % 2]!)));
}

it('admit together as many in each window as one replica would, edge after edge', async () => {
  const { key } = await replicas[0].createKey(org, { requestsPerMinute: ROOM });
  const passed = new Map<string, number>();
  const call = (at: TestService): Promise<Answer> => at.call('GET', '/v1/models', { headers: { 'x-api-key': key } });
  // The windows of the first and the last call were not fully observed.
  while (passed.size < 5) {
    for (const { status, headers } of await together(8, call)) {
      expect([200, 429]).toContain(status);
      const window = String(headers['x-ratelimit-reset']);
      passed.set(window, (passed.get(window) ?? 0) + (status === 200 ? 1 : 0));
    }
  }
  const whole = [...passed].toSorted(([one], [other]) => Number(one) - Number(other)).slice(0, -1);
  expect(whole.map(([, count]) => count)).toEqual(whole.map(() => ROOM));
}, 60_000);

describe('the last place', () => {
  /** Takes all places but one, one after another, and then has many callers compete for that one. */
  async function race(limit: number, call: (at: TestService) => Promise<Answer>): Promise<number[]> {
    for (let place = 1; place < limit; place += 1) expect((await call(replicas[place % 2]!)).status).toBe(200);
    return statusesOf(await together(CROWD, call));
  }
  const oneOf = (statuses: readonly number[]): void => {
    expect(statuses.filter((status) => status === 200)).toHaveLength(1);
    expect(statuses.filter((status) => status === 429)).toHaveLength(CROWD - 1);
  };

  it('of a human is taken once', async () => {
    const { key } = await replicas[0].createKey(org);
    for (let round = 0; round < ROUNDS; round += 1) {
      const human = `human-${round}`;
      await setLimits(replicas[0].database, org.tenantId, human, { request_cnt: 3 });
      const headers = { 'x-api-key': key, 'x-human-id': human };
      oneOf(await race(3, (at) => at.call('POST', '/v1/chat/completions', { headers, body })));
    }
  });

  it('of a gateway’s token is taken once', async () => {
    const made: Made = await create(replicas[0], org, replicas[0].upstream);
    for (let round = 0; round < ROUNDS; round += 1) {
      const rateLimit = { requests: { limit: 3, window: 'DAY' } };
      const { token } = await createToken(replicas[0], org, made.gateway.id, { name: `token-${round}`, rateLimit });
      await eventually(
        async () =>
          (
            await replicas[1].call('GET', `/gateways/${made.gateway.id}/v1/models`, {
              headers: { authorization: `Bearer ${token}` },
            })
          ).status === 200,
      );
      oneOf(await race(3, (at) => chat(at, made.gateway.id, token)));
    }
  });

  it('of a sealed token is taken once', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const { token } = await mint(replicas[0], { secrets: [], global: [1_000, 3, 1_000] });
      oneOf(await race(3, (at) => processing(at, token, { serviceId: 'chat:dummy' })));
    }
  });
});
