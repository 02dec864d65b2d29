import { RecordingClaimsWriter } from '../../test/support/claims.js';
import { endingOf, faultOf } from '../../test/support/faults.js';
import { createTestDatabase, type TestDatabase } from '../../test/support/postgres.js';
import { rowsOf, seedTenant, type SeededTenant } from '../../test/support/sql.js';
import { dashboardUser, rolesOf, seedMembers, startTenancy, type Tenancy } from '../../test/support/tenancy.js';
import type { AccountPrincipal, Role } from '../identity/index.js';

interface Invited {
  readonly invitation: { readonly id: string; readonly email: string; readonly role: string };
  readonly link: string;
  readonly token: string;
}

let test: TestDatabase;
let acme: SeededTenant;
let globex: SeededTenant;
let issuer: RecordingClaimsWriter;
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
const owner = () => as(acme.ownerId);

/** Signed in, and in no tenant. */
const account = (userId: string, changes: Partial<AccountPrincipal> = {}): AccountPrincipal => ({
  kind: 'account',
  userId,
  email: `${userId}@example.com`,
  emailVerified: true,
  claimsTenant: false,
  ...changes,
});

async function invite(email: string, role: Role = 'viewer', by = owner(), turn = 0): Promise<Invited> {
  const { body } = await on(turn).invitations.invite(by, { email, role }, 'https://gate.example', null);
  return body as Invited;
}

const memberIds = async (): Promise<string[]> => Object.keys(await rolesOf(test.superuserUrl, acme.orgId)).sort();

/** Lets an invitation run out. */
const expire = (id: string): Promise<unknown> =>
  rowsOf(test.superuserUrl, "UPDATE invitations SET expires_at = now() - interval '1 second' WHERE id = $1", [id]);

describe('a member who invites', () => {
  it.each<[Role, Role, string]>([
    ['owner', 'owner', 'done'],
    ['owner', 'admin', 'done'],
    ['admin', 'admin', 'done'],
    ['admin', 'viewer', 'done'],
    ['admin', 'owner', 'permission_denied'],
  ])('as %s gives the role %s: %s', async (role, given, expected) => {
    await seedMembers(test.superuserUrl, acme.orgId, { boss: role });
    expect(await endingOf(invite('bob@example.com', given, as('boss', role)))).toBe(expected);
  });

  it.each<[string, string, string]>([
    ['is no longer a member', 'DELETE FROM memberships WHERE user_id = $1', 'permission_denied'],
    ['was demoted below the role', "UPDATE memberships SET role = 'developer' WHERE user_id = $1", 'permission_denied'],
    ['was demoted to the role', "UPDATE memberships SET role = 'admin' WHERE user_id = $1", 'done'],
  ])('and %s by the time that it is accepted: %s', async (_what, change, expected) => {
    await seedMembers(test.superuserUrl, acme.orgId, { boss: 'owner' });
    const { token } = await invite('bob@example.com', 'admin', as('boss'));
    await rowsOf(test.superuserUrl, change, ['boss']);
    expect(await endingOf(on(0).invitations.accept(account('bob'), token))).toBe(expected);
    expect((await memberIds()).includes('bob')).toBe(expected === 'done');
  });

  it('and is demoted at the same moment gives the role before that, or not at all', async () => {
    for (let round = 0; round < 10; round += 1) {
      const [boss, guest] = [`boss-${round}`, `guest-${round}`];
      await seedMembers(test.superuserUrl, acme.orgId, { [boss]: 'owner' });
      const { token } = await invite(`${guest}@example.com`, 'owner', as(boss));
      const [accepted] = await Promise.all([
        endingOf(on(0).invitations.accept(account(guest), token)),
        on(1).members.update(owner(), { userId: boss, role: 'viewer' }),
      ]);
      expect((await memberIds()).includes(guest)).toBe(accepted === 'done');
      expect(['done', 'permission_denied']).toContain(accepted);
    }
  });

  it('and removes, invites and accepts at the same moments causes no deadlock', async () => {
    const rounds = Array.from({ length: 10 }, async (_, turn) => {
      const { token } = await invite('many@example.com', 'viewer', owner(), turn);
      return [
        await endingOf(on(turn).invitations.accept(account('many'), token)),
        await endingOf(on(turn + 1).members.remove(owner(), 'many')),
      ];
    });
    const outcome = (await Promise.allSettled(rounds)).map((one) =>
      one.status === 'fulfilled' ? one.value.join() : (one.reason as { kind: string }).kind,
    );
    // A user who is already a member can't be invited.
    const expected = /^(already_exists|(done|not_found|already_exists),(done|not_found))$/;
    for (const one of outcome) expect(one).toMatch(expected);
  });

  it('an address again invalidates the earlier link', async () => {
    const first = await invite('bob@example.com', 'admin');
    const second = await invite('bob@example.com', 'viewer');
    const { records } = await on(0).invitations.list(owner(), { pageSize: 0, pageToken: '' });
    expect(records.map(({ id }) => id)).toEqual([second.invitation.id]);
    expect(await endingOf(on(0).invitations.accept(account('bob'), first.token))).toBe('not_found');
    expect((await on(0).invitations.accept(account('bob'), second.token)).role).toBe('viewer');
  });

  it('one address many times at once leaves one valid link', async () => {
    const invited = await Promise.all(
      Array.from({ length: 8 }, (_, turn) => invite('bob@example.com', 'viewer', owner(), turn)),
    );
    const { records } = await on(0).invitations.list(owner(), { pageSize: 0, pageToken: '' });
    expect(records).toHaveLength(1);
    const outcome: string[] = [];
    for (const { token } of invited.filter(({ invitation }) => invitation.id !== records[0]!.id)) {
      outcome.push(await endingOf(on(0).invitations.accept(account('bob'), token)));
    }
    expect(outcome).toEqual(Array<string>(7).fill('not_found'));
  });

  it("a member's address, in any letter case, gets that answer", async () => {
    await seedMembers(test.superuserUrl, acme.orgId, { bob: 'viewer' });
    await rowsOf(test.superuserUrl, "UPDATE users SET email = 'Bob_X@Example.com' WHERE id = 'bob'");
    expect(await faultOf(invite('bob_x@example.com'))).toMatchObject({
      kind: 'already_exists',
      fields: [{ field: 'email' }],
    });
    expect(await endingOf(invite('bobax@example.com'))).toBe('done');
    // Membership in another org does not count.
    expect(await endingOf(invite(`${globex.ownerId}@example.com`))).toBe('done');
  });
});

