/** A tenant's people and keys manage its humans, apart from other tenants' humans. */
import type { Answer, Identity, Org } from '../../support/service-client.js';
import { sharedService, type SharedService } from '../../support/shared-service.js';
import { eventually } from '../../support/eventually.js';
import { chat } from '../usage-tokens/usage-client.js';
import { addEveryRole, ownerOf, post } from '../orgs/people.js';
import { expectPlatformRefusal, fieldsOf, platformError } from '../refusals.js';

interface Human {
  readonly human: string;
  readonly createdAt: string;
  readonly limits: readonly { readonly type: string; readonly value: number }[];
}

let service: SharedService;
let org: Org;
let owner: Identity;
let key: string;

beforeAll(async () => {
  service = await sharedService();
});

afterAll(() => service.stop());

beforeEach(async () => {
  org = await service.seedOrg();
  owner = ownerOf(org);
  ({ key } = await service.createKey(org, { scopes: ['humans:read', 'humans:write'] }));
});

const send = (route: string, body: unknown, headers: Record<string, string> = {}, by = key): Promise<Answer> =>
  service.call('POST', `/api/v1/humans/${route}`, { headers: { 'x-api-key': by, ...headers }, body });
async function ask<T>(route: string, body: unknown): Promise<T> {
  const answer = await send(route, body);
  expect({ status: answer.status, text: answer.text }).toMatchObject({ status: 200 });
  return answer.json<T>();
}
const upsert = async (human: string, more: object = {}): Promise<Human> =>
  (await ask<{ human: Human }>('upsert', { human, ...more })).human;
const get = async (human: string): Promise<Human> => (await ask<{ human: Human }>('get', { human })).human;
const setDefaults = (defaultLimits: object[]): Promise<object> =>
  service.asUser(owner, 'tenants/update', { tenantId: org.tenantId, defaultLimits });
const events = (action: string): Promise<{ resource_id: string; details: object }[]> =>
  service.sql('SELECT resource_id, details FROM audit_events WHERE tenant_id = $1 AND action = $2', [
    org.tenantId,
    action,
  ]);

