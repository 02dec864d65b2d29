import { createTestDatabase, type TestDatabase } from '../../test/support/postgres.js';
import { person, startKeysNode, type KeysNode } from '../../test/support/keys-node.js';
import { rowsOf, seedTenant, type SeededTenant } from '../../test/support/sql.js';
import { ROLES, SCOPES, type Role, type Scope } from '../identity/index.js';
import { Fault } from '../platform/errors/index.js';
import type { CreateKeyRequest } from './keys.dto.js';
import type { TenantKeys } from './keys.repository.js';

let database: TestDatabase;
let node: KeysNode;
let acme: SeededTenant;
let globex: SeededTenant;

beforeAll(async () => {
  database = await createTestDatabase();
  node = await startKeysNode(database.ownerUrl);
});

afterAll(async () => {
  await node.stop();
  await database.drop();
});

beforeEach(async () => {
  acme = await seedTenant(database.superuserUrl);
  globex = await seedTenant(database.superuserUrl);
});

const create = (changes: Partial<CreateKeyRequest> = {}, role: Role = 'owner', tenant = acme) =>
  node.create(person(tenant, role), changes);

async function refusal(work: Promise<unknown>): Promise<Fault> {
  const error: unknown = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(Fault);
  return error as Fault;
}

const countKeys = async (): Promise<number> =>
  (await rowsOf(database.superuserUrl, 'SELECT 1 FROM api_keys WHERE tenant_id = $1', [acme.tenantId])).length;

/** Written by hand: the scopes that each role may not grant. */
const LACKS: Readonly<Record<Role, readonly Scope[]>> = {
  owner: [],
  admin: [],
  developer: ['users:impersonate', 'audit:read'],
  viewer: [
    'conversations:write',
    'users:impersonate',
    'chat:write',
    'usage:write',
    'humans:write',
    'gateways:write',
    'webhooks:write',
    'providers:write',
    'audit:read',
  ],
};

describe('no role grants a scope that it lacks', () => {
  it.each(ROLES)('by a new key, as %s', async (role) => {
    for (const scope of SCOPES) {
      const before = await countKeys();
      if (LACKS[role].includes(scope)) {
        const fault = await refusal(create({ permissions: [scope] }, role));
        expect(fault).toMatchObject({ kind: 'permission_denied', fields: [{ field: 'permissions' }] });
        expect(fault.message).toContain(scope);
        expect(await countKeys()).toBe(before);
      } else {
        expect((await create({ permissions: [scope] }, role)).record.scopes).toEqual([scope]);
      }
    }
  });

  it('among others that it has', async () => {
    const fault = await refusal(
      create({ permissions: ['chat:write', 'audit:read', 'users:impersonate'] }, 'developer'),
    );
    expect(fault.fields).toHaveLength(2);
  });

  it('by changing a key, which stays unchanged', async () => {
    const { record } = await create({ permissions: ['chat:write'] });
    const developer = person(acme, 'developer');
    const fault = await refusal(
      node.service.update(developer, { keyId: record.id, permissions: ['chat:write', 'users:impersonate'] }),
    );
    expect(fault.kind).toBe('permission_denied');
    expect((await node.service.get(developer, record.id)).scopes).toEqual(['chat:write']);
  });

  it("by default: a new key gets its maker's scopes, without the far-reaching ones", async () => {
    for (const role of ROLES) {
      const { record } = await create({}, role);
      for (const scope of LACKS[role]) expect(record.scopes).not.toContain(scope);
      for (const scope of ['users:impersonate', 'audit:read', 'webhooks:write', 'gateways:write', 'providers:write']) {
        expect(record.scopes).not.toContain(scope);
      }
    }
    expect((await create({}, 'developer')).record.scopes).toContain('chat:write');
    expect((await create({ permissions: [] })).record.scopes).toEqual([]);
  });
});

