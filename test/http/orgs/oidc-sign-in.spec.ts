/** The dashboard's API with tokens of any OpenID Connect issuer: they name a user, and our rows decide the rest. */
import { uuidV7 } from '../../../src/platform/crypto/index.js';
import { eventually } from '../../support/eventually.js';
import { gatehouse } from '../../support/commands.js';
import { startUserIssuer, type IssuerKey, type UserIssuer } from '../../support/oidc-issuer.js';
import { productionEnvironment, startServiceProcess, type Answer, type ServiceProcess } from '../../support/service.js';

let issuer: UserIssuer;
let ecKey: IssuerKey;
let service: ServiceProcess;

beforeAll(async () => {
  issuer = await startUserIssuer();
  ecKey = issuer.rotate({ alg: 'ES256' });
  issuer.keys = [issuer.keys[1]!, ecKey];
  service = await startServiceProcess({
    env: {
      ...issuer.environment,
      FIREBASE_PROJECT_ID: '',
      DASHBOARD_OIDC_ISSUER: issuer.issuer,
      DASHBOARD_OIDC_AUDIENCE: issuer.audience,
    },
  });
});

afterAll(async () => {
  await service.stop();
  await issuer.stop();
});

const send = (token: string, route: string, body: object = {}): Promise<Answer> =>
  service.call('POST', `/api/v1/${route}`, { headers: { authorization: `Bearer ${token}` }, body });

interface Me {
  readonly tenantId?: string;
  readonly role?: string;
  readonly orgs: readonly unknown[];
}
const me = async (token: string): Promise<Me> => (await send(token, 'me/get')).json<Me>();

/** A user with an org of their own; the token was signed before the org existed. */
async function founder(): Promise<{ userId: string; token: string; tenantId: string }> {
  const userId = uuidV7();
  const token = issuer.token({ sub: userId });
  expect(await me(token)).not.toHaveProperty('tenantId');
  const made = await send(token, 'orgs/create', { name: `Org of ${userId}` });
  expect(made.status).toBe(200);
  return { userId, token, tenantId: (await me(token)).tenantId! };
}

it('a person creates an org and switches between tenants with the same token', async () => {
  const { userId, token, tenantId } = await founder();
  expect(await me(token)).toMatchObject({ tenantId, role: 'owner', orgs: [expect.anything()] });
  const other = (await send(token, 'tenants/create', { name: 'Staging' })).json<{ tenant: { id: string } }>().tenant.id;
  expect((await me(token)).tenantId).toBe(tenantId);
  expect((await send(token, 'tenants/switch', { tenantId: other })).status).toBe(200);
  expect((await me(token)).tenantId).toBe(other);
  expect((await send(token, 'api-keys/create', { name: 'k' })).status).toBe(200);
  expect(await service.sql('SELECT tenant_id FROM api_keys WHERE created_by = $1', [userId])).toEqual([
    { tenant_id: other },
  ]);
});

it('a page that names its tenant changes nothing after the user moved to another', async () => {
  const { token, tenantId } = await founder();
  const other = (await send(token, 'tenants/create', { name: 'Staging' })).json<{ tenant: { id: string } }>().tenant.id;
  const named = { authorization: `Bearer ${token}`, 'x-gatehouse-tenant': tenantId };
  const make = () => service.call('POST', '/api/v1/api-keys/create', { headers: named, body: { name: 'k' } });
  expect((await make()).status).toBe(200);
  await send(token, 'tenants/switch', { tenantId: other });
  const refused = await make();
  expect(refused.status).toBe(409);
  expect(refused.json()).toMatchObject({ error: { details: [{ field: 'x-gatehouse-tenant' }] } });
  expect(await service.sql('SELECT count(*)::int AS made FROM api_keys WHERE tenant_id = $1', [other])).toEqual([
    { made: 0 },
  ]);
});

it('an org that the operator made for an address goes to the person who proves the address, once', async () => {
  const email = `${uuidV7()}@example.org`;
  const bootstrap = async (): Promise<{ status: number; stderr: string; tenantId: string; token: string }> => {
    const args = ['bootstrap', '--org', `Org for ${email}`, '--email', email, '--json'];
    const { stdout, ...ran } = await gatehouse(args, { cwd: '/', env: productionEnvironment(service) });
    return { ...ran, ...(JSON.parse(stdout || '{}') as { tenantId: string; token: string }) };
  };
  const accept = async (claims: object, token: string): Promise<number> =>
    (
      await send(issuer.token({ sub: uuidV7(), email, email_verified: true, ...claims }), 'orgs/accept-invitation', {
        token,
      })
    ).status;
  const replaced = await bootstrap();
  const { tenantId, token } = await bootstrap();
  expect(tenantId).toBe(replaced.tenantId);
  expect(await accept({}, replaced.token)).toBe(404);
  expect(await accept({ email_verified: false }, token)).toBe(403);
  expect(await accept({ email: 'eve@example.org' }, token)).toBe(403);
  const sub = uuidV7();
  expect(await accept({ sub }, token)).toBe(200);
  expect(await me(issuer.token({ sub }))).toMatchObject({ tenantId, role: 'owner' });
  expect(await accept({}, token)).toBe(404);
  expect(await bootstrap()).toMatchObject({ status: 1, stderr: expect.stringContaining('has accepted') as string });
});

it('tenants, roles and groups that a token names have no effect', async () => {
  const [ann, eve] = [await founder(), await founder()];
  const claims = { tenant_id: ann.tenantId, role: 'owner', roles: ['owner'], groups: ['owner'] };
  expect((await me(issuer.token({ sub: eve.userId, ...claims }))).tenantId).toBe(eve.tenantId);
  const stranger = issuer.token({ sub: uuidV7(), ...claims });
  expect(await me(stranger)).not.toHaveProperty('tenantId');
  expect((await send(stranger, 'api-keys/list')).status).toBe(403);
  expect((await send(eve.token, 'tenants/switch', { tenantId: ann.tenantId })).status).toBe(404);
  expect((await me(eve.token)).tenantId).toBe(eve.tenantId);
});

it('a former member is refused, whatever row of theirs names the tenant', async () => {
  const { userId, token } = await founder();
  await service.sql('DELETE FROM memberships WHERE user_id = $1', [userId]);
  await eventually(async () => (await send(token, 'api-keys/list')).status === 403);
});

it.each([
  ['signed by ES256', true, {}],
  ['with our audience among others', false, { aud: ['another', 'app'] }],
  ['without auth_time', false, { auth_time: undefined }],
])('a token %s is accepted', async (_what, byEc, claims: Record<string, unknown>) => {
  const token = issuer.token({ sub: uuidV7(), ...claims }, byEc ? { key: ecKey } : {});
  expect((await send(token, 'me/get')).status).toBe(200);
});

it('every kind of broken token is refused with 401, and so is another issuer’s', async () => {
  const stranger = await startUserIssuer();
  const broken = { ...issuer.brokenTokens(), 'of another issuer': stranger.token() };
  for (const [what, token] of Object.entries(broken))
    expect([what, (await send(token, 'me/get')).status]).toEqual([what, 401]);
  await stranger.stop();
});
