import { eventually } from '../../support/eventually.js';
import type { Answer, Identity, Org } from '../../support/service-client.js';
import { sharedService, type SharedService } from '../../support/shared-service.js';
import { expectPlatformRefusal, platformError } from '../refusals.js';
import { addEveryRole, member, ownerOf, post } from './people.js';

let service: SharedService;
let org: Org;
let other: Org;
let tag: string;

beforeAll(async () => {
  service = await sharedService();
});

afterAll(() => service.stop());

/** Two orgs for each test, each with a member of every role. */
beforeEach(async () => {
  tag = service.unique();
  org = await service.createOrg(`founder-${tag}`);
  other = await service.createOrg(`stranger-${tag}`);
  for (const one of [org, other]) await addEveryRole(service, one);
});

const person = (role: string): string => `${role}-of-founder-${tag}`;
const update = (by: Identity, userId: string, role: unknown): Promise<Answer> =>
  post(service, by, 'orgs/update-member', { userId, role });
const remove = (by: Identity, userId: string): Promise<Answer> =>
  post(service, by, 'orgs/remove-member', { user_id: userId });
const roleOf = async (userId: string): Promise<string | undefined> =>
  (await service.sql<{ role: string }>('SELECT role FROM memberships WHERE user_id = $1', [userId]))[0]?.role;

describe('orgs/list-members', () => {
  it('shows each member with role and address, newest first, to every member and of no other org', async () => {
    const answer = await post(service, member(org, person('viewer')), 'orgs/list-members');
    const { members, nextPageToken } = answer.json<{ members: { userId: string }[]; nextPageToken: string }>();
    expect(nextPageToken).toBe('');
    expect(members.map(({ userId }) => userId)).toEqual([
      person('viewer'),
      person('developer'),
      person('admin'),
      org.user,
    ]);
    expect(members.at(-1)).toStrictEqual({
      userId: org.user,
      email: 'user-1@example.com',
      role: 'owner',
      createdAt: expect.stringMatching(/Z$/) as string,
    });
    // A member with an unknown address has none, not an empty one.
    expect(members[0]).not.toHaveProperty('email');
  });

  it('shows no address that the issuer has not verified', async () => {
    const user = `unverified-${tag}`;
    const claims = { email: 'boss@example.com', email_verified: false };
    await service.asUser({ user, claims }, 'orgs/create', { name: 'Unverified' });
    const [row] = await service.sql<{ tenant: string }>(
      'SELECT t.id AS tenant FROM tenants t JOIN orgs o ON o.id = t.org_id WHERE o.created_by = $1',
      [user],
    );
    const { members } = await service.asUser<{ members: object[] }>({ user, tenant: row!.tenant }, 'orgs/list-members');
    expect(members).toEqual([{ userId: user, role: 'owner', createdAt: expect.any(String) as string }]);
  });
});

describe('orgs/update-member', () => {
  it("changes the role everywhere: in the answer, in the member's rights, and in their claims", async () => {
    const dev = member(org, person('developer'));
    expect((await post(service, dev, 'orgs/list-invitations')).status).toBe(403);
    const answer = await update(ownerOf(org), dev.user, 'admin');
    expect(answer.status).toBe(200);
    expect(answer.json()).toMatchObject({ member: { userId: dev.user, role: 'admin' } });
    await eventually(async () => (await post(service, dev, 'orgs/list-invitations')).status === 200);
    expect(service.claims.get(dev.user)).toEqual({ tenant_id: org.tenantId, role: 'admin' });

    await update(ownerOf(org), dev.user, 'viewer');
    // The claim does not matter.
    await eventually(
      async () => (await post(service, { ...dev, role: 'owner' }, 'orgs/list-invitations')).status === 403,
    );
    expect(service.claims.get(dev.user)).toEqual({ tenant_id: org.tenantId, role: 'viewer' });
  });

  it('accepts a role by its number too, as enums may be written; 0 is not a role', async () => {
    expect((await update(ownerOf(org), person('viewer'), 2)).json()).toMatchObject({ member: { role: 'developer' } });
    await expectPlatformRefusal(service, () => update(ownerOf(org), person('viewer'), 0), 400);
  });

  it('to or from owner can be done by an owner only', async () => {
    const admin = member(org, person('admin'));
    for (const [userId, role] of [
      [org.user, 'viewer'],
      [org.user, 'owner'],
      [person('viewer'), 'owner'],
      [admin.user, 'owner'],
    ] as const) {
      await expectPlatformRefusal(service, () => update(admin, userId, role), 403);
    }
    expect(await roleOf(org.user)).toBe('owner');
    expect((await update(ownerOf(org), admin.user, 'owner')).status).toBe(200);
  });

  it('leaves the last owner an owner: 409', async () => {
    await expectPlatformRefusal(service, () => update(ownerOf(org), org.user, 'admin'), 409);
    expect(await roleOf(org.user)).toBe('owner');
  });

  it('succeeds although Firebase is down, and the claims follow later', async () => {
    service.google.failures.set('accounts:update', 500);
    try {
      expect((await update(ownerOf(org), person('viewer'), 'developer')).status).toBe(200);
    } finally {
      service.google.failures.clear();
    }
    await eventually(async () =>
      (await post(service, member(org, person('viewer')), 'orgs/get')).text.includes('developer'),
    );
    await service.sql('UPDATE claim_writes SET next_attempt_at = now()');
    await eventually(() => expect(service.claims.get(person('viewer'))).toMatchObject({ role: 'developer' }));
  });
});