describe('a key that is made', () => {
  it('stores the values that it was made with', async () => {
    const expiresAt = new Date(Date.now() + 3_600_000);
    const { record, key } = await create({
      name: 'für 😀',
      description: 'd',
      permissions: ['chat:write', 'usage:read'],
      rateLimit: { requestsPerMinute: 7 },
      expiresAt,
    });
    expect(record).toMatchObject({
      type: 'SECRET',
      name: 'für 😀',
      description: 'd',
      keyPrefix: key.slice(0, 12),
      scopes: ['chat:write', 'usage:read'],
      requestsPerMinute: 7,
      expiresAt,
      revokedAt: null,
      lastUsedAt: null,
    });
    expect(await node.service.get(person(acme), record.id)).toEqual(record);
  });

  it('is never shown again, nor its hash', async () => {
    const { record, key } = await create();
    for (const shown of [
      record,
      await node.service.get(person(acme), record.id),
      await node.service.list(person(acme), { search: '', pageSize: 0, pageToken: '' }),
    ]) {
      expect(JSON.stringify(shown)).not.toContain(key);
      expect(JSON.stringify(shown)).not.toContain('hash');
    }
  });

  it("has the service's limit where it names none, or zero", async () => {
    expect((await create()).record.requestsPerMinute).toBeNull();
    expect((await create({ rateLimit: { requestsPerMinute: 0 } })).record.requestsPerMinute).toBeNull();
  });

  it.each([0, 1, 1000, 86_400_000])('can not have expired already: %d ms ago', async (ago) => {
    const before = await countKeys();
    const fault = await refusal(create({ expiresAt: new Date(node.service.now().getTime() - ago) }));
    expect(fault).toMatchObject({ kind: 'invalid_input', fields: [{ field: 'expiresAt' }] });
    expect(await countKeys()).toBe(before);
  });
});

describe('a key that is changed', () => {
  it('changes only the fields that it names', async () => {
    const { record } = await create({
      description: 'd',
      rateLimit: { requestsPerMinute: 7 },
      expiresAt: new Date(Date.now() + 3_600_000),
    });
    const renamed = await node.service.update(person(acme), { keyId: record.id, name: 'new' });
    expect(renamed).toEqual({ ...record, name: 'new' });
    const unlimited = await node.service.update(person(acme), {
      keyId: record.id,
      rateLimit: { requestsPerMinute: 0 },
      neverExpires: true,
    });
    expect(unlimited).toEqual({ ...renamed, requestsPerMinute: null, expiresAt: null });
    expect(await node.service.update(person(acme), { keyId: record.id, description: '' })).toMatchObject({
      name: 'new',
      description: '',
    });
  });

  it("can't be set to expire and never to expire at once", async () => {
    const { record } = await create();
    const fault = await refusal(
      node.service.update(person(acme), {
        keyId: record.id,
        neverExpires: true,
        expiresAt: new Date(Date.now() + 3_600_000),
      }),
    );
    expect(fault).toMatchObject({ kind: 'invalid_input', fields: [{ field: 'neverExpires' }] });
  });

  it("can't become active again once it is revoked", async () => {
    const { record } = await create();
    const revoked = await node.service.revoke(person(acme), record.id);
    expect(revoked.revokedAt).not.toBeNull();
    for (const changes of [{ name: 'x' }, { neverExpires: true }, { permissions: ['chat:write' as const] }]) {
      expect((await refusal(node.service.update(person(acme), { keyId: record.id, ...changes }))).kind).toBe(
        'conflict',
      );
    }
    expect(await node.service.get(person(acme), record.id)).toEqual(revoked);
  });

  it('keeps the time of its first revocation, however often it is revoked', async () => {
    const { record } = await create();
    const first = await node.service.revoke(person(acme), record.id);
    const again = await Promise.all(Array.from({ length: 5 }, () => node.service.revoke(person(acme), record.id)));
    for (const revoked of again) expect(revoked).toEqual(first);
  });
});

describe("another tenant's key", () => {
  it('is answered exactly as a missing one, and stays unchanged', async () => {
    const { record } = await create();
    const stranger = person(globex);
    const attempts: ((keyId: string) => Promise<unknown>)[] = [
      (keyId) => node.service.get(stranger, keyId),
      (keyId) => node.service.update(stranger, { keyId, name: 'mine' }),
      (keyId) => node.service.update(stranger, { keyId, permissions: ['audit:read'] }),
      (keyId) => node.service.revoke(stranger, keyId),
    ];
    for (const attempt of attempts) {
      const [theirs, missing] = [await refusal(attempt(record.id)), await refusal(attempt('key_missing'))];
      expect(theirs.kind).toBe('not_found');
      expect({ ...theirs, message: theirs.message }).toEqual({ ...missing, message: missing.message });
    }
    expect(await node.service.get(person(acme), record.id)).toEqual(record);
  });

  it("is in no other tenant's list", async () => {
    const { record } = await create();
    const { record: theirs } = await create({}, 'owner', globex);
    const ids = async (tenant: SeededTenant): Promise<string[]> =>
      (await node.service.list(person(tenant), { search: '', pageSize: 0, pageToken: '' })).records.map(({ id }) => id);
    expect(await ids(acme)).toEqual([record.id]);
    expect(await ids(globex)).toEqual([theirs.id]);
  });
});

