import { createTestDatabase, type TestDatabase } from '../../test/support/postgres.js';
import { person, startKeysNode, type KeysNode } from '../../test/support/keys-node.js';
import { rowsOf, seedTenant, type SeededTenant } from '../../test/support/sql.js';
import type { Role } from '../identity/index.js';
import { Fault } from '../platform/errors/index.js';
import type { CreatePublishableKeyRequest, OidcConfigRequest, UpdateKeyRequest } from './keys.dto.js';

let database: TestDatabase;
let node: KeysNode;
let platform: KeysNode;
let acme: SeededTenant;

beforeAll(async () => {
  database = await createTestDatabase();
  node = await startKeysNode(database.ownerUrl);
  platform = await startKeysNode(database.ownerUrl, { publishableDefaultIssuer: 'platform' });
});

afterAll(async () => {
  await node.stop();
  await platform.stop();
  await database.drop();
});

beforeEach(async () => {
  acme = await seedTenant(database.superuserUrl);
  node.told.length = 0;
});

const oidc = (changes: Partial<OidcConfigRequest> = {}): OidcConfigRequest => ({
  issuer: 'https://issuer.example',
  audience: 'app',
  jwksUri: '',
  humanPrefix: '',
  ...changes,
});
const make = (changes: Partial<CreatePublishableKeyRequest> = {}, role: Role = 'owner', on = node) =>
  on.createPublishable(person(acme, role), changes);
const update = (keyId: string, changes: Partial<UpdateKeyRequest>, role: Role = 'owner') =>
  node.service.update(person(acme, role), { keyId, ...changes });

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

async function expectRefusedAt(work: () => Promise<unknown>, kind: string, field: string): Promise<void> {
  const before = await countKeys();
  expect(await refusal(work())).toMatchObject({ kind, fields: [{ field }] });
  expect(await countKeys()).toBe(before);
}

describe('only owners and admins may name an issuer', () => {
  it.each<[Role, boolean]>([
    ['owner', true],
    ['admin', true],
    ['developer', false],
  ])('at a new key, and later: %s, %p', async (role, may) => {
    const { record } = await make();
    for (const work of [
      () => make({}, role),
      () => update(record.id, { oidcConfig: oidc({ audience: role }) }, role),
    ]) {
      if (may) await work();
      else await expectRefusedAt(work, 'permission_denied', 'oidcConfig');
    }
  });

  it('a developer may change everything else of such a key', async () => {
    const { record } = await make();
    const changed = await update(record.id, { name: 'new', allowedOrigins: ['https://a.example'] }, 'developer');
    expect(changed).toEqual({ ...record, name: 'new', allowedOrigins: ['https://a.example'] });
  });

  it("a developer may make a key without an issuer, where the operator allows the platform's", async () => {
    const { key } = await platform.service.createPublishable(
      person(acme, 'developer'),
      { name: 'n', description: '', allowedOrigins: [], defaultLimits: [], unlimited: true },
      (_, issue) => issue(),
    );
    expect((await node.directory.authenticatePublishable(key)).oidc).toBeNull();
  });

  it('a key without an issuer is refused where the operator does not allow it', async () => {
    const request = { name: 'n', description: '', allowedOrigins: [], defaultLimits: [], unlimited: true };
    for (const role of ['owner', 'developer'] as const) {
      await expectRefusedAt(
        () => node.service.createPublishable(person(acme, role), request, (_, issue) => issue()),
        'invalid_input',
        'oidcConfig',
      );
    }
  });
});

