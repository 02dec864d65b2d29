import type { Answer, MadeKey, Org } from '../../support/service-client.js';
import { sharedService, type SharedService } from '../../support/shared-service.js';
import { fieldsOf, platformError } from '../refusals.js';

let service: SharedService;
let org: Org;
let key: MadeKey;

beforeAll(async () => {
  service = await sharedService();
  org = await service.createOrg();
  key = await service.createKey(org, { scopes: ['conversations:read', 'users:impersonate', 'audit:read'] });
});

afterAll(() => service.stop());

const list = (headers: Record<string, string>, body?: unknown): Promise<Answer> =>
  service.call('POST', '/api/v1/llm/gateway/list-threads', { headers, body });
const asKey = (): Record<string, string> => ({ 'x-api-key': key.key });

it('without threads the list is empty and is returned as such, for every caller and route', async () => {
  const token = service.dashboardToken({ user: org.user, tenant: org.tenantId });
  const callers = [
    asKey(),
    { authorization: `Bearer ${key.key}` },
    { authorization: `Bearer ${token}` },
    { ...asKey(), 'x-human-id': 'ann' },
    { ...asKey(), 'x-on-behalf-of': 'ann' },
  ];
  for (const headers of callers) {
    for (const body of [undefined, {}, { pageSize: 500 }, { page_size: '1', page_token: '' }]) {
      const answer = await list(headers, body);
      expect([answer.status, answer.text]).toEqual([200, '{"threads":[],"nextPageToken":""}']);
      expect(answer.headers['content-type']).toMatch(/^application\/json/);
    }
  }
});

it('no page follows an empty one: any token belongs to another listing', async () => {
  const audit = await service.call('POST', '/api/v1/audit/list', { headers: asKey(), body: { pageSize: 1 } });
  const { nextPageToken } = audit.json<{ nextPageToken: string }>();
  expect(nextPageToken).not.toBe('');
  for (const pageToken of [nextPageToken, 'x'])
    expect(fieldsOf(platformError(await list(asKey(), { pageToken }), 400))).toEqual(['pageToken']);
});

it.each<[string, unknown, string]>([
  ['an unknown field', { conversationKey: 'x' }, 'conversationKey'],
  ['both spellings', { pageSize: 1, page_size: 1 }, 'pageSize'],
  ['a page too large', { pageSize: 501 }, 'pageSize'],
])('%s is 400 and named', async (_what, body, field) => {
  expect(fieldsOf(platformError(await list(asKey(), body), 400))).toEqual([field]);
});
