import type { Answer, Identity, Org } from '../../support/service-client.js';
import { sharedService, type SharedService } from '../../support/shared-service.js';
import { expectPlatformRefusal, fieldsOf } from '../refusals.js';

let service: SharedService;
let org: Org;
let owner: Identity;
let keyId: string;

beforeAll(async () => {
  service = await sharedService();
  org = await service.seedOrg();
  owner = { user: org.user, tenant: org.tenantId };
  ({ keyId } = await service.createKey(org, { name: 'Untouched' }));
});

afterAll(() => service.stop());

afterEach(async () => {
  // The existing key must be unchanged after every refusal.
  const { apiKey } = await service.asUser<{ apiKey: Record<string, unknown> }>(owner, 'api-keys/get', {
    key_id: keyId,
  });
  expect(apiKey).toMatchObject({
    name: 'Untouched',
    description: '',
    status: 'ACTIVE',
    rateLimit: { requestsPerMinute: 1000 },
  });
  expect(apiKey).not.toHaveProperty('expiresAt');
});

function send(route: string, identity: Identity, body: unknown): Promise<Answer> {
  const headers = { authorization: `Bearer ${service.dashboardToken(identity)}` };
  return service.call('POST', `/api/v1/api-keys/${route}`, { headers, body });
}

const OIDC = { issuer: 'https://issuer.example', audience: 'app' };
const APP = { name: 'App', oidc_config: OIDC, unlimited: true };

// The permitted callers, and the answers for another tenant's key, are tested in test/contracts/access.matrix.spec.ts.
describe('a scope', () => {
  it.each(['users:impersonate', 'audit:read'])(
    '%s can be granted by no developer, neither at creation nor later',
    async (scope) => {
      const granter = { user: `developer-without-${scope}`, tenant: org.tenantId };
      await service.addMember(org, granter.user, 'developer');
      for (const [route, body] of [
        ['create', { name: 'N' }],
        ['update', { key_id: keyId }],
      ] as const) {
        const wished = { ...body, permissions: ['chat:write', scope] };
        const refusal = await expectPlatformRefusal(service, () => send(route, granter, wished), 403);
        expect(refusal.message).toContain(scope);
        expect(fieldsOf(refusal)).toEqual(['permissions']);
      }
    },
  );
});

describe('an issuer', () => {
  it('can be set by no developer, neither at creation nor later (403)', async () => {
    const developer = { user: 'developer-and-issuers', tenant: org.tenantId };
    await service.addMember(org, developer.user, 'developer');
    const answer = await send('create-publishable', owner, { ...APP, oidc_config: { ...OIDC, human_prefix: 'dev:' } });
    const { result } = answer.json<{ result: { keyId: string } }>();
    for (const [route, body] of [
      ['create-publishable', APP],
      ['update', { key_id: result.keyId, oidc_config: OIDC }],
    ] as const) {
      const refusal = await expectPlatformRefusal(service, () => send(route, developer, body), 403);
      expect(fieldsOf(refusal)).toEqual(['oidcConfig']);
    }
  });

  it("that is the tenant's second needs a prefix of its own (409)", async () => {
    const other = await service.seedOrg();
    const people = { user: other.user, tenant: other.tenantId };
    expect((await send('create-publishable', people, APP)).status).toBe(200);
    const second = { ...OIDC, issuer: 'https://second.example' };
    const refusal = await expectPlatformRefusal(
      service,
      () => send('create-publishable', people, { ...APP, oidc_config: second }),
      409,
    );
    expect(fieldsOf(refusal)).toEqual(['oidcConfig.humanPrefix']);
    const prefixed = { ...APP, oidc_config: { ...second, human_prefix: 'second:' } };
    expect((await send('create-publishable', people, prefixed)).status).toBe(200);
  });

  it.each([
    'http://issuer.example',
    'https://localhost',
    'https://127.0.0.1',
    'https://2130706433',
    'https://0x7f.1',
    'https://[::1]',
    'https://[::ffff:10.0.0.1]',
    'https://169.254.169.254',
    'https://metadata.google.internal',
    'https://user:password@issuer.example',
    'https://issuer.example/#fragment',
    'https://issuer.example/?query',
    'ftp://issuer.example',
    'issuer.example',
    ' https://issuer.example',
    'https:///issuer.example',
  ])('at %j is refused, since a tenant may not make us call it (400)', async (url) => {
    const refusal = await expectPlatformRefusal(
      service,
      () => send('create-publishable', owner, { ...APP, oidc_config: { ...OIDC, issuer: url } }),
      400,
    );
    expect(fieldsOf(refusal)).toEqual(['oidcConfig.issuer']);
    if (url.includes('?')) return;
    const keys = await expectPlatformRefusal(
      service,
      () => send('create-publishable', owner, { ...APP, oidc_config: { ...OIDC, jwks_uri: url } }),
      400,
    );
    expect(fieldsOf(keys)).toEqual(['oidcConfig.jwksUri']);
  });
});

describe('a key that has ended', () => {
  it('can no longer be changed or rotated once it is revoked (409)', async () => {
    const revoked = await service.createKey(org, { name: 'Revoked' });
    await send('revoke', owner, { key_id: revoked.keyId });
    await expectPlatformRefusal(service, () => send('update', owner, { key_id: revoked.keyId, name: 'Alive' }), 409);
    await expectPlatformRefusal(service, () => send('rotate', owner, { key_id: revoked.keyId }), 409);
  });

  it('can not be rotated while it is expired (409)', async () => {
    const expired = await service.createKey(org, { name: 'Expired' });
    await service.sql('UPDATE api_keys SET expires_at = now() WHERE id = $1', [expired.keyId]);
    await expectPlatformRefusal(service, () => send('rotate', owner, { key_id: expired.keyId }), 409);
  });
});

describe('a key with more scopes than the person', () => {
  it("can't be rotated by that person (403)", async () => {
    const developer = { user: 'developer-who-rotates', tenant: org.tenantId };
    await service.addMember(org, developer.user, 'developer');
    const wide = await service.createKey(org, { scopes: ['chat:write', 'audit:read'] });
    const refusal = await expectPlatformRefusal(service, () => send('rotate', developer, { key_id: wide.keyId }), 403);
    expect(refusal.message).toContain('audit:read');
    expect(fieldsOf(refusal)).toEqual(['keyId']);
    expect((await send('rotate', developer, { key_id: (await service.createKey(org)).keyId })).status).toBe(200);
  });
});