describe('revoking', () => {
  it('may be repeated; an accepted invitation stays', async () => {
    const { invitation } = await invite('bob@example.com');
    await on(0).invitations.revoke(owner(), invitation.id);
    await on(1).invitations.revoke(owner(), invitation.id);
    expect(on(1).published).toEqual([]);
    const other = await invite('eve@example.com');
    await on(0).invitations.accept(account('eve'), other.token);
    expect(await endingOf(on(0).invitations.revoke(owner(), other.invitation.id))).toBe('conflict');
    expect(await memberIds()).toContain('eve');
  });

  it("another org's invitation is answered as a missing one", async () => {
    const { invitation, token } = await invite('bob@example.com');
    const stranger = dashboardUser(globex.ownerId, globex.tenantId, 'owner');
    const [others, none] = [
      await faultOf(on(0).invitations.revoke(stranger, invitation.id)),
      await faultOf(on(0).invitations.revoke(stranger, 'invitation_none')),
    ];
    expect([others.kind, others.message]).toEqual([none.kind, none.message]);
    expect(await on(0).invitations.list(stranger, { pageSize: 0, pageToken: '' })).toMatchObject({ records: [] });
    expect(await endingOf(on(0).invitations.accept(account('bob'), token))).toBe('done');
  });
});

it('the list shows invitations that can still be accepted, newest first, in pages', async () => {
  const ids: string[] = [];
  for (let index = 0; index < 5; index += 1) ids.unshift((await invite(`user-${index}@example.com`)).invitation.id);
  const gone = [
    await invite('gone-1@example.com'),
    await invite('gone-2@example.com'),
    await invite('gone@example.com'),
  ];
  await expire(gone[0]!.invitation.id);
  await on(0).invitations.revoke(owner(), gone[1]!.invitation.id);
  await on(0).invitations.accept(account('gone'), gone[2]!.token);
  const first = await on(0).invitations.list(owner(), { pageSize: 3, pageToken: '' });
  const second = await on(1).invitations.list(owner(), { pageSize: 3, pageToken: first.nextPageToken });
  expect([...first.records, ...second.records].map(({ id }) => id)).toEqual(ids);
  expect(second.nextPageToken).toBe('');
});

