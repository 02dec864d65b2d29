import { eventually } from '../../support/eventually.js';
import type { Identity, Org } from '../../support/service-client.js';
import { sharedService, type SharedService } from '../../support/shared-service.js';
import { dump } from '../../support/sql.js';

interface KeyView {
  readonly keyId: string;
  readonly keyPrefix: string;
  readonly permissions: readonly string[];
  readonly rateLimit: { readonly requestsPerMinute: number };
  readonly status: string;
  readonly name: string;
  readonly description: string;
  readonly createdAt: string;
  readonly expiresAt?: string;
  readonly [field: string]: unknown;
}

interface NewKey extends KeyView {
  readonly key: string;
}

let service: SharedService;
let org: Org;
let owner: Identity;

beforeAll(async () => {
  service = await sharedService();
});

afterAll(() => service.stop());

beforeEach(async () => {
  org = await service.seedOrg();
  owner = { user: org.user, tenant: org.tenantId };
});

async function create(body: object, identity = owner): Promise<NewKey> {
  return (await service.asUser<{ result: NewKey }>(identity, 'api-keys/create', body)).result;
}

async function get(keyId: string, identity = owner): Promise<KeyView> {
  return (await service.asUser<{ apiKey: KeyView }>(identity, 'api-keys/get', { key_id: keyId })).apiKey;
}

async function update(body: object): Promise<KeyView> {
  return (await service.asUser<{ apiKey: KeyView }>(owner, 'api-keys/update', body)).apiKey;
}

const RFC_3339_UTC = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/;
const DEFAULT_SCOPES = [
  'chat:write',
  'conversations:read',
  'conversations:write',
  'gateways:read',
  'humans:read',
  'humans:write',
  'providers:read',
  'usage:read',
  'usage:write',
  'webhooks:read',
];

