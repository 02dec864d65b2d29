import { RecordingClaimsWriter } from '../../test/support/claims.js';
import { createTestDatabase, type TestDatabase } from '../../test/support/postgres.js';
import { rowsOf, seedTenant, type SeededTenant } from '../../test/support/sql.js';
import { dashboardUser, rolesOf, seedMembers, startTenancy, type Tenancy } from '../../test/support/tenancy.js';
import type { Role } from '../identity/index.js';
import { Fault } from '../platform/errors/index.js';

let test: TestDatabase;
let acme: SeededTenant;
let globex: SeededTenant;
let issuer: RecordingClaimsWriter;
/** Two replicas. */
let replicas: Tenancy[];

beforeEach(async () => {
  test = await createTestDatabase();
  acme = await seedTenant(test.superuserUrl);
  globex = await seedTenant(test.superuserUrl);
  issuer = new RecordingClaimsWriter();
  replicas = [0, 1].map(() => startTenancy(test.ownerUrl, issuer, { databasePoolSize: 10 }));
});

afterEach(async () => {
  await Promise.all(replicas.map((replica) => replica.stop()));
  await test.drop();
});

const on = (turn: number): Tenancy => replicas[turn % 2]!;
const as = (userId: string, role: Role = 'owner') => dashboardUser(userId, acme.tenantId, role);
const roles = (): Promise<Record<string, string>> => rolesOf(test.superuserUrl, acme.orgId);
const owners = async (): Promise<number> => Object.values(await roles()).filter((role) => role === 'owner').length;

/** The result of each: `done`, or the kind of its fault. */
async function endings(work: readonly Promise<unknown>[]): Promise<string[]> {
  const settled = await Promise.allSettled(work);
  return settled.map((one) => {
    if (one.status === 'fulfilled') return 'done';
    if (one.reason instanceof Fault) return one.reason.kind;
    throw one.reason;
  });
}
const ending = async (work: Promise<unknown>): Promise<string> => (await endings([work]))[0]!;

describe('the last owner', () => {
  it('stays when two owners demote each other at once', async () => {
    await seedMembers(test.superuserUrl, acme.orgId, { bob: 'owner' });
    const outcome = await endings([
      on(0).members.update(as(acme.ownerId), { userId: 'bob', role: 'viewer' }),
      on(1).members.update(as('bob'), { userId: acme.ownerId, role: 'viewer' }),
    ]);
    expect(outcome.sort()).toEqual(['done', 'permission_denied']);
    expect(await owners()).toBe(1);
  });

  it('stays when two owners each demote themselves at once', async () => {
    await seedMembers(test.superuserUrl, acme.orgId, { bob: 'owner' });
    const outcome = await endings([
      on(0).members.update(as(acme.ownerId), { userId: acme.ownerId, role: 'admin' }),
      on(1).members.update(as('bob'), { userId: 'bob', role: 'admin' }),
    ]);
    expect(outcome.sort()).toEqual(['conflict', 'done']);
    expect(await owners()).toBe(1);
  });

  it('stays when eight owners all demote or remove themselves at once, again and again', async () => {
    const names = Array.from({ length: 8 }, (_, index) => `owner-${index}`);
    for (let round = 0; round < 5; round += 1) {
      await rowsOf(test.superuserUrl, 'DELETE FROM memberships WHERE org_id = $1', [acme.orgId]);
      await seedMembers(test.superuserUrl, acme.orgId, Object.fromEntries(names.map((name) => [name, 'owner'])));
      const outcome = await endings(
        names.map((userId, turn) =>
          turn % 3 === 0
            ? on(turn).members.remove(as(userId), userId)
            : on(turn).members.update(as(userId), { userId, role: 'developer' }),
        ),
      );
      expect(outcome.filter((one) => one === 'done')).toHaveLength(7);
      expect(outcome.filter((one) => one === 'conflict')).toHaveLength(1);
      expect(await owners()).toBe(1);
    }
  });

  it('stays, alone or among members who are not owners; another owner makes the change possible', async () => {
    await seedMembers(test.superuserUrl, acme.orgId, { bob: 'admin' });
    const me = as(acme.ownerId);
    expect(await ending(on(0).members.update(me, { userId: me.userId, role: 'admin' }))).toBe('conflict');
    expect(await ending(on(0).members.remove(me, me.userId))).toBe('conflict');
    expect(await roles()).toEqual({ bob: 'admin', [acme.ownerId]: 'owner' });
    await on(0).members.update(me, { userId: 'bob', role: 'owner' });
    await on(0).members.remove(me, me.userId);
    expect(await roles()).toEqual({ bob: 'owner' });
  });
});

