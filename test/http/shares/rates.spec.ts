/** The request rate that a tenant may set: the operator's ceiling applies, whatever is stored. */
import { startService, type Org, type TestService } from '../../support/service.js';
import { ownerOf, post } from '../orgs/people.js';
import { fieldsOf, platformError } from '../refusals.js';

const MOST = 5_000;

let service: TestService;
let org: Org;

beforeAll(async () => {
  service = await startService({ settings: { mostRequestsPerMinute: MOST, requestsPerMinute: 100 } });
  org = await service.seedOrg();
});

afterAll(() => service.stop());

const headers = async (key: string): Promise<object> =>
  (await service.call('GET', '/v1/models', { headers: { 'x-api-key': key } })).headers;

it.each([
  ['api-keys/create', { name: 'K' }],
  ['api-keys/create-publishable', { name: 'K' }],
])('%s refuses more than the ceiling, and names field and setting', async (route, body) => {
  for (const field of ['requestsPerMinute', 'requestsPerMinutePerHuman']) {
    const answer = await post(service, ownerOf(org), route, { ...body, rateLimit: { [field]: MOST + 1 } });
    expect(answer.status).toBe(400);
    expect(fieldsOf(platformError(answer, 400))).toEqual([`rateLimit.${field}`]);
    expect(answer.text).toContain('GATEHOUSE_MOST_REQUESTS_PER_MINUTE');
  }
});

it('an update of a key also refuses more, and accepts the ceiling itself', async () => {
  const { key, keyId } = await service.createKey(org, { requestsPerMinute: MOST });
  expect(await headers(key)).toMatchObject({ 'x-ratelimit-limit': String(MOST) });
  const change = (rate: number) =>
    post(service, ownerOf(org), 'api-keys/update', { keyId, rateLimit: { requestsPerMinute: rate } });
  expect((await change(MOST + 1)).status).toBe(400);
  expect((await change(7)).status).toBe(200);
});

it('an older key with a higher rate has the ceiling, and shows it', async () => {
  const { key, keyId } = await service.createKey(org, { requestsPerMinute: 9 });
  await service.sql('UPDATE api_keys SET requests_per_minute = 1000000000 WHERE id = $1', [keyId]);
  expect(await headers(key)).toMatchObject({ 'x-ratelimit-limit': String(MOST) });
  const got = await post(service, ownerOf(org), 'api-keys/get', { keyId });
  expect(got.json<{ apiKey: { rateLimit: object } }>().apiKey.rateLimit).toEqual({ requestsPerMinute: MOST });
});
