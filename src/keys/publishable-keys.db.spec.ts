import { createTestDatabase, type TestDatabase } from '../../test/support/postgres.js';
import { person, startKeysNode, type KeysNode } from '../../test/support/keys-node.js';
import { rowsOf, seedTenant, type SeededTenant } from '../../test/support/sql.js';
import { CredentialStrategies, PUBLISHABLE_KEY_STRATEGY, type PublishableKey, type Role } from '../identity/index.js';
import { Fault } from '../platform/errors/index.js';
import type { CreatePublishableKeyRequest, OidcConfigRequest, UpdateKeyRequest } from './keys.dto.js';
import { PublishableKeyStrategy } from './publishable-key.strategy.js';

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
/** The issuer as the audit log shows it: whole. */
const told = (issuer: string) => ({ issuer, audience: 'app', jwksUri: null, humanPrefix: '' });
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

describe('a publishable key that is made', () => {
  it('stores the values that it was made with, and returns them with each look-up, in one frozen value', async () => {
    const { record, key } = await make({
      permissions: ['chat:write'],
      rateLimit: { requestsPerMinute: 600, requestsPerMinutePerHuman: 6 },
      oidcConfig: oidc({ jwksUri: 'https://keys.example/jwks', humanPrefix: 'app:' }),
      allowedOrigins: ['https://app.example', 'http://localhost:3000'],
      unlimited: false,
      defaultLimits: [{ type: 'token_cnt', microUnits: '1500000' }],
    });
    expect(key).toMatch(/^pk_gh_/);
    expect(record).toMatchObject({ type: 'PUBLISHABLE', keyPrefix: key.slice(0, 12), unlimited: false });
    expect(record.defaultLimits).toEqual([{ type: 'token_cnt', microUnits: '1500000' }]);
    const publishable = await node.directory.authenticatePublishable(key);
    expect(publishable).toEqual({
      tenantId: acme.tenantId,
      keyId: record.id,
      scopes: new Set(['chat:write']),
      requestsPerMinute: 600,
      requestsPerMinutePerHuman: 6,
      allowedOrigins: ['https://app.example', 'http://localhost:3000'],
      oidc: {
        issuer: 'https://issuer.example',
        audience: 'app',
        jwksUri: 'https://keys.example/jwks',
        humanPrefix: 'app:',
      },
      otherHumanPrefixes: [],
    } satisfies PublishableKey);
    const { allowedOrigins, oidc: config, otherHumanPrefixes } = publishable;
    for (const value of [publishable, allowedOrigins, config, otherHumanPrefixes]) {
      expect(Object.isFrozen(value)).toBe(true);
    }
    expect(await node.directory.authenticatePublishable(key)).toBe(publishable);
  });

  it("has the service's limits where it names none, or zero, and discovers its issuer's keys", async () => {
    for (const rateLimit of [undefined, {}, { requestsPerMinute: 0, requestsPerMinutePerHuman: 0 }]) {
      const { key } = await make(rateLimit === undefined ? {} : { rateLimit });
      expect(await node.directory.authenticatePublishable(key)).toMatchObject({
        requestsPerMinute: node.settings.requestsPerMinute,
        requestsPerMinutePerHuman: node.settings.requestsPerMinutePerHuman,
        allowedOrigins: [],
        oidc: { jwksUri: null, humanPrefix: '' },
      });
    }
  });

  it('has by default all scopes that such a key can have', async () => {
    expect((await make()).record.scopes.toSorted()).toEqual([
      'chat:write',
      'conversations:read',
      'conversations:write',
      'usage:read',
    ]);
    expect((await make({ permissions: [] })).record.scopes).toEqual([]);
  });

  it('publishes an event with its issuer, and without the key itself', async () => {
    const { record, key } = await make();
    expect(node.told).toEqual([
      {
        action: 'key.created',
        actor: { type: 'user', id: acme.ownerId },
        tenantId: acme.tenantId,
        resource: { type: 'key', id: record.id },
        details: {
          type: 'PUBLISHABLE',
          permissions: record.scopes,
          issuer: told('https://issuer.example'),
        },
      },
    ]);
    expect(JSON.stringify(node.told)).not.toContain(key.slice(12));
  });

  it.each<[string, Partial<CreatePublishableKeyRequest>, string]>([
    [
      'limits together with unlimited',
      { unlimited: true, defaultLimits: [{ type: 'token_cnt', microUnits: '1' }] },
      'unlimited',
    ],
    ['neither limits nor unlimited', { unlimited: false }, 'defaultLimits'],
    ['an issuer without TLS', { oidcConfig: oidc({ issuer: 'http://issuer.example' }) }, 'oidcConfig.issuer'],
    ['an issuer on loopback', { oidcConfig: oidc({ issuer: 'https://127.0.0.1' }) }, 'oidcConfig.issuer'],
    ['an issuer with a query', { oidcConfig: oidc({ issuer: 'https://a.example/?x' }) }, 'oidcConfig.issuer'],
    ['an issuer that is not a URL', { oidcConfig: oidc({ issuer: 'issuer' }) }, 'oidcConfig.issuer'],
    ['keys at a metadata address', { oidcConfig: oidc({ jwksUri: 'https://169.254.169.254/' }) }, 'oidcConfig.jwksUri'],
    ['an expiry in the past', { expiresAt: new Date(0) }, 'expiresAt'],
  ])('can not have %s', async (_case, wrong, field) => {
    await expectRefusedAt(() => make(wrong), 'invalid_input', field);
  });
});