it('events name the inviting, the new and the revoked, and contain no address and no token', async () => {
  const { invitation: first } = await invite('bob@example.com', 'admin');
  const { invitation, token } = await invite('bob@example.com', 'viewer');
  await on(0).invitations.accept(account('bob'), token);
  const byOwner = { actor: { type: 'user', id: acme.ownerId }, tenantId: null };
  expect(on(0).published).toEqual([
    {
      ...byOwner,
      action: 'member.invited',
      resource: { type: 'invitation', id: first.id },
      details: { role: 'admin' },
    },
    { ...byOwner, action: 'invitation.revoked', resource: { type: 'invitation', id: first.id }, details: {} },
    {
      ...byOwner,
      action: 'member.invited',
      resource: { type: 'invitation', id: invitation.id },
      details: { role: 'viewer' },
    },
    {
      actor: { type: 'user', id: 'bob' },
      tenantId: null,
      action: 'member.joined',
      resource: { type: 'member', id: 'bob' },
      details: { role: 'viewer', invitationId: invitation.id },
    },
  ]);
});

describe('an Idempotency-Key', () => {
  const send = (key: string, email: string, by = owner(), turn = 0) =>
    on(turn).invitations.invite(by, { email, role: 'viewer' }, 'https://gate.example', key);

  it('makes one invitation for many requests, and shows link and token only with the first', async () => {
    const answers = await Promise.all(
      Array.from({ length: 6 }, (_, turn) => send('k', 'bob@example.com', owner(), turn)),
    );
    expect(await rowsOf(test.superuserUrl, 'SELECT 1 FROM invitations')).toHaveLength(1);
    const bodies = answers.map(({ body }) => body as Partial<Invited> & { notice?: string });
    for (const { invitation } of bodies) expect(invitation).toEqual(bodies[0]!.invitation);
    expect(bodies.filter(({ token }) => token !== undefined)).toHaveLength(1);
    const repeats = answers.filter(({ replayed }) => replayed).map(({ body }) => JSON.stringify(body));
    expect(repeats).toHaveLength(5);
    for (const text of repeats) expect(text).not.toMatch(/inv_|accept-invitation/);
  });

  it('of another request is refused, and another person’s key is independent', async () => {
    await seedMembers(test.superuserUrl, acme.orgId, { boss: 'admin' });
    await send('k', 'bob@example.com');
    expect(await endingOf(send('k', 'eve@example.com'))).toBe('conflict');
    expect(await endingOf(send('k', 'eve@example.com', as('boss', 'admin')))).toBe('done');
  });

  it('of a refused request may be used again', async () => {
    await seedMembers(test.superuserUrl, acme.orgId, { bob: 'viewer' });
    expect(await endingOf(send('k', 'bob@example.com'))).toBe('already_exists');
    await on(0).members.remove(owner(), 'bob');
    expect((await send('k', 'bob@example.com')).replayed).toBe(false);
  });
});

it("the link uses the operator's address, otherwise the public one; the request's own address counts only in development", async () => {
  const links: (string | undefined)[] = [];
  for (const overrides of [
    { dashboardUrl: 'https://app.example/console/', publicUrl: 'https://api.example' },
    { publicUrl: 'https://api.example/' },
    { mode: 'development' },
    {},
  ] as const) {
    const tenancy = startTenancy(test.ownerUrl, issuer, overrides);
    try {
      const { body } = await tenancy.invitations.invite(
        owner(),
        { email: 'bob@example.com', role: 'viewer' },
        'http://127.0.0.1:3000',
        null,
      );
      links.push((body as Partial<Invited>).link?.replace(/inv_.*/, ''));
    } finally {
      await tenancy.stop();
    }
  }
  expect(links).toEqual([
    'https://app.example/console/accept-invitation#token=',
    'https://api.example/accept-invitation#token=',
    'http://127.0.0.1:3000/accept-invitation#token=',
    undefined,
  ]);
});