describe('humans/upsert', () => {
  it("creates a human once, with the tenant's default limits", async () => {
    await setDefaults([{ type: 'token_cnt', value: 1000.5 }]);
    const answer = await send('upsert', { human: 'ann@example.org' });
    expect(answer.json()).toStrictEqual({
      human: {
        human: 'ann@example.org',
        createdAt: expect.stringMatching(/^\d{4}-.*Z$/) as string,
        limits: [{ type: 'token_cnt', value: 1000.5 }],
      },
    });
    await setDefaults([{ type: 'token_cnt', value: 7 }]);
    expect(await upsert('ann@example.org')).toEqual(answer.json<{ human: Human }>().human);
    expect(await events('human.created')).toHaveLength(1);
    expect(await events('limits.set')).toEqual([]);
  });

  it('is recorded in the audit log under its human', async () => {
    await upsert('ann', { limits: [{ type: 'token_cnt', value: 10 }] });
    await upsert('bob', { limits: [{ type: 'token_cnt', value: 10 }] });
    const about = await service.asUser<{ events: { action: string; subject: { human: string } }[] }>(
      owner,
      'audit/list',
      { human: 'ann' },
    );
    expect(about.events.map(({ action, subject }) => [action, subject.human])).toEqual([
      ['limits.set', 'ann'],
      ['human.created', 'ann'],
    ]);
  });

  it('sets and removes the named fields, and leaves the others', async () => {
    await upsert('ann', {
      limits: [
        { type: 'token_cnt', value: 10 },
        { type: 'request_cnt', value: 0 },
      ],
    });
    const changed = await upsert('ann', {
      limits: [{ type: 'cost_micros', value: '2.000001' }],
      remove_limits: ['request_cnt', 'voice_synthesis_seconds'],
    });
    expect(changed.limits).toEqual([
      { type: 'token_cnt', value: 10 },
      { type: 'cost_micros', value: 2.000001 },
    ]);
    expect(await get('ann')).toEqual(changed);
    expect(await events('limits.set')).toHaveLength(2);
  });

  it('creates one human and one event for many simultaneous requests', async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => upsert('crowd')));
    expect(new Set(answers.map(({ createdAt }) => createdAt)).size).toBe(1);
    expect(await events('human.created')).toHaveLength(1);
  });

  it('runs once for an Idempotency-Key, and the stored answer does not name the human', async () => {
    const body = { human: 'kept@example.org', limits: [{ type: 'request_cnt', value: 3 }] };
    const first = await send('upsert', body, { 'idempotency-key': 'once' });
    await upsert('kept@example.org', { limits: [{ type: 'request_cnt', value: 9 }] });
    const again = await send('upsert', body, { 'idempotency-key': 'once' });
    expect(again.headers['x-gatehouse-idempotent-replay']).toBe('true');
    expect(again.json<object>()).toEqual({ ...first.json<object>(), notice: expect.any(String) as string });
    expect((await get('kept@example.org')).limits).toEqual([{ type: 'request_cnt', value: 9 }]);
    const kept = await service.sql<{ row: string }>(
      'SELECT i::text AS row FROM idempotency_keys i WHERE tenant_id = $1',
      [org.tenantId],
    );
    expect(kept).toHaveLength(1);
    expect(kept[0]!.row).not.toContain('kept@example.org');
    const other = { ...body, human: 'another' };
    platformError(await send('upsert', other, { 'idempotency-key': 'once' }), 409);
  });

  it.each([
    ['human', {}],
    ['human', { human: '' }],
    ['human', { human: ' \u2003' }],
    ['human', { human: 'a\0b' }],
    ['human', { human: 'a\ud800' }],
    ['human', { human: 'a'.repeat(257) }],
    ['human', { human: 7 }],
    ['limits.0.type', { human: 'a', limits: [{ type: 'tokens', value: 1 }] }],
    ['limits.0.value', { human: 'a', limits: [{ type: 'token_cnt', value: -1 }] }],
    ['limits', { human: 'a', limits: [1, 2].map((value) => ({ type: 'token_cnt', value })) }],
    ['removeLimits.0', { human: 'a', removeLimits: ['tokens'] }],
    ['removeLimits', { human: 'a', limits: [{ type: 'token_cnt', value: 1 }], removeLimits: ['token_cnt'] }],
    ['nonsense', { human: 'a', nonsense: 1 }],
  ])('refuses a bad %s, and writes nothing', async (field, body) => {
    const error = await expectPlatformRefusal(service, () => send('upsert', body), 400);
    expect(fieldsOf(error)).toEqual([field]);
  });
});

describe('an id of a human', () => {
  it.each([
    ['an emoji of many code points', '👩‍👩‍👧‍👦'],
    ['256 characters beyond the BMP', '𝒳'.repeat(256)],
    ['a UUID', '0b2f0c2e-7f8e-4a51-9f51-0c8e9c5f5a11'],
    ['blanks around it', ' ann '],
    ['quotes and a formula', '=HYPERLINK("x"), \'; DROP TABLE humans --'],
    ['another letter case', 'ANN'],
  ])('may be %s, and is returned unchanged', async (_, human) => {
    expect((await upsert(human)).human).toBe(human);
    expect((await get(human)).human).toBe(human);
    const { humans } = await ask<{ humans: Human[] }>('list', {});
    expect(humans.map((one) => one.human)).toEqual([human]);
  });

  it('is compared byte for byte: two Unicode forms of one name are two humans', async () => {
    const [composed, decomposed] = ['é'.normalize('NFC'), 'é'.normalize('NFD')];
    await upsert(composed, { limits: [{ type: 'request_cnt', value: 1 }] });
    platformError(await send('get', { human: decomposed }), 404);
    expect((await upsert(decomposed)).limits).toEqual([]);
    expect((await get(composed)).limits).toHaveLength(1);
    expect((await ask<{ humans: Human[] }>('list', {})).humans).toHaveLength(2);
  });

  it('of another tenant belongs to another human', async () => {
    const theirs = await service.createKey(await service.seedOrg());
    expect((await send('upsert', { human: 'of-both' }, {}, theirs.key)).status).toBe(200);
    platformError(await send('get', { human: 'of-both' }), 404);
    await upsert('of-both');
    expect(await service.sql("SELECT id FROM humans WHERE human = 'of-both'")).toHaveLength(2);
  });
});

