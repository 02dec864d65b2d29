/**
 * Bodies that every route of orgs and tenants refuses. The permitted callers are tested in
 * test/contracts/access.matrix.spec.ts.
 */
import type { Role } from '../../../src/identity/index.js';
import type { Identity, Org } from '../../support/service-client.js';
import { sharedService, type SharedService } from '../../support/shared-service.js';
import { rowCounts } from '../ledger.js';
import { expectPlatformRefusal, fieldsOf } from '../refusals.js';
import { addEveryRole, post } from './people.js';

/** Each route with a body that an owner may send to it. */
const ROUTES: readonly (readonly [route: string, body: object])[] = [
  ['orgs/list', {}],
  ['orgs/get', {}],
  ['orgs/update', {}],
  ['orgs/delete', { name: 'another name' }],
  ['orgs/list-members', {}],
  ['orgs/invite-member', { email: 'guest@example.com', role: 'viewer' }],
  ['orgs/list-invitations', {}],
  ['orgs/revoke-invitation', { invitationId: 'none' }],
  ['orgs/accept-invitation', { token: 'none' }],
  ['orgs/update-member', { userId: 'nobody', role: 'viewer' }],
  ['orgs/remove-member', { userId: 'nobody' }],
  ['tenants/list', {}],
  ['tenants/create', { name: 'Staging' }],
  ['tenants/get', { tenantId: 'none' }],
  ['tenants/update', { tenantId: 'none', name: 'Renamed' }],
  ['tenants/switch', { tenantId: 'none' }],
  ['tenants/delete', { tenantId: 'none', name: 'Production' }],
];

let service: SharedService;
let org: Org;
let people: Record<Role, Identity>;

beforeAll(async () => {
  service = await sharedService();
  org = await service.createOrg(undefined, 'Org of founder');
  people = await addEveryRole(service, org);
});

afterAll(() => service.stop());

it("a refusal names the caller's role, whatever the token claims", async () => {
  for (const role of ['developer', 'viewer'] as const) {
    const claiming = { ...people[role], role: 'owner' };
    const { message } = await expectPlatformRefusal(service, () => post(service, claiming, 'orgs/update'), 403);
    expect(message).toContain(role);
  }
});

it.each(ROUTES)('%s refuses an unknown field, naming it', async (route, body) => {
  const sent = { ...body, colour: 'red' };
  const refusal = await expectPlatformRefusal(service, () => post(service, people.owner, route, sent), 400);
  expect(fieldsOf(refusal)).toContain('colour');
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
    '%s with a malformed Idempotency-Key',
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
