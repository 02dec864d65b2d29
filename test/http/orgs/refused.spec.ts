/** Every route of orgs and tenants: who may, and what no body gets past it. */
import type { Role } from '../../../src/identity/index.js';
import { startService, type Identity, type MadeKey, type Org, type TestService } from '../../support/service.js';
import { rowCounts } from '../ledger.js';
import { expectPlatformRefusal, fieldsOf } from '../refusals.js';
import { ALL_ROLES, addEveryRole, newcomer, post } from './people.js';

const MANAGERS: readonly Role[] = ['owner', 'admin'];

interface Route {
  readonly route: string;
  /** What an allowed caller sends, and what that is answered. */
  readonly body: object;
  readonly status: number;
  readonly roles: readonly Role[];
  /** Somebody in no tenant may too. */
  readonly account?: true;
}

const ROUTES: readonly Route[] = [
  { route: 'orgs/list', body: {}, status: 200, roles: ALL_ROLES, account: true },
  { route: 'orgs/get', body: {}, status: 200, roles: ALL_ROLES },
  { route: 'orgs/update', body: {}, status: 200, roles: MANAGERS },
  { route: 'orgs/delete', body: { name: 'another name' }, status: 400, roles: ['owner'] },
  { route: 'orgs/list-members', body: {}, status: 200, roles: ALL_ROLES },
  { route: 'orgs/invite-member', body: { email: 'guest@example.com', role: 'viewer' }, status: 200, roles: MANAGERS },
  { route: 'orgs/list-invitations', body: {}, status: 200, roles: MANAGERS },
  { route: 'orgs/revoke-invitation', body: { invitationId: 'none' }, status: 404, roles: MANAGERS },
  { route: 'orgs/accept-invitation', body: { token: 'none' }, status: 404, roles: ALL_ROLES, account: true },
  { route: 'orgs/update-member', body: { userId: 'nobody', role: 'viewer' }, status: 404, roles: MANAGERS },
  { route: 'orgs/remove-member', body: { userId: 'nobody' }, status: 404, roles: MANAGERS },
  { route: 'tenants/list', body: {}, status: 200, roles: ALL_ROLES },
  { route: 'tenants/create', body: { name: 'Staging' }, status: 200, roles: MANAGERS },
  { route: 'tenants/get', body: { tenantId: 'none' }, status: 404, roles: ALL_ROLES },
  { route: 'tenants/update', body: { tenantId: 'none', name: 'Renamed' }, status: 404, roles: MANAGERS },
  { route: 'tenants/switch', body: { tenantId: 'none' }, status: 404, roles: ALL_ROLES },
  { route: 'tenants/delete', body: { tenantId: 'none', name: 'Production' }, status: 404, roles: ['owner'] },
];

let service: TestService;
let org: Org;
let people: Record<Role, Identity>;
let key: MadeKey;

beforeAll(async () => {
  service = await startService();
  org = await service.createOrg('founder');
  people = await addEveryRole(service, org);
  key = await service.createKey(org, { scopes: ['users:impersonate', 'chat:write', 'audit:read'] });
});

afterAll(() => service.stop());

describe.each(ROUTES)('$route', ({ route, body, status, roles, account }) => {
  const path = `/api/v1/${route}`;

  it('answers whoever may', async () => {
    const callers = roles.map((role) => people[role]);
    if (account) callers.push(newcomer('somebody-new'));
    for (const caller of callers) expect((await post(service, caller, route, body)).status).toBe(status);
  });

  it('refuses every other role with 403, and changes nothing', async () => {
    for (const role of ALL_ROLES.filter((one) => !roles.includes(one))) {
      // The claim is no more than a hint.
      const claiming = { ...people[role], role: 'owner' };
      const { message } = await expectPlatformRefusal(service, () => post(service, claiming, route, body), 403);
      expect(message).toContain(role);
    }
  });

  it('refuses nobody with 401, and keys, somebody’s behalf and lost tenants with 403', async () => {
    await expectPlatformRefusal(service, () => service.call('POST', path, { body }), 401);
    const sent = { 'x-api-key': key.key };
    for (const headers of [sent, { ...sent, 'x-on-behalf-of': 'ada' }, { ...sent, 'x-human-id': 'ada' }]) {
      await expectPlatformRefusal(service, () => service.call('POST', path, { headers, body }), 403);
    }
    if (account) return;
    const stranger = newcomer('stranger');
    for (const identity of [stranger, { ...stranger, tenant: org.tenantId, role: 'owner' }]) {
      await expectPlatformRefusal(service, () => post(service, identity, route, body), 403);
    }
  });

  it('refuses an unknown field, naming it', async () => {
    const sent = { ...body, colour: 'red' };
    const refusal = await expectPlatformRefusal(service, () => post(service, people.owner, route, sent), 400);
    expect(fieldsOf(refusal)).toContain('colour');
  });
});