describe("a tenant's issuers have no common human", () => {
  it('a second issuer needs a prefix of its own, at a new key and later', async () => {
    await make();
    const { record } = await make({ oidcConfig: oidc({ issuer: 'https://b.example', humanPrefix: 'b:' }) });
    for (const humanPrefix of ['', 'b', 'b:', 'b:c']) {
      const config = oidc({ issuer: 'https://c.example', humanPrefix });
      await expectRefusedAt(() => make({ oidcConfig: config }), 'conflict', 'oidcConfig.humanPrefix');
    }
    for (const humanPrefix of ['', 'c:']) {
      const { record: third } = await make({
        oidcConfig: oidc({ issuer: 'https://c.example', humanPrefix: `c:${Math.random()}` }),
      });
      const taken = oidc({ issuer: 'https://c.example', humanPrefix: humanPrefix === '' ? '' : 'b:' });
      await expectRefusedAt(() => update(third.id, { oidcConfig: taken }), 'conflict', 'oidcConfig.humanPrefix');
      expect(await node.service.get(person(acme), third.id)).toEqual(third);
    }
    expect(
      (await update(record.id, { oidcConfig: oidc({ issuer: 'https://b.example', humanPrefix: 'bb' }) })).humanPrefix,
    ).toBe('bb');
  });

  it('the same issuer may belong to many keys', async () => {
    for (let i = 0; i < 3; i += 1) await make({ oidcConfig: oidc({ audience: `app-${i}` }) });
    expect(await countKeys()).toBe(3);
  });

  it('the only key may change its issuer, and a revoked key blocks no other', async () => {
    const { record } = await make();
    const elsewhere = oidc({ issuer: 'https://b.example' });
    expect(await update(record.id, { oidcConfig: elsewhere })).toMatchObject({ oidcIssuer: 'https://b.example' });
    await expectRefusedAt(() => make(), 'conflict', 'oidcConfig.humanPrefix');
    await node.service.revoke(person(acme), record.id);
    expect((await make()).record.oidcIssuer).toBe('https://issuer.example');
  });

  it('another tenant’s issuers do not affect this one', async () => {
    await make();
    const other = await seedTenant(database.superuserUrl);
    const { record } = await node.createPublishable(person(other), {
      oidcConfig: oidc({ issuer: 'https://b.example' }),
    });
    expect(record.humanPrefix).toBe('');
  });

  it("a key without an issuer uses the platform's, and unprefixed subjects", async () => {
    const request = { name: 'n', description: '', allowedOrigins: [], defaultLimits: [], unlimited: true };
    const bare = () => platform.service.createPublishable(person(acme), request, (_, issue) => issue());
    await bare();
    await bare();
    await expectRefusedAt(() => make({}, 'owner', platform), 'conflict', 'oidcConfig.humanPrefix');
    await make({ oidcConfig: oidc({ humanPrefix: 'app:' }) }, 'owner', platform);
    acme = await seedTenant(database.superuserUrl);
    await make({}, 'owner', platform);
    await expectRefusedAt(bare, 'conflict', 'oidcConfig');
  });

  it('of twenty issuers that ask for unprefixed subjects at once, on two replicas, one gets them', async () => {
    for (let round = 0; round < 5; round += 1) {
      acme = await seedTenant(database.superuserUrl);
      const results = await Promise.allSettled(
        Array.from({ length: 20 }, (_, index) =>
          make(
            { oidcConfig: oidc({ issuer: `https://issuer-${index}.example` }) },
            'owner',
            index % 2 ? node : platform,
          ),
        ),
      );
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      for (const result of results) {
        if (result.status === 'rejected') expect(result.reason).toMatchObject({ kind: 'conflict' });
      }
      expect(await countKeys()).toBe(1);
    }
  });

  it('of two keys that change their issuers to the same prefix at once, one succeeds', async () => {
    for (let round = 0; round < 10; round += 1) {
      acme = await seedTenant(database.superuserUrl);
      const keys = [];
      for (const name of ['a', 'b']) {
        keys.push(await make({ oidcConfig: oidc({ issuer: `https://${name}.example`, humanPrefix: `${name}:` }) }));
      }
      const results = await Promise.allSettled(
        keys.map(({ record }) =>
          update(record.id, { oidcConfig: oidc({ issuer: record.oidcIssuer ?? '', humanPrefix: 'same:' }) }),
        ),
      );
      expect(results.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    }
  });

  it("each key has the prefixes of the others, on every replica, as soon as they exist; a revoked key's humans stay with its issuer", async () => {
    const { key, record } = await make();
    const others = async (on: KeysNode): Promise<readonly string[]> => {
      await on.hearEverything();
      return (await on.directory.authenticatePublishable(key)).otherHumanPrefixes.toSorted();
    };
    expect([await others(node), await others(platform)]).toEqual([[], []]);
    const { record: b } = await make({ oidcConfig: oidc({ issuer: 'https://b.example', humanPrefix: 'b:' }) });
    await make({ oidcConfig: oidc({ issuer: 'https://c.example', humanPrefix: 'c:' }) });
    for (const on of [node, platform]) expect(await others(on)).toEqual(['b:', 'c:']);
    await update(b.id, { oidcConfig: oidc({ issuer: 'https://b.example', humanPrefix: 'bb:' }) });
    for (const on of [node, platform]) expect(await others(on)).toEqual(['bb:', 'c:']);
    await node.service.revoke(person(acme), b.id);
    for (const on of [node, platform]) expect(await others(on)).toEqual(['bb:', 'c:']);
    expect(record.humanPrefix).toBe('');
  });
});
