/**
 * The built service as operators start it, with nothing replaced: it reaches Google's addresses through a proxy that leads to
 * the stand-in, and its environment makes it trust the stand-in's authority.
 */
import { eventually } from '../../support/eventually.js';
import { GoogleEndpoints } from '../../support/google-endpoints.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';
import { OpenaiUpstream } from '../../support/openai-upstream.js';
import { productionEnvironment, spawnService, startServiceProcess, type Shared } from '../../support/service.js';
import { TestIssuer } from '../../support/tokens.js';

let database: TestDatabase;
let issuer: TestIssuer;
let upstream: OpenaiUpstream;
let google: GoogleEndpoints;
let shared: Required<Shared>;

beforeAll(async () => {
  [database, issuer, upstream] = await Promise.all([createTestDatabase(), TestIssuer.start(), OpenaiUpstream.start()]);
  google = await GoogleEndpoints.start({ projectId: issuer.audience, issuer });
  shared = { database, issuer, upstream, google };
});

afterAll(async () => {
  await google.stop();
  await upstream.close();
  await issuer.stop();
  await database.drop();
});

describe("a production process (against a local stand-in for Google's endpoints)", () => {
  it('fetches the keys, sets the claims, refuses a disabled user, and logs no secret', async () => {
    const env = { FIREBASE_JWKS_URL: google.jwksUrl, GATEHOUSE_ACCOUNT_CHECK_SECONDS: '1', LOG_LEVEL: 'debug' };
    const service = await startServiceProcess({ ...shared, env });
    try {
      google.claims.set('ada', { plan: 'gold' });
      const org = await service.createOrg('ada', 'By a process');
      expect(google.claims.get('ada')).toEqual({ plan: 'gold', tenant_id: org.tenantId, role: 'owner' });
      expect(google.requests[0]).toMatch(/service_accounts\/v1\/jwk/);
      expect(issuer.jwksRequests).toBe(0);

      const headers = { authorization: `Bearer ${service.dashboardToken({ user: 'ada', tenant: org.tenantId })}` };
      const status = async (): Promise<number> =>
        (await service.call('POST', '/api/v1/api-keys/list', { headers, body: {} })).status;
      expect(await status()).toBe(200);
      google.disabled.add('ada');
      await eventually(async () => expect(await status()).toBe(401));
    } finally {
      const { code, stdout, stderr } = await service.stop();
      expect(code).toBe(0);
      expect(stdout + stderr).not.toMatch(/ya29\.|PRIVATE KEY|eyJ/);
    }
  });

  it("refuses every user where the server can't prove that it is Google", async () => {
    const asked = google.requests.length;
    const service = await startServiceProcess({ ...shared, env: { NODE_EXTRA_CA_CERTS: undefined } });
    try {
      const { user } = await service.seedOrg();
      const headers = { authorization: `Bearer ${service.dashboardToken({ user })}` };
      expect((await service.call('POST', '/api/v1/orgs/create', { headers, body: { name: 'X' } })).status).toBe(503);
      expect(google.requests).toHaveLength(asked);
    } finally {
      await service.stop();
    }
  });

  it.each([
    ['does not exist', '/nowhere/account.json'],
    ['is malformed', '{"type":"service_account","private_key":"MIIEsecret"}'],
  ])('does not start with a service account that %s: no user could sign in', async (_what, serviceAccount) => {
    const env = { ...productionEnvironment(shared), FIREBASE_SERVICE_ACCOUNT: serviceAccount };
    const { code, stdout, stderr } = await (await spawnService(env)).exited;
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^FIREBASE_SERVICE_ACCOUNT [^\n]*\.\n$/);
    expect(stderr).not.toContain('MIIEsecret');
  });
});