describe('a role', () => {
  it.each<[Role, string, Role, string]>([
    ['owner', 'ann', 'viewer', 'done'],
    ['owner', 'dev', 'owner', 'done'],
    ['admin', 'dev', 'admin', 'done'],
    ['admin', 'adm', 'viewer', 'done'],
    ['admin', 'dev', 'owner', 'permission_denied'],
    ['admin', 'ann', 'admin', 'permission_denied'],
    ['admin', 'ann', 'owner', 'permission_denied'],
    ['admin', 'boss', 'owner', 'permission_denied'],
  ])('given by an %s: %s made %s is %s', async (role, userId, to, expected) => {
    await seedMembers(test.superuserUrl, acme.orgId, { boss: role, ann: 'owner', adm: 'admin', dev: 'developer' });
    const before = await roles();
    expect(await ending(on(0).members.update(as('boss', role), { userId, role: to }))).toBe(expected);
    expect((await roles())[userId]).toBe(expected === 'done' ? to : before[userId]);
  });

  it('that the member already has changes nothing and publishes no event', async () => {
    await seedMembers(test.superuserUrl, acme.orgId, { bob: 'viewer' });
    const bob = await on(0).members.update(as(acme.ownerId), { userId: 'bob', role: 'viewer' });
    expect(bob).toMatchObject({ userId: 'bob', role: 'viewer', user: { email: 'bob@example.com' } });
    expect(on(0).published).toEqual([]);
    expect(issuer.written).toEqual([]);
  });

  it('is checked at the change, not at the start of the request', async () => {
    await seedMembers(test.superuserUrl, acme.orgId, { bob: 'admin', eve: 'viewer' });
    await rowsOf(test.superuserUrl, "UPDATE memberships SET role = 'viewer' WHERE user_id = 'bob'");
    expect(await ending(on(0).members.remove(as('bob', 'admin'), 'eve'))).toBe('permission_denied');
    await rowsOf(test.superuserUrl, "DELETE FROM memberships WHERE user_id = 'bob'");
    expect(await ending(on(0).members.remove(as('bob', 'admin'), 'eve'))).toBe('permission_denied');
    expect(await roles()).toHaveProperty('eve');
  });

  it('that is removed during another change counts for later changes', async () => {
    await seedMembers(test.superuserUrl, acme.orgId, { bob: 'owner', eve: 'viewer' });
    // In either order: bob ends up removed, and removes no one afterwards.
    const [, byBob] = await endings([
      on(0).members.remove(as(acme.ownerId), 'bob'),
      on(1).members.remove(as('bob'), 'eve'),
    ]);
    const left = await roles();
    expect(left).not.toHaveProperty('bob');
    expect('eve' in left).toBe(byBob === 'permission_denied');
  });
});

describe('a change', () => {
  it('publishes one event with its author, without personal data', async () => {
    await seedMembers(test.superuserUrl, acme.orgId, { bob: 'viewer' });
    const me = as(acme.ownerId);
    await on(0).members.update(me, { userId: 'bob', role: 'admin' });
    await on(0).members.remove(me, 'bob');
    const told = { actor: { type: 'user', id: me.userId }, tenantId: null, resource: { type: 'member', id: 'bob' } };
    expect(on(0).published).toEqual([
      { ...told, action: 'member.updated', details: { from: 'viewer', to: 'admin' } },
      { ...told, action: 'member.removed', details: { role: 'admin' } },
    ]);
    expect(JSON.stringify(on(0).published)).not.toContain('@');
  });

  it('is not made where a listener fails', async () => {
    await seedMembers(test.superuserUrl, acme.orgId, { bob: 'viewer' });
    on(0).events.subscribe(() => Promise.reject(new Fault('unavailable', 'No log.')));
    expect(await ending(on(0).members.remove(as(acme.ownerId), 'bob'))).toBe('unavailable');
    expect(await roles()).toHaveProperty('bob');
    expect(await rowsOf(test.superuserUrl, 'SELECT 1 FROM claim_writes')).toEqual([]);
  });

  it('reaches the issuer: the new role, another tenant of the member, or nothing', async () => {
    await seedMembers(test.superuserUrl, acme.orgId, { bob: 'viewer' });
    await on(0).members.update(as(acme.ownerId), { userId: 'bob', role: 'developer' });
    await seedMembers(test.superuserUrl, globex.orgId, { bob: 'admin' });
    await on(1).members.remove(as(acme.ownerId), 'bob');
    const inGlobex = dashboardUser(globex.ownerId, globex.tenantId, 'owner');
    await on(0).members.remove(inGlobex, 'bob');
    expect(issuer.written).toEqual([
      ['bob', { tenant_id: acme.tenantId, role: 'developer' }],
      ['bob', { tenant_id: globex.tenantId, role: 'admin' }],
      ['bob', null],
    ]);
  });

  it('succeeds although the issuer is down: the claims wait in the outbox', async () => {
    await seedMembers(test.superuserUrl, acme.orgId, { bob: 'viewer' });
    issuer.act = () => Promise.reject(new Error('away'));
    await on(0).members.remove(as(acme.ownerId), 'bob');
    expect(await roles()).not.toHaveProperty('bob');
    expect(await rowsOf(test.superuserUrl, 'SELECT user_id, claims FROM claim_writes')).toEqual([
      { user_id: 'bob', claims: null },
    ]);
  });
});

