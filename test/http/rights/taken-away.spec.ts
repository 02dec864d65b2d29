/** Rights that are removed while a request is on its way: held-back bodies, races of deletion, keys that could be revived. */
import http, { type OutgoingHttpHeaders } from 'node:http';
import { eventually, pause } from '../../support/eventually.js';
import { startUserIssuer, type UserIssuer } from '../../support/oidc-issuer.js';
import { startService, type Answer, type Org, type TestService } from '../../support/service.js';

let service: TestService;
let users: UserIssuer;
let partners: UserIssuer;
let org: Org;

beforeAll(async () => {
  users = await startUserIssuer({ alg: 'ES256' });
  partners = await startUserIssuer({ alg: 'ES256' });
  service = await startService({ settings: { ...users.settings, requestsPerMinute: 1_000_000 } });
  org = await service.createOrg('founder');
});

afterAll(async () => {
  await service.stop();
  await users.stop();
  await partners.stop();
});

const bearer = (token: string): OutgoingHttpHeaders => ({ authorization: `Bearer ${token}` });
const tokenOf = (user: string, tenant = org.tenantId): OutgoingHttpHeaders =>
  bearer(service.dashboardToken({ user, tenant }));
const post = (route: string, headers: OutgoingHttpHeaders, body: object): Promise<Answer> =>
  service.call('POST', `/api/v1/${route}`, { headers, body });
const owner = (): { user: string; tenant: string } => ({ user: org.user, tenant: org.tenantId });