describe('bad input is 400, names the field, and writes nothing', () => {
  const member = { userId: 'nobody', role: 'viewer' };
  const guest = { email: 'guest@example.com', role: 'viewer' };
  it.each<[string, unknown, string]>([
    ['orgs/list', { pageSize: 501 }, 'pageSize'],
    ['orgs/list', { pageSize: -1 }, 'pageSize'],
    ['orgs/list', { page_size: 'many' }, 'pageSize'],
    ['orgs/list', { pageToken: 'forged' }, 'pageToken'],
    ['orgs/list-members', { pageToken: 'forged' }, 'pageToken'],
    ['orgs/list-invitations', { page_token: 'forged' }, 'pageToken'],
    ['tenants/list', { pageToken: 'x'.repeat(513) }, 'pageToken'],
    ['orgs/update', { name: '' }, 'name'],
    ['orgs/update', { name: 'x'.repeat(101) }, 'name'],
    ['orgs/update', { slug: '' }, 'slug'],
    ['orgs/update', { slug: 'Not A Slug' }, 'slug'],
    ['orgs/update', { name: 'a\0b' }, 'name'],
    ['orgs/delete', {}, 'name'],
    ['orgs/delete', { name: null }, 'name'],
    ['orgs/delete', { name: 7 }, 'name'],
    ['orgs/delete', { name: 'org of founder' }, 'name'],
    ['orgs/invite-member', { role: 'viewer' }, 'email'],
    ['orgs/invite-member', { ...guest, email: '' }, 'email'],
    ['orgs/invite-member', { ...guest, email: 'guest' }, 'email'],
    ['orgs/invite-member', { ...guest, email: 'guest@' }, 'email'],
    ['orgs/invite-member', { ...guest, email: 'guest@localhost' }, 'email'],
    ['orgs/invite-member', { ...guest, email: 'a guest@example.com' }, 'email'],
    ['orgs/invite-member', { ...guest, email: 'guest@example.com\n' }, 'email'],
    ['orgs/invite-member', { ...guest, email: 'one@example.com,two@example.com' }, 'email'],
    ['orgs/invite-member', { ...guest, email: '\u212aim@example.com' }, 'email'],
    ['orgs/invite-member', { ...guest, email: `${'x'.repeat(320)}@example.com` }, 'email'],
    ['orgs/invite-member', { email: guest.email }, 'role'],
    ['orgs/invite-member', { ...guest, role: 'god' }, 'role'],
    ['orgs/invite-member', { ...guest, role: 'Owner' }, 'role'],
    ['orgs/invite-member', { ...guest, role: 0 }, 'role'],
    ['orgs/invite-member', { ...guest, role: ['viewer'] }, 'role'],
    ['orgs/revoke-invitation', {}, 'invitationId'],
    ['orgs/revoke-invitation', { invitation_id: '' }, 'invitationId'],
    ['orgs/accept-invitation', {}, 'token'],
    ['orgs/accept-invitation', { token: 'x'.repeat(201) }, 'token'],
    ['orgs/update-member', { role: 'viewer' }, 'userId'],
    ['orgs/update-member', { userId: 'nobody' }, 'role'],
    ['orgs/update-member', { ...member, role: 'none' }, 'role'],
    ['orgs/update-member', { ...member, userId: 'x'.repeat(129) }, 'userId'],
    ['orgs/remove-member', {}, 'userId'],
    ['orgs/remove-member', { userId: 'a\ud800' }, 'userId'],
    ['tenants/create', {}, 'name'],
    ['tenants/create', { name: '' }, 'name'],
    ['tenants/create', { name: 'Staging', id: 'mine' }, 'id'],
    ['tenants/get', {}, 'tenantId'],
    ['tenants/update', { tenantId: 'none', name: '' }, 'name'],
    ['tenants/switch', { tenantId: null }, 'tenantId'],
    ['tenants/delete', { tenantId: 'none' }, 'name'],
    ['tenants/delete', { name: 'Production' }, 'tenantId'],
  ])('%s %j', async (route, body, field) => {
    const refusal = await expectPlatformRefusal(service, () => post(service, people.owner, route, body), 400);
    expect(fieldsOf(refusal)).toEqual([field]);
  });

  it.each(['orgs/create', 'orgs/invite-member', 'tenants/create'])(
    '%s with an Idempotency-Key that is none',
    async (route) => {
      const body = { name: 'Staging', ...(route === 'orgs/invite-member' ? guest : {}) };
      const before = await rowCounts(service);
      for (const key of ['', ' ', 'x'.repeat(256)]) {
        const answer = await post(service, people.owner, route, body, { 'idempotency-key': key });
        expect(answer.status).toBe(400);
      }
      expect(await rowCounts(service)).toEqual(before);
    },
  );
});