describe('orgs/remove-member', () => {
  it('refuses the member from then on, and removes our claims, leaving others', async () => {
    const viewer = member(org, person('viewer'));
    (service.claims as Map<string, Record<string, unknown>>).set(viewer.user, {
      plan: 'gold',
      tenant_id: 'x',
      role: 'y',
    });
    const answer = await remove(ownerOf(org), viewer.user);
    expect([answer.status, answer.json()]).toEqual([200, {}]);
    await eventually(async () => (await post(service, viewer, 'orgs/get')).status === 403);
    for (const route of ['orgs/get', 'tenants/list', 'api-keys/list']) {
      expect((await post(service, { ...viewer, role: 'owner' }, route)).status).toBe(403);
    }
    expect(service.claims.get(viewer.user)).toEqual({ plan: 'gold' });
    expect(await service.asUser(viewer, 'orgs/list')).toMatchObject({ orgs: [] });
  });

  it('gives a member of another org the claims of that one', async () => {
    const viewer = person('viewer');
    await service.addMember(other, viewer, 'developer');
    await remove(ownerOf(org), viewer);
    expect(service.claims.get(viewer)).toEqual({ tenant_id: other.tenantId, role: 'developer' });
  });

  it('of an owner can be done by an owner only, and of the last owner not at all', async () => {
    const admin = member(org, person('admin'));
    await expectPlatformRefusal(service, () => remove(admin, org.user), 403);
    await expectPlatformRefusal(service, () => remove(ownerOf(org), org.user), 409);
    await service.addMember(org, `second-${tag}`, 'owner');
    expect((await remove(ownerOf(org), org.user)).status).toBe(200);
    await expectPlatformRefusal(service, () => remove(member(org, `second-${tag}`), `second-${tag}`), 409);
  });

  it('leaves one owner where many leave at once', async () => {
    const owners = [org.user, ...Array.from({ length: 5 }, (_, index) => `co-owner-${tag}-${index}`)];
    for (const owner of owners.slice(1)) await service.addMember(org, owner, 'owner');
    const answers = await Promise.all(
      owners.map((owner, index) =>
        index % 2 === 0 ? remove(member(org, owner), owner) : update(member(org, owner), owner, 'viewer'),
      ),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 200, 200, 200, 409]);
    expect(
      await service.sql("SELECT 1 FROM memberships WHERE org_id = $1 AND role = 'owner'", [org.orgId]),
    ).toHaveLength(1);
  });
});

describe("another org's member", () => {
  it("can't read a page of the org by its token", async () => {
    const { nextPageToken: pageToken } = await service.asUser<{ nextPageToken: string }>(
      ownerOf(org),
      'orgs/list-members',
      { pageSize: 1 },
    );
    expect(pageToken).not.toBe('');
    platformError(await post(service, ownerOf(other), 'orgs/list-members', { pageToken }), 400);
  });
});