/** Sends a request without the end of its body; `finish` sends the end, and returns the answer's status. */
function hold(path: string, headers: OutgoingHttpHeaders, body: object): { finish: () => Promise<number> } {
  const text = JSON.stringify(body);
  const request = http.request(new URL(path, service.baseUrl), {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text), ...headers },
  });
  const status = new Promise<number>((resolve, reject) => {
    request.on('error', reject).on('response', (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
  });
  request.write(text.slice(0, 1));
  return {
    finish: () => {
      request.end(text.slice(1));
      return status;
    },
  };
}

/** Long enough that the guards have judged the part of a held request that was sent. */
const JUDGED_MS = 400;
const CHAT = { model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hello' }] };

describe('a body that is held back', () => {
  it('does not keep the rights of a member who is removed meanwhile', async () => {
    await service.addMember(org, 'mallory', 'admin');
    const { keyId } = await service.createKey(org);
    const held = [
      hold('/api/v1/api-keys/create', tokenOf('mallory'), { name: 'evil', permissions: ['users:impersonate'] }),
      hold('/api/v1/api-keys/rotate', tokenOf('mallory'), { keyId }),
      hold('/api/v1/audit/list', tokenOf('mallory'), {}),
      hold('/v1/chat/completions', tokenOf('mallory'), CHAT),
    ];
    await pause(JUDGED_MS);
    await service.asUser(owner(), 'orgs/remove-member', { userId: 'mallory' });
    await eventually(async () => (await post('orgs/get', tokenOf('mallory'), {})).status === 403);
    for (const { finish } of held) expect(await finish()).toBe(403);
  });

  it('does not keep the role of a member who is demoted, nor the scopes of a key that loses them', async () => {
    await service.addMember(org, 'dora', 'admin');
    const key = await service.createKey(org, { scopes: ['chat:write'] });
    const asAdmin = hold('/api/v1/audit/list', tokenOf('dora'), {});
    const asKey = hold('/v1/chat/completions', { 'x-api-key': key.key }, CHAT);
    await pause(JUDGED_MS);
    await service.asUser(owner(), 'orgs/update-member', { userId: 'dora', role: 'viewer' });
    await service.asUser(owner(), 'api-keys/update', { keyId: key.keyId, permissions: ['usage:read'] });
    await eventually(async () => (await post('audit/list', tokenOf('dora'), {})).status === 403);
    await eventually(
      async () => (await service.call('GET', '/v1/models', { headers: { 'x-api-key': key.key } })).status === 403,
    );
    expect([await asAdmin.finish(), await asKey.finish()]).toEqual([403, 403]);
  });

  it('does not work with a key that is revoked meanwhile, and nothing goes upstream', async () => {
    const { key, keyId } = await service.createKey(org);
    const held = hold('/v1/chat/completions', { 'x-api-key': key }, CHAT);
    await pause(JUDGED_MS);
    await service.asUser(owner(), 'api-keys/revoke', { keyId });
    await eventually(
      async () => (await service.call('GET', '/v1/models', { headers: { 'x-api-key': key } })).status === 401,
    );
    const before = service.upstream.requests.length;
    expect(await held.finish()).toBe(401);
    expect(service.upstream.requests.length).toBe(before);
  });

  it('is served where nothing changed', async () => {
    const { key } = await service.createKey(org);
    const held = hold('/v1/chat/completions', { 'x-api-key': key, 'x-human-id': 'bea' }, CHAT);
    await pause(JUDGED_MS);
    expect(await held.finish()).toBe(200);
  });
});

describe('a key with more rights than a developer', () => {
  it.each([{ neverExpires: true }, { expiresAt: '2099-01-01T00:00:00Z' }, { rateLimit: { requestsPerMinute: 9 } }])(
    'gets no longer life and no higher limit from a developer: %j',
    async (change) => {
      await service.sql('DELETE FROM memberships WHERE user_id = $1', ['dev']);
      await service.addMember(org, 'dev', 'developer');
      const { keyId } = await service.createKey(org, {
        scopes: ['users:impersonate'],
        expiresAt: new Date(Date.now() + 3_600_000),
      });
      const refused = await post('api-keys/update', tokenOf('dev'), { keyId, ...change });
      expect([refused.status, refused.text]).toEqual([403, expect.stringContaining('users:impersonate')]);
      expect((await post('api-keys/update', tokenOf('dev'), { keyId, description: 'Mine' })).status).toBe(200);
    },
  );
});

describe('a publishable key', () => {
  const make = async (tenant: Org, issuer: UserIssuer, humanPrefix: string) =>
    (
      await service.asUser<{ result: { key: string; keyId: string } }>(
        { user: tenant.user, tenant: tenant.tenantId },
        'api-keys/create-publishable',
        { name: 'App', oidcConfig: { ...issuer.oidcConfig, humanPrefix }, unlimited: true },
      )
    ).result;

  it("gives its issuer's humans no access once it is revoked", async () => {
    const two = await service.createOrg('of-two-issuers');
    const own = await make(two, users, '');
    const theirs = await make(two, partners, 'partner:');
    const asPartners = (): Promise<Answer> =>
      post('llm/gateway/list-threads', { 'x-api-key': own.key, ...bearer(users.token({ sub: 'partner:alice' })) }, {});
    expect((await asPartners()).status).toBe(401);
    await service.asUser({ user: two.user, tenant: two.tenantId }, 'api-keys/revoke', { keyId: theirs.keyId });
    await pause(1000);
    expect((await asPartners()).status).toBe(401);
  });

  it("can't name the platform's own sign-in as its issuer", async () => {
    const { issuer, audience } = service.issuer;
    const refused = await post('api-keys/create-publishable', tokenOf(org.user), {
      name: 'App',
      oidc_config: { issuer, audience },
      unlimited: true,
    });
    expect([refused.status, refused.text]).toEqual([400, expect.stringContaining('oidc_config.issuer')]);
  });
});

describe('the deletion of a tenant', () => {
  it('during all kinds of changes of its keys gives no caller a 500, and leaves nothing behind', async () => {
    for (let round = 0; round < 4; round += 1) {
      const { tenant } = await service.asUser<{ tenant: { id: string } }>(owner(), 'tenants/create', { name: 'Spare' });
      const inside = tokenOf(org.user, tenant.id);
      const made = await post('api-keys/create', inside, { name: 'K' });
      const { keyId } = made.json<{ result: { keyId: string } }>().result;
      const statuses = new Set<number>();
      let over = false;
      const change = async (route: string, body: object): Promise<void> => {
        while (!over) statuses.add((await post(route, inside, body)).status);
      };
      const changes = [
        change('api-keys/create', { name: 'another' }),
        change('api-keys/update', { keyId, description: 'x' }),
        change('api-keys/rotate', { keyId }),
      ];
      await pause(100);
      const deleted = await post('tenants/delete', tokenOf(org.user), { tenantId: tenant.id, name: 'Spare' });
      over = true;
      await Promise.all(changes);
      expect(deleted.status).toBe(200);
      expect([...statuses].filter((status) => ![200, 401, 403].includes(status))).toEqual([]);
      expect(await service.sql('SELECT 1 FROM api_keys WHERE tenant_id = $1', [tenant.id])).toEqual([]);
    }
  });

  it('during a switch to it leaves no user with claims to a deleted tenant', async () => {
    for (let round = 0; round < 6; round += 1) {
      const user = `switcher-${round}`;
      await service.addMember(org, user, 'viewer');
      const { tenant } = await service.asUser<{ tenant: { id: string } }>(owner(), 'tenants/create', { name: 'Spare' });
      await Promise.all([
        post('tenants/delete', tokenOf(org.user), { tenantId: tenant.id, name: 'Spare' }),
        post('tenants/switch', tokenOf(user), { tenantId: tenant.id }),
        post('tenants/switch', tokenOf(user), { tenantId: tenant.id }),
      ]);
      const [row] = await service.sql<{ lost: boolean }>(
        `SELECT claimed_tenant_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM tenants t WHERE t.id = claimed_tenant_id) AS lost
         FROM users WHERE id = $1`,
        [user],
      );
      expect({ round, lost: row?.lost }).toEqual({ round, lost: false });
    }
  });
});

it('a member with empty claims, or with those of a deleted tenant, gets new ones by listing orgs', async () => {
  for (const tenant of [undefined, 'a-tenant-that-is-gone']) {
    const user = `lost-${tenant ?? 'nowhere'}`;
    await service.addMember(org, user, 'developer');
    const { orgs } = await service.asUser<{ orgs: { id: string }[] }>({ user, tenant }, 'orgs/list');
    expect(orgs.map(({ id }) => id)).toEqual([org.orgId]);
    expect(service.claims.get(user)).toMatchObject({ tenant_id: org.tenantId, role: 'developer' });
  }
  const stranger = { user: 'a-stranger' };
  expect(await service.asUser(stranger, 'orgs/list')).toEqual({ orgs: [], nextPageToken: '' });
  expect(service.claims.get('a-stranger')).toBeUndefined();
});
