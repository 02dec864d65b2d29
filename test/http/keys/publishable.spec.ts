/** Publishable keys, as their owners manage them. */
import { startService, type Identity, type Org, type TestService } from '../../support/service.js';

interface KeyView {
  readonly keyId: string;
  readonly permissions: readonly string[];
  readonly [field: string]: unknown;
}

interface NewKey extends KeyView {
  readonly key: string;
}

let service: TestService;
let org: Org;
let owner: Identity;

beforeAll(async () => {
  service = await startService();
});

afterAll(() => service.stop());

beforeEach(async () => {
  org = await service.seedOrg();
  owner = { user: org.user, tenant: org.tenantId };
});

async function get(keyId: string): Promise<KeyView> {
  return (await service.asUser<{ apiKey: KeyView }>(owner, 'api-keys/get', { key_id: keyId })).apiKey;
}

async function update(body: object): Promise<KeyView> {
  return (await service.asUser<{ apiKey: KeyView }>(owner, 'api-keys/update', body)).apiKey;
}

const RFC_3339_UTC = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/;

const app = {
  name: 'App',
  oidc_config: { issuer: 'https://issuer.example', audience: 'app' },
  allowed_origins: ['https://app.example', 'https://app.example'],
  default_limits: [
    { type: 'token_cnt', value: 100_000 },
    { type: 'cost_micros', value: '0.5' },
  ],
};

async function createApp(body: object = app): Promise<NewKey> {
  return (await service.asUser<{ result: NewKey }>(owner, 'api-keys/create-publishable', body)).result;
}

it('is answered in exactly the published shape, with defaults shown and unset fields left out', async () => {
  const created = await createApp();
  expect(created).toStrictEqual({
    keyId: expect.stringMatching(/^\S+$/) as string,
    key: expect.stringMatching(/^pk_[a-z]+_[0-9A-Za-z]{33,}$/) as string,
    keyPrefix: created.key.slice(0, 12),
    type: 'PUBLISHABLE',
    name: 'App',
    description: '',
    permissions: expect.any(Array) as string[],
    models: [],
    rateLimit: { requestsPerMinute: 1000, requestsPerMinutePerHuman: 60 },
    status: 'ACTIVE',
    createdAt: expect.stringMatching(RFC_3339_UTC) as string,
    createdBy: { userId: owner.user },
    oidcConfig: { issuer: 'https://issuer.example', audience: 'app', humanPrefix: '' },
    allowedOrigins: ['https://app.example'],
    defaultLimits: [
      { type: 'token_cnt', value: 100_000 },
      { type: 'cost_micros', value: 0.5 },
    ],
    unlimited: false,
  });
  expect([...created.permissions].sort()).toEqual([
    'chat:write',
    'conversations:read',
    'conversations:write',
    'usage:read',
  ]);
  const { key: _key, ...shown } = created;
  expect(await get(created.keyId)).toEqual(shown);
  const list = await service.asUser<{ apiKeys: KeyView[] }>(owner, 'api-keys/list');
  expect(list.apiKeys).toEqual([shown]);
});

it('shows its issuer’s key address and its prefix of subjects, where they are set', async () => {
  const oidcConfig = { ...app.oidc_config, jwksUri: 'https://keys.example/jwks', humanPrefix: 'für:' };
  const { keyId } = await createApp({ name: 'App', unlimited: true, oidcConfig });
  expect(await get(keyId)).toMatchObject({ oidcConfig, allowedOrigins: [], defaultLimits: [], unlimited: true });
});

it('can be sent back as it was shown, and stays unchanged', async () => {
  const { key: _key, ...shown } = await createApp();
  const { name, description, permissions, rateLimit, oidcConfig, allowedOrigins, defaultLimits, unlimited } = shown;
  const same = { name, description, permissions, oidcConfig, allowedOrigins, defaultLimits, unlimited };
  expect(await update({ keyId: shown.keyId, ...same, rateLimit })).toEqual(shown);
});

it('changes only the fields that the update names', async () => {
  const { key: _key, ...before } = await createApp();
  const changed = await update({
    key_id: before.keyId,
    rate_limit: { requests_per_minute_per_human: 7 },
    allowed_origins: [],
    unlimited: true,
    oidc_config: { issuer: 'https://other.example', audience: 'other', human_prefix: 'o:' },
  });
  expect(changed).toEqual({
    ...before,
    rateLimit: { requestsPerMinute: 1000, requestsPerMinutePerHuman: 7 },
    allowedOrigins: [],
    defaultLimits: [],
    unlimited: true,
    oidcConfig: { issuer: 'https://other.example', audience: 'other', humanPrefix: 'o:' },
  });
  expect(await get(before.keyId)).toEqual(changed);
});

it('can be made without an issuer, by a developer too, where the operator allows the platform’s own', async () => {
  const lending = await startService({ settings: { publishableDefaultIssuer: 'platform' } });
  try {
    const tenant = await lending.seedOrg();
    const developer = { user: 'developer-of-lending', tenant: tenant.tenantId };
    await lending.addMember(tenant, developer.user, 'developer');
    const { result } = await lending.asUser<{ result: NewKey }>(developer, 'api-keys/create-publishable', {
      name: 'App',
      unlimited: true,
    });
    expect(result).not.toHaveProperty('oidcConfig');
    expect(result.key).toMatch(/^pk_gh_/);
  } finally {
    await lending.stop();
  }
});
