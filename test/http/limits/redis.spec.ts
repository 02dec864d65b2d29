/** Redis is lost while requests come: none fails because of it, and at most one more window's allowance passes. */
import { RedisServer } from '../../support/redis-server.js';
import { startService, type Answer, type TestService } from '../../support/service.js';

const LIMIT = 20;

let redis: RedisServer;
let services: TestService[];
let key: string;

beforeAll(async () => {
  redis = await RedisServer.start();
  const settings = { redisUrl: redis.url, rateWindowSeconds: 600 };
  const first = await startService({ settings });
  services = [first];
  const org = await first.createOrg('founder');
  const { database, issuer, upstream, google } = first;
  const alike = { ...settings, platformProviderTenants: [org.tenantId] };
  services.push(await startService({ database, issuer, upstream, google, settings: alike }));
  ({ key } = await first.createKey(org, { requestsPerMinute: LIMIT }));
});

afterAll(async () => {
  for (const service of services.reverse()) await service.stop();
  await redis.stop();
});

const callMany = (count: number): Promise<Answer[]> =>
  Promise.all(
    Array.from({ length: count }, (_, index) =>
      services[index % services.length]!.call('GET', '/v1/models', { headers: { 'x-api-key': key } }),
    ),
  );
const passed = (answers: readonly Answer[]): number => {
  for (const { status, headers } of answers) {
    expect([200, 429]).toContain(status);
    expect(headers['x-ratelimit-limit']).toBe(String(LIMIT));
  }
  return answers.filter(({ status }) => status === 200).length;
};

it('two replicas admit exactly the limit by Redis, and at most once more when it is lost in between', async () => {
  expect(passed(await callMany(100))).toBe(LIMIT);
  const inTheMiddle = callMany(200);
  await redis.kill();
  const more = passed(await inTheMiddle) + passed(await callMany(100));
  expect(more).toBe(LIMIT);
  await redis.startAgain();
  expect(passed(await callMany(100))).toBe(0);
});