describe('humans/list', () => {
  it('pages through all humans, newest first, each once', async () => {
    const names = Array.from({ length: 7 }, (_, index) => `human-${index}`);
    for (const name of names) await upsert(name);
    // All have one time, so that the order must not depend on the time only.
    await service.sql("UPDATE humans SET created_at = '2026-01-01' WHERE tenant_id = $1 AND human > 'human-2'", [
      org.tenantId,
    ]);
    const seen: string[] = [];
    let pageToken = '';
    do {
      const page = await ask<{ humans: Human[]; nextPageToken: string }>('list', { page_size: 2, pageToken });
      expect(page.humans.length).toBeLessThanOrEqual(2);
      seen.push(...page.humans.map(({ human }) => human));
      ({ nextPageToken: pageToken } = page);
    } while (pageToken !== '');
    expect(seen.slice(0, 3)).toEqual(['human-2', 'human-1', 'human-0']);
    expect([...seen].sort()).toEqual(names);
  });

  it("refuses another tenant's page token, and shows nothing of another tenant", async () => {
    for (const name of ['one', 'two']) await upsert(name);
    const { nextPageToken: pageToken } = await ask<{ nextPageToken: string }>('list', { pageSize: 1 });
    const stranger = ownerOf(await service.seedOrg());
    platformError(await post(service, stranger, 'humans/list', { pageToken }), 400);
    expect(await service.asUser(stranger, 'humans/list')).toEqual({ humans: [], nextPageToken: '' });
  });
});

it('shows when a human last made a call, and no time for one who made none', async () => {
  // A tenant with a provider.
  const calling = await service.createOrg();
  const asOwner = ownerOf(calling);
  const caller = await service.createKey(calling, { scopes: ['chat:write'] });
  await service.asUser(asOwner, 'humans/upsert', { human: 'quiet' });
  expect((await chat(service, { 'x-api-key': caller.key, 'x-human-id': 'busy' })).status).toBe(200);
  // Written every ten seconds. The test asks the database, since a user may not call so often.
  const seen = 'SELECT 1 FROM humans WHERE tenant_id = $1 AND last_seen_at IS NOT NULL';
  await eventually(async () => (await service.sql(seen, [calling.tenantId])).length > 0);
  const { humans } = await service.asUser<{ humans: object[] }>(asOwner, 'humans/list');
  expect(humans).toEqual([
    expect.objectContaining({ human: 'busy', lastSeenAt: expect.stringMatching(/^\d{4}-.*Z$/) as string }),
    { human: 'quiet', createdAt: expect.any(String) as string, limits: [] },
  ]);
});

describe('rights', () => {
  it('follow the scopes of keys and of roles', async () => {
    const people = await addEveryRole(service, org);
    const reader = await service.createKey(org, { scopes: ['humans:read'] });
    const writer = await service.createKey(org, { scopes: ['humans:write'] });
    const statuses = async (route: string): Promise<number[]> => {
      const answers = [];
      for (const role of ['owner', 'admin', 'developer', 'viewer'] as const)
        answers.push(await post(service, people[role], `humans/${route}`, route === 'list' ? {} : { human: 'ann' }));
      for (const { key: by } of [reader, writer])
        answers.push(await send(route, route === 'list' ? {} : { human: 'ann' }, {}, by));
      return answers.map(({ status }) => status);
    };
    expect(await statuses('upsert')).toEqual([200, 200, 200, 403, 403, 200]);
    expect(await statuses('list')).toEqual([200, 200, 200, 200, 200, 403]);
    expect(await statuses('get')).toEqual([200, 200, 200, 200, 200, 403]);
  });
});