describe('a publishable key that is changed', () => {
  it('changes only the named fields, and publishes their names, with both issuers', async () => {
    const { record } = await make({ expiresAt: new Date(Date.now() + 3_600_000) });
    node.told.length = 0;
    const changed = await update(record.id, {
      name: record.name,
      permissions: ['chat:write'],
      rateLimit: { requestsPerMinutePerHuman: 3 },
      oidcConfig: oidc({ issuer: 'https://b.example' }),
      defaultLimits: [{ type: 'request_cnt', microUnits: '0' }],
      neverExpires: true,
    });
    expect(changed).toEqual({
      ...record,
      scopes: ['chat:write'],
      requestsPerMinutePerHuman: 3,
      oidcIssuer: 'https://b.example',
      defaultLimits: [{ type: 'request_cnt', microUnits: '0' }],
      unlimited: false,
      expiresAt: null,
    });
    expect(node.told).toMatchObject([
      {
        action: 'key.updated',
        details: { oldIssuer: told('https://issuer.example'), newIssuer: told('https://b.example') },
      },
    ]);
    expect((node.told[0]?.details?.['changed'] as string[]).toSorted()).toEqual([
      'defaultLimits',
      'expiresAt',
      'oidcConfig',
      'permissions',
      'rateLimit',
      'unlimited',
    ]);
  });

  it('sends no notification where nothing changes', async () => {
    const { record } = await make({ allowedOrigins: ['https://a.example'] });
    node.told.length = 0;
    const same = {
      name: record.name,
      allowedOrigins: ['https://a.example'],
      oidcConfig: oidc(),
      unlimited: true,
      rateLimit: { requestsPerMinute: 0 },
    };
    expect(await update(record.id, same)).toEqual(record);
    expect(node.told).toEqual([]);
  });

  it('can change from limits to none and back, never to neither', async () => {
    const { record } = await make();
    const limits = [{ type: 'cost_micros', microUnits: '5000000' }] as const;
    expect(await update(record.id, { defaultLimits: [...limits] })).toMatchObject({
      unlimited: false,
      defaultLimits: limits,
    });
    await expectRefusedAt(() => update(record.id, { defaultLimits: [] }), 'invalid_input', 'defaultLimits');
    // It changes nothing of a key with limits. For a key without limits it does not say which ones, and is refused by name.
    expect(await update(record.id, { unlimited: false })).toMatchObject({ unlimited: false });
    expect(await update(record.id, { unlimited: true })).toMatchObject({ unlimited: true, defaultLimits: null });
    await expectRefusedAt(() => update(record.id, { unlimited: false }), 'invalid_input', 'unlimited');
    await expectRefusedAt(() => update(record.id, { defaultLimits: [] }), 'invalid_input', 'defaultLimits');
  });

  it("gets no scope that such a key can't have", async () => {
    const { record } = await make({ permissions: ['chat:write'] });
    await expectRefusedAt(
      () => update(record.id, { permissions: ['chat:write', 'usage:write'] }),
      'invalid_input',
      'permissions',
    );
    expect((await node.service.get(person(acme), record.id)).scopes).toEqual(['chat:write']);
  });

  it('applies to every caller, on every replica', async () => {
    const { record, key } = await make();
    for (const on of [node, platform]) await on.directory.authenticatePublishable(key);
    await update(record.id, {
      allowedOrigins: ['https://a.example'],
      oidcConfig: oidc({ audience: 'other', jwksUri: 'https://keys.example/' }),
      rateLimit: { requestsPerMinutePerHuman: 2 },
    });
    for (const on of [node, platform]) {
      await on.hearEverything();
      expect(await on.directory.authenticatePublishable(key)).toMatchObject({
        allowedOrigins: ['https://a.example'],
        oidc: { audience: 'other', jwksUri: 'https://keys.example/' },
        requestsPerMinutePerHuman: 2,
      });
    }
  });
});

