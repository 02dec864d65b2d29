import { eventually } from '../../support/eventually.js';
import type { Org } from '../../support/service-client.js';
import { sharedService, type SharedService } from '../../support/shared-service.js';
import { addEveryRole, member, ownerOf, post } from '../orgs/people.js';
import { expectPlatformRefusal, fieldsOf, platformError } from '../refusals.js';

let service: SharedService;
let org: Org;
let other: Org;
let tag: string;

beforeAll(async () => {
  service = await sharedService();
});

afterAll(() => service.stop());

beforeEach(async () => {
  tag = service.unique();
  org = await service.createOrg(`founder-${tag}`, `Org ${tag}`);
  other = await service.createOrg(`stranger-${tag}`);
});

interface Tenant {
  readonly id: string;
  readonly name: string;
  readonly createdAt: string;
  readonly current: boolean;
}

const create = async (name: string): Promise<Tenant> =>
  (await service.asUser<{ tenant: Tenant }>(ownerOf(org), 'tenants/create', { name })).tenant;

describe('tenants/create', () => {
  it('makes a tenant with an id from its name, which the org’s people may enter', async () => {
    const answer = await post(service, ownerOf(org), 'tenants/create', { name: 'Staging' });
    expect(answer.status).toBe(200);
    const { tenant } = answer.json<{ tenant: Tenant }>();
    expect(answer.json()).toStrictEqual({
      tenant: {
        id: expect.stringMatching(/^staging-[a-z0-9]{6}$/) as string,
        name: 'Staging',
        createdAt: expect.stringMatching(/Z$/) as string,
        defaultLimits: [],
        current: false,
      },
    });
    const people = await addEveryRole(service, org);
    for (const [role, person] of Object.entries(people)) {
      expect(await service.asUser({ ...person, tenant: tenant.id }, 'orgs/get')).toMatchObject({
        org: { id: org.orgId, tenantId: tenant.id },
        membership: { role },
      });
    }
    expect((await post(service, { ...ownerOf(other), tenant: tenant.id }, 'orgs/get')).status).toBe(403);
  });

  it('shares nothing with its siblings: keys, models and pages belong to one tenant each', async () => {
    const key = await service.createKey(org);
    const { id } = await create('Staging');
    const there = { ...ownerOf(org), tenant: id };
    expect(await service.asUser(there, 'api-keys/list')).toMatchObject({ apiKeys: [] });
    platformError(await post(service, there, 'api-keys/get', { keyId: key.keyId }), 404);
    const made = await service.createKey({ ...org, tenantId: id });
    platformError(await post(service, ownerOf(org), 'api-keys/revoke', { keyId: made.keyId }), 404);
  });

  it('runs once for an Idempotency-Key', async () => {
    const send = (name: string) => post(service, ownerOf(org), 'tenants/create', { name }, { 'idempotency-key': 'k' });
    const first = await send('Once');
    const again = await send('Once');
    expect(again.headers['x-gatehouse-idempotent-replay']).toBe('true');
    expect(again.json<{ tenant: Tenant }>().tenant).toEqual(first.json<{ tenant: Tenant }>().tenant);
    expect(await service.sql('SELECT 1 FROM tenants WHERE org_id = $1', [org.orgId])).toHaveLength(2);
    await expectPlatformRefusal(service, () => send('Twice'), 409);
  });
});