describe('a new key', () => {
  it('is answered in exactly the published shape, with defaults shown and unset fields left out', async () => {
    const created = await create({ name: 'Server' });
    expect(created).toStrictEqual({
      keyId: expect.stringMatching(/^\S+$/) as string,
      key: expect.stringMatching(/^sk_[a-z]+_[0-9A-Za-z]{33,}$/) as string,
      keyPrefix: expect.stringMatching(/^sk_/) as string,
      type: 'SECRET',
      name: 'Server',
      createdBy: { userId: owner.user },
      description: '',
      permissions: expect.any(Array) as string[],
      models: [],
      rateLimit: { requestsPerMinute: 1000 },
      status: 'ACTIVE',
      createdAt: expect.stringMatching(RFC_3339_UTC) as string,
    });
    expect([...created.permissions].sort()).toEqual(DEFAULT_SCOPES);
    expect(created.key.startsWith(created.keyPrefix)).toBe(true);
    // The part that is always shown must leave more than enough that can't be guessed.
    expect(created.key.length - created.keyPrefix.length).toBeGreaterThan(24);
  });

  it('is never shown again, and is nowhere in the database', async () => {
    const { key, keyId } = await create({ name: 'Once' });
    const list = await service.asUser(owner, 'api-keys/list');
    const random = key.slice(12);
    for (const text of [
      JSON.stringify(await get(keyId)),
      JSON.stringify(list),
      await dump(service.database.superuserUrl),
    ]) {
      expect(text).toContain(keyId);
      expect(text).not.toContain(random);
      expect(text).not.toContain(Buffer.from(key).toString('hex'));
    }
  });

  it('differs each time', async () => {
    const keys = await Promise.all(Array.from({ length: 20 }, () => create({ name: 'Same name' })));
    expect(new Set(keys.map(({ key }) => key)).size).toBe(20);
    expect(new Set(keys.map(({ keyId }) => keyId)).size).toBe(20);
  });

  it.each([
    ['lowerCamelCase', { rateLimit: { requestsPerMinute: 7 }, expiresAt: '2031-01-01T00:00:00Z' }],
    ['snake_case', { rate_limit: { requests_per_minute: 7 }, expires_at: '2031-01-01T00:00:00Z' }],
    ['a whole number as text', { rate_limit: { requests_per_minute: '7' }, expires_at: '2031-01-01T00:00:00Z' }],
    [
      'a number with an exponent',
      '{"name":"S","rate_limit":{"requests_per_minute":0.7e1},"expires_at":"2031-01-01T00:00:00Z"}',
    ],
    ['another offset', { rateLimit: { requestsPerMinute: 7 }, expiresAt: '2030-12-31T22:30:00-01:30' }],
    ['fractions of a second', { rateLimit: { requestsPerMinute: 7 }, expiresAt: '2031-01-01T00:00:00.000000000Z' }],
    [
      'null for what is left out',
      { rateLimit: { requestsPerMinute: 7 }, expiresAt: '2031-01-01T00:00:00Z', description: null, permissions: null },
    ],
  ])('takes %s', async (_form, wishes) => {
    const headers = { authorization: `Bearer ${service.dashboardToken(owner)}` };
    const body = typeof wishes === 'string' ? wishes : { name: 'S', ...wishes };
    const answer = await service.call('POST', '/api/v1/api-keys/create', { headers, body });
    expect(answer.status).toBe(200);
    const { result } = answer.json<{ result: NewKey }>();
    expect(result.rateLimit).toEqual({ requestsPerMinute: 7 });
    expect(result.expiresAt).toMatch(RFC_3339_UTC);
    expect(Date.parse(result.expiresAt!)).toBe(Date.parse('2031-01-01T00:00:00Z'));
    expect(result.description).toBe('');
    expect([...result.permissions].sort()).toEqual(DEFAULT_SCOPES);
    expect(answer.text).not.toContain('null');
  });

  it('can hold no scope at all, and shows an empty list then', async () => {
    const { keyId } = await create({ name: 'Powerless', permissions: [] });
    expect((await get(keyId)).permissions).toEqual([]);
  });

  it('keeps any storable text, to the last character', async () => {
    const name = `"${'😀'.repeat(90)}\\'; --\u2028`;
    const { keyId } = await create({ name, description: 'a\nb\t\u0001' });
    expect(await get(keyId)).toMatchObject({ name, description: 'a\nb\t\u0001' });
  });

  it('made by a developer has no more scopes than a developer', async () => {
    await service.addMember(org, `dev-${org.user}`, 'developer');
    const developer = { user: `dev-${org.user}`, tenant: org.tenantId, role: 'owner' };
    expect([...(await create({ name: 'D' }, developer)).permissions].sort()).toEqual(DEFAULT_SCOPES);
    const wide = await create(
      { name: 'W', permissions: ['webhooks:write', 'gateways:write', 'providers:write'] },
      developer,
    );
    expect(wide.permissions).toHaveLength(3);
  });
});

describe('the list', () => {
  interface Page {
    readonly apiKeys: readonly KeyView[];
    readonly nextPageToken: string;
  }

  it('goes from the newest to the oldest, each key once, over all pages', async () => {
    const made: string[] = [];
    for (let index = 0; index < 7; index += 1) made.unshift((await create({ name: `Key ${index}` })).keyId);
    const pages: string[][] = [];
    for (let token = ''; pages.length === 0 || token !== '';) {
      const page: Page = await service.asUser<Page>(owner, 'api-keys/list', { page_size: '3', page_token: token });
      pages.push(page.apiKeys.map(({ keyId }) => keyId));
      token = page.nextPageToken;
    }
    expect(pages.map(({ length }) => length)).toEqual([3, 3, 1]);
    expect(pages.flat()).toEqual(made);
  });

  it('has 50 keys on a page by default, and 500 at most', async () => {
    await service.sql(
      `INSERT INTO api_keys (id, tenant_id, type, name, key_prefix, hash, pepper_version, scopes, created_by)
       SELECT $1 || n, $2, 'SECRET', 'Seeded', 'sk_x', sha256(($1 || n)::bytea), 1, '{}', 'seed' FROM generate_series(1, 501) AS n`,
      [`key_${org.orgId}_`, org.tenantId],
    );
    for (const [body, count] of [
      [{}, 50],
      [{ page_size: 0 }, 50],
      [{ pageSize: 500 }, 500],
    ] as const) {
      const page = await service.asUser<Page>(owner, 'api-keys/list', body);
      expect(page.apiKeys).toHaveLength(count);
      expect(new Set(page.apiKeys.map(({ keyId }) => keyId)).size).toBe(count);
      expect(page.nextPageToken).not.toBe('');
    }
  });

  it('has the tenant’s own keys only', async () => {
    const other = await service.seedOrg();
    await create({ name: 'Theirs' }, { user: other.user, tenant: other.tenantId });
    const { keyId } = await create({ name: 'Ours' });
    const page = await service.asUser<Page>(owner, 'api-keys/list');
    expect(page.apiKeys.map((key) => key.keyId)).toEqual([keyId]);
    expect(page.nextPageToken).toBe('');
  });

  it('can be read by a viewer, and so can one key', async () => {
    const { keyId } = await create({ name: 'Seen' });
    await service.addMember(org, `viewer-${org.user}`, 'viewer');
    const viewer = { user: `viewer-${org.user}`, tenant: org.tenantId };
    expect((await service.asUser<Page>(viewer, 'api-keys/list')).apiKeys).toHaveLength(1);
    expect((await get(keyId, viewer)).name).toBe('Seen');
  });
});