describe('a secret key', () => {
  it.each<[string, Partial<UpdateKeyRequest>]>([
    ['oidcConfig', { oidcConfig: oidc() }],
    ['allowedOrigins', { allowedOrigins: ['https://a.example'] }],
    ['defaultLimits', { defaultLimits: [{ type: 'token_cnt', microUnits: '1' }] }],
    ['unlimited', { unlimited: true }],
  ])('gets no %s', async (field, changes) => {
    const { record } = await node.create(person(acme), {});
    await expectRefusedAt(() => update(record.id, changes), 'invalid_input', field);
    expect(await node.service.get(person(acme), record.id)).toEqual(record);
  });
});

describe('the strategy for publishable keys', () => {
  it('accepts publishable keys only, but not one that is stored as a secret key', async () => {
    const strategies = new CredentialStrategies();
    expect(new PublishableKeyStrategy(node.directory, strategies)).toBeDefined();
    const verify = (presented: string) =>
      strategies.verify<PublishableKey>(PUBLISHABLE_KEY_STRATEGY, { 'x-api-key': presented });
    const { key, record } = await make();
    const { key: secret } = await node.create(person(acme), {});
    node.proxy.statements = 0;
    for (const bad of [
      '',
      'pk_',
      `${key} `,
      key.slice(0, -1),
      key.replace('pk_', 'sk_'),
      secret,
      `pk_${secret.slice(3)}`,
    ]) {
      await expect(verify(bad)).rejects.toMatchObject({ kind: 'unauthenticated' });
    }
    expect(node.proxy.statements).toBe(0);
    expect(await verify(key)).toMatchObject({ keyId: record.id });
    await rowsOf(
      database.superuserUrl,
      `UPDATE api_keys SET type = 'SECRET', oidc_issuer = NULL, oidc_audience = NULL, unlimited = false WHERE id = $1`,
      [record.id],
    );
    await node.hearEverything();
    await expect(verify(key)).rejects.toMatchObject({ kind: 'unauthenticated' });
  });

  it('admits no secret key, nor the other way round, even when called past the strategies', async () => {
    const { key } = await make();
    const { key: secret } = await node.create(person(acme), {});
    for (let i = 0; i < 2; i += 1) {
      await expect(node.directory.authenticate(key)).rejects.toMatchObject({ kind: 'unauthenticated' });
      await expect(node.directory.authenticatePublishable(secret)).rejects.toMatchObject({ kind: 'unauthenticated' });
      await node.directory.authenticatePublishable(key);
      await node.directory.authenticate(secret);
    }
  });
});
