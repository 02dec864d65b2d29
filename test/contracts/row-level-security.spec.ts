/** Row-level security by itself: the service, built without the repositories' own tenant filter, still leaks nothing. */
import { startUserIssuer, type UserIssuer } from '../support/oidc-issuer.js';
import { startServiceProcess, type ServiceProcess } from '../support/service.js';
import { makeWorld, type World } from './access-world.js';
import { crossTenantLeaks } from './cross-tenant.js';
import { buildUnfiltered, withoutTenantFilters, type UnfilteredBuild } from './unfiltered-build.js';

let build: UnfilteredBuild;
let service: ServiceProcess;
let users: UserIssuer;
let world: World;

beforeAll(async () => {
  build = buildUnfiltered();
  users = await startUserIssuer();
  service = await startServiceProcess({
    main: build.main,
    env: { ...users.environment, GATEHOUSE_REQUESTS_PER_MINUTE_PER_HUMAN: '1000000' },
  });
  world = await makeWorld(service, await service.seedOrg(), await service.seedOrg(), users);
});

afterAll(async () => {
  await service.stop();
  await users.stop();
  build.remove();
});

describe('the build without filters', () => {
  it('has no filter left in the code that serves keys, people, tenants and the log', () => {
    expect(build.stripped['keys/keys.repository.ts']).toBeGreaterThanOrEqual(6);
    for (const room of ['audit/audit', 'orgs/invitations', 'orgs/members', 'orgs/tenants', 'webhooks/webhooks']) {
      expect(build.stripped[`${room}.repository.ts`]).toBeGreaterThanOrEqual(3);
    }
  });

  it('leaves writes, and everything outside of a where, unchanged', () => {
    expect(
      withoutTenantFilters(
        'const where: Prisma.XWhereInput = a ? { tenantId } : { tenantId, OR: [{ x: 1, tenantId }] };' +
          'tx.x.create({ data: { tenantId, b } }); f(tenantId, { where: { tenantId: tenantId, id }, tenantId });',
      ),
    ).toEqual({
      code:
        'const where: Prisma.XWhereInput = a ? { } : { OR: [{ x: 1, }] };' +
        'tx.x.create({ data: { tenantId, b } }); f(tenantId, { where: { id }, tenantId });',
      count: 4,
    });
    const tenantId = '$' + '{tenantId}';
    expect(
      withoutTenantFilters(`sql\`WHERE e.tenant_id = ${tenantId} AND e.id = ${tenantId} OR e.tenant_id IS NULL\``),
    ).toEqual({ code: `sql\`WHERE true AND e.id = ${tenantId} OR true\``, count: 2 });
    expect(withoutTenantFilters('`WHERE u.tenant_id = $1 AND u.id = $2`')).toEqual({
      code: '`WHERE $1::text IS NOT NULL AND u.id = $2`',
      count: 1,
    });
    expect(build.stripped['usage/tokens/usage-tokens.repository.ts']).toBeGreaterThanOrEqual(2);
  });
});

it('shows and changes nothing of another tenant', async () => {
  expect(await crossTenantLeaks(service, world)).toEqual([]);
});

it('proves that the policies protect it: with them switched off too, the same service leaks', async () => {
  await service.sql('ALTER TABLE api_keys DISABLE ROW LEVEL SECURITY');
  try {
    const leaks = await crossTenantLeaks(service, world);
    for (const what of ['api-keys/list shows', 'POST /api/v1/api-keys/get', 'rows were changed']) {
      expect(leaks.filter((leak) => leak.includes(what))).not.toEqual([]);
    }
  } finally {
    await service.sql('ALTER TABLE api_keys ENABLE ROW LEVEL SECURITY');
  }
});