describe('the list', () => {
  const page = (pageSize: number, pageToken: string, tenant = acme) =>
    node.service.list(person(tenant), { search: '', pageSize, pageToken });

  it('is newest first, page by page, without gap or repeat, even while keys are made and changed', async () => {
    const made: string[] = [];
    for (let i = 0; i < 23; i += 1) made.push((await create()).record.id);
    // Some keys have the same millisecond.
    await rowsOf(database.superuserUrl, "UPDATE api_keys SET created_at = '2026-01-01T00:00:00Z' WHERE id = ANY ($1)", [
      made.slice(3, 12),
    ]);
    const seen: { id: string; createdAt: Date }[] = [];
    let token = '';
    do {
      const { records, nextPageToken } = await page(5, token);
      seen.push(...records);
      token = nextPageToken;
      await create();
      await node.service.revoke(person(acme), made[20]!);
    } while (token !== '');
    expect(seen.map(({ id }) => id).sort()).toEqual([...made].sort());
    const times = seen.map(({ createdAt }) => createdAt.getTime());
    expect(times).toEqual([...times].sort((a, b) => b - a));
  });

  it('ends without a token where the last page is exactly full', async () => {
    for (let i = 0; i < 4; i += 1) await create();
    const first = await page(2, '');
    expect(first.nextPageToken).not.toBe('');
    const last = await page(2, first.nextPageToken);
    expect([last.records.length, last.nextPageToken]).toEqual([2, '']);
    expect(await page(4, '')).toMatchObject({ nextPageToken: '' });
  });

  it('is empty where there is no key, and has pages of 50 by default', async () => {
    expect(await page(0, '')).toEqual({ records: [], nextPageToken: '' });
    await rowsOf(
      database.superuserUrl,
      `INSERT INTO api_keys (id, tenant_id, type, name, key_prefix, hash, pepper_version, scopes, created_by)
       SELECT $1 || n, $1, 'SECRET', 'n', 'p', sha256(($1 || n)::bytea), 1, '{}', 'seed' FROM generate_series(1, 60) AS n`,
      [acme.tenantId],
    );
    expect((await page(0, '')).records).toHaveLength(50);
    expect((await page(500, '')).records).toHaveLength(60);
  });

  it("refuses another tenant's token and a forged one", async () => {
    for (let i = 0; i < 3; i += 1) await create();
    const { nextPageToken } = await page(2, '');
    for (const [tenant, token] of [
      [globex, nextPageToken],
      [acme, 'made-up'],
      [acme, `${nextPageToken}x`.slice(1)],
    ] as const) {
      expect(await refusal(page(2, token, tenant))).toMatchObject({
        kind: 'invalid_input',
        fields: [{ field: 'pageToken' }],
      });
    }
  });
});

describe('a repository that gets the wrong tenant', () => {
  it('finds, lists, changes, rotates and revokes nothing', async () => {
    const { record } = await create();
    const { repository } = node;
    const inside = <T>(tenant: SeededTenant, work: (keys: TenantKeys) => Promise<T>): Promise<T> =>
      repository.transaction(tenant.tenantId, work);
    await node.createPublishable(person(acme), {});
    const secret = { keyPrefix: 'sk_gh_mine', hash: { version: 1, hash: Buffer.from('mine') } };
    expect(await inside(globex, (keys) => repository.find(keys, record.id))).toBeNull();
    expect(await inside(globex, (keys) => repository.lock(keys, record.id))).toBeNull();
    expect(await inside(globex, (keys) => repository.list(keys, { search: '' }, new Date(), null, 10))).toEqual([]);
    expect(await inside(globex, (keys) => repository.listIssuers(keys, null))).toEqual([]);
    expect(await inside(globex, (keys) => repository.update(keys, record.id, { name: 'mine' }))).toBeNull();
    expect(await inside(globex, (keys) => repository.revoke(keys, record.id, new Date()))).toBe(false);
    for (const grace of [0, 60]) {
      await expect(inside(globex, (keys) => repository.rotate(keys, record.id, secret, grace))).rejects.toThrow();
    }
    expect(await inside(acme, (keys) => repository.find(keys, record.id))).toEqual(record);
  });
});