describe('tenants/list, get and update', () => {
  it("show the org’s tenants, newest first, in pages, and mark the token's own", async () => {
    const staging = await create('Staging');
    const testing = await create('Testing');
    type Page = { tenants: Tenant[]; nextPageToken: string };
    const first = await service.asUser<Page>(ownerOf(org), 'tenants/list', { page_size: 2 });
    const pageToken = first.nextPageToken;
    const second = await service.asUser<Page>(ownerOf(org), 'tenants/list', { pageSize: 2, pageToken });
    expect(first.tenants).toEqual([testing, staging]);
    expect(second).toMatchObject({ tenants: [{ id: org.tenantId, current: true }], nextPageToken: '' });
    platformError(await post(service, ownerOf(other), 'tenants/list', { pageToken }), 400);

    expect(await service.asUser(ownerOf(org), 'tenants/get', { tenantId: staging.id })).toEqual({ tenant: staging });
    const there = { ...ownerOf(org), tenant: staging.id };
    expect(await service.asUser(there, 'tenants/get', { tenant_id: staging.id })).toEqual({
      tenant: { ...staging, current: true },
    });
    const renamed = { ...testing, name: 'Trying' };
    const body = { tenantId: testing.id, name: 'Trying' };
    expect(await service.asUser(there, 'tenants/update', body)).toEqual({ tenant: renamed });
    expect(await service.asUser(ownerOf(org), 'tenants/get', { tenantId: testing.id })).toEqual({ tenant: renamed });
  });

  it('store default limits for future humans, and log their values', async () => {
    const limits = [
      { type: 'token_cnt', value: 1000.000001 },
      { type: 'cost_micros', value: 0 },
    ];
    const { tenant } = await service.asUser<{ tenant: Tenant }>(ownerOf(org), 'tenants/create', {
      name: 'Limited',
      default_limits: limits,
    });
    const update = async (body: object): Promise<object> =>
      (await service.asUser<{ tenant: object }>(ownerOf(org), 'tenants/update', { tenantId: tenant.id, ...body }))
        .tenant;
    expect(tenant).toMatchObject({ defaultLimits: limits });
    expect(await update({ name: 'Still limited' })).toMatchObject({ name: 'Still limited', defaultLimits: limits });
    const fewer = [{ type: 'request_cnt', value: 5 }];
    expect(await update({ defaultLimits: fewer })).toMatchObject({ name: 'Still limited', defaultLimits: fewer });
    expect(await update({})).toMatchObject({ defaultLimits: fewer });
    expect(await update({ defaultLimits: [] })).toMatchObject({ defaultLimits: [] });
    const told = await service.sql<{ details: object }>(
      "SELECT details FROM audit_events WHERE resource_id = $1 AND action = 'tenant.updated' ORDER BY age(xmin) DESC",
      [tenant.id],
    );
    expect(told.map(({ details }) => details)).toEqual([
      { fields: ['name'] },
      { fields: ['defaultLimits'], defaultLimits: [{ type: 'request_cnt', microUnits: '5000000' }] },
      { fields: ['defaultLimits'], defaultLimits: [] },
    ]);
  });

  it.each([
    ['defaultLimits.0.type', { default_limits: [{ type: 'tokens', value: 1 }] }],
    ['defaultLimits.0.value', { default_limits: [{ type: 'token_cnt', value: -1 }] }],
    ['defaultLimits', { default_limits: { type: 'token_cnt', value: 1 } }],
    ['name', { name: '' }],
  ])('refuse a bad %s', async (field, body) => {
    for (const route of ['create', 'update']) {
      const send = () =>
        post(service, ownerOf(org), `tenants/${route}`, {
          ...(route === 'create' ? { name: 'New' } : { tenantId: org.tenantId }),
          ...body,
        });
      expect(fieldsOf(await expectPlatformRefusal(service, send, 400))).toEqual([field]);
    }
  });
});

describe('tenants/switch', () => {
  it('issues the claim anew; tokens from before stay valid for the old tenant', async () => {
    const { id } = await create('Staging');
    const user = `dev-${tag}`;
    await service.addMember(org, user, 'developer');
    (service.claims as Map<string, Record<string, unknown>>).set(user, { plan: 'gold' });
    const answer = await post(service, member(org, user), 'tenants/switch', { tenantId: id });
    expect(answer.status).toBe(200);
    expect(answer.json()).toStrictEqual({
      tenant: { id, orgId: org.orgId, name: 'Staging', createdAt: expect.stringMatching(/Z$/) as string },
      membership: { userId: user, role: 'developer' },
    });
    expect(service.claims.get(user)).toEqual({ plan: 'gold', tenant_id: id, role: 'developer' });
    expect(await service.asUser(member(org, user), 'orgs/get')).toMatchObject({ org: { tenantId: org.tenantId } });
    const next = { user, tenant: String(service.claims.get(user)?.['tenant_id']) };
    expect(await service.asUser(next, 'orgs/get')).toMatchObject({ org: { tenantId: id } });
  });

  it('switches to another org of the same person, with the role that they have there', async () => {
    await service.addMember(other, org.user, 'viewer');
    const answer = await post(service, ownerOf(org), 'tenants/switch', { tenantId: other.tenantId });
    expect(answer.json()).toMatchObject({ tenant: { orgId: other.orgId }, membership: { role: 'viewer' } });
    expect(service.claims.get(org.user)).toEqual({ tenant_id: other.tenantId, role: 'viewer' });
  });

  it('leaves the last of many choices at the issuer, even if that is slow at first', async () => {
    const tenants = [org.tenantId, (await create('One')).id, (await create('Two')).id];
    service.google.updateDelaysMs.push(300);
    const answers = [];
    for (const tenantId of [tenants[1], tenants[0], tenants[2]]) {
      answers.push(post(service, ownerOf(org), 'tenants/switch', { tenantId }));
      await eventually(
        async () =>
          (await service.sql('SELECT 1 FROM users WHERE id = $1 AND claimed_tenant_id = $2', [org.user, tenantId]))
            .length === 1,
      );
    }
    for (const answer of await Promise.all(answers)) expect(answer.status).toBe(200);
    expect(service.claims.get(org.user)).toMatchObject({ tenant_id: tenants[2] });
    expect(await service.sql('SELECT 1 FROM claim_writes WHERE user_id = $1', [org.user])).toEqual([]);
  });
});