describe('a change', () => {
  it('changes only the fields that it names', async () => {
    const { key: _key, ...before } = await create({
      name: 'Before',
      description: 'D',
      permissions: ['chat:write'],
      rate_limit: { requests_per_minute: 9 },
      expires_at: '2031-01-01T00:00:00Z',
    });
    expect(await update({ key_id: before.keyId, name: 'After' })).toEqual({ ...before, name: 'After' });
    expect(await update({ keyId: before.keyId, description: '' })).toEqual({
      ...before,
      name: 'After',
      description: '',
    });
    expect(await get(before.keyId)).toEqual({ ...before, name: 'After', description: '' });
    expect(await update({ keyId: before.keyId })).toEqual({ ...before, name: 'After', description: '' });
  });

  it('restores the default limit for 0, and can remove an expiry', async () => {
    const { keyId } = await create({
      name: 'K',
      rate_limit: { requests_per_minute: 9 },
      expires_at: '2031-01-01T00:00:00Z',
    });
    const changed = await update({ key_id: keyId, rate_limit: { requests_per_minute: 0 }, never_expires: true });
    expect(changed.rateLimit).toEqual({ requestsPerMinute: 1000 });
    expect(changed).not.toHaveProperty('expiresAt');
  });

  it('sets how often each human of the key may call, and shows it until the default is restored', async () => {
    const { keyId, rateLimit } = await create({ name: 'K', rate_limit: { requests_per_minute_per_human: 9 } });
    expect(rateLimit).toEqual({ requestsPerMinute: 1000, requestsPerMinutePerHuman: 9 });
    const of = async (limit: number): Promise<object> =>
      (await update({ key_id: keyId, rate_limit: { requests_per_minute_per_human: limit } })).rateLimit;
    expect(await of(7)).toEqual({ requestsPerMinute: 1000, requestsPerMinutePerHuman: 7 });
    expect(await of(0)).toEqual({ requestsPerMinute: 1000 });
  });

  it('of scopes and of the limit applies to a key that is in use', async () => {
    const { key, keyId } = await create({ name: 'K' });
    const models = () => service.call('GET', '/v1/models', { headers: { 'x-api-key': key } });
    expect((await models()).headers['x-ratelimit-limit']).toBe('1000');
    await update({ key_id: keyId, rate_limit: { requests_per_minute: 77 }, permissions: ['usage:read'] });
    await eventually(async () => {
      const answer = await models();
      return answer.status === 403 && answer.headers['x-ratelimit-limit'] === '77';
    });
  });
});

describe('revoking', () => {
  it('ends a key for good, shows in its status, and may be repeated', async () => {
    const { keyId } = await create({ name: 'Ended' });
    const revoke = () => service.asUser<{ apiKey: KeyView }>(owner, 'api-keys/revoke', { key_id: keyId });
    expect((await revoke()).apiKey.status).toBe('REVOKED');
    expect((await revoke()).apiKey.status).toBe('REVOKED');
    expect((await get(keyId)).status).toBe('REVOKED');
  });
});