describe("another org's member", () => {
  it('is as unknown as a user who does not exist, in the same words', async () => {
    const faults: unknown[] = [];
    for (const userId of [globex.ownerId, 'nobody']) {
      for (const work of [
        () => on(0).members.remove(as(acme.ownerId), userId),
        () => on(0).members.update(as(acme.ownerId), { userId, role: 'viewer' }),
      ])
        faults.push(await work().catch(({ kind, message }: Fault) => ({ kind, message })));
    }
    expect(new Set(faults.map((fault) => JSON.stringify(fault))).size).toBe(1);
    expect(faults[0]).toMatchObject({ kind: 'not_found' });
    expect(await rolesOf(test.superuserUrl, globex.orgId)).toEqual({ [globex.ownerId]: 'owner' });
  });

  it('is in no list', async () => {
    await seedMembers(test.superuserUrl, acme.orgId, { bob: 'viewer' });
    const { records } = await on(0).members.list(as('bob', 'viewer'), { pageSize: 0, pageToken: '' });
    expect(records.map(({ userId }) => userId).sort()).toEqual(['bob', acme.ownerId].sort());
  });
});

describe('the list of members', () => {
  it('is paged, newest first, each member once', async () => {
    for (let index = 0; index < 7; index += 1) {
      await seedMembers(test.superuserUrl, acme.orgId, { [`user-${index}`]: 'viewer' });
    }
    // Some members have the same timestamp.
    await rowsOf(
      test.superuserUrl,
      "UPDATE memberships SET created_at = '2026-01-01T00:00:00Z' WHERE user_id IN ('user-2', 'user-3', 'user-4')",
    );
    const seen: { userId: string; createdAt: Date }[] = [];
    let pageToken = '';
    do {
      const page = await on(seen.length).members.list(as(acme.ownerId), { pageSize: 3, pageToken });
      expect(page.records.length).toBeLessThanOrEqual(3);
      seen.push(...page.records);
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    expect(seen).toHaveLength(8);
    expect(new Set(seen.map(({ userId }) => userId)).size).toBe(8);
    const times = seen.map(({ createdAt }) => createdAt.getTime());
    expect(times).toEqual([...times].sort((one, other) => other - one));
  });

  it("accepts no page token of another org's list, or of another list", async () => {
    await seedMembers(test.superuserUrl, acme.orgId, { bob: 'viewer' });
    const { nextPageToken: pageToken } = await on(0).members.list(as(acme.ownerId), { pageSize: 1, pageToken: '' });
    expect(pageToken).not.toBe('');
    const page = { pageSize: 1, pageToken };
    const other = dashboardUser(globex.ownerId, globex.tenantId, 'owner');
    expect(
      await endings([
        on(1).members.list(other, page),
        on(0).tenants.list(as(acme.ownerId), page),
        on(0).invitations.list(as(acme.ownerId), page),
        on(0).orgs.list(as(acme.ownerId), page),
        on(1).members.list(as(acme.ownerId), page),
      ]),
    ).toEqual(['invalid_input', 'invalid_input', 'invalid_input', 'invalid_input', 'done']);
  });
});
