import { RecordingClaimsWriter } from '../../test/support/claims.js';
import { endingOf, faultOf } from '../../test/support/faults.js';
import { createTestDatabase, type TestDatabase } from '../../test/support/postgres.js';
import { testPepper, testSettings } from '../../test/support/settings.js';
import { dump, rowsOf, seedTenant, type SeededTenant } from '../../test/support/sql.js';
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

/** Makes an invitation expire. */
const expire = (id: string): Promise<unknown> =>
  rowsOf(test.superuserUrl, "UPDATE invitations SET expires_at = now() - interval '1 second' WHERE id = $1", [id]);

describe('an invitation', () => {
  it('makes the invited user a member with its role, once, and is used up then', async () => {
    const { token, invitation } = await invite('bob@example.com', 'developer');
    const accepted = await on(1).invitations.accept(account('bob'), token);
    expect(accepted).toMatchObject({ org_id: acme.orgId, tenant_id: acme.tenantId, role: 'developer' });
    expect(await rolesOf(test.superuserUrl, acme.orgId)).toEqual({ [acme.ownerId]: 'owner', bob: 'developer' });
    expect(await rowsOf(test.superuserUrl, "SELECT email FROM users WHERE id = 'bob'")).toEqual([
      { email: 'bob@example.com' },
    ]);
    expect(await rowsOf(test.superuserUrl, 'SELECT id, accepted_by FROM invitations')).toEqual([
      { id: invitation.id, accepted_by: 'bob' },
    ]);
    // After a removal the used invitation does not let its user return.
    await on(0).members.remove(owner(), 'bob');
    expect(await endingOf(on(0).invitations.accept(account('bob'), token))).toBe('not_found');
  });

  it('that many accept at once is accepted once', async () => {
    const { token } = await invite('bob@example.com');
    const outcome = await Promise.all(
      Array.from({ length: 10 }, (_, turn) => endingOf(on(turn).invitations.accept(account('bob'), token))),
    );
    expect(outcome.filter((one) => one === 'done')).toHaveLength(1);
    expect(outcome.filter((one) => one === 'already_exists')).toHaveLength(9);
  });

  it('that two people with the same address accept at once goes to one of them', async () => {
    const { token } = await invite('bob@example.com');
    const people = ['bob-1', 'bob-2', 'bob-3'].map((userId) => account(userId, { email: 'bob@example.com' }));
    const outcome = await Promise.all(
      people.map((person, turn) => endingOf(on(turn).invitations.accept(person, token))),
    );
    expect(outcome.sort()).toEqual(['done', 'not_found', 'not_found']);
    expect(await memberIds()).toHaveLength(2);
  });

  it('has a token of 160 random bits, which the database does not store', async () => {
    const { token } = await invite('bob@example.com');
    expect(token).toMatch(/^inv_[0-9A-Za-z]{27}$/);
    const held = await dump(test.superuserUrl);
    expect(held).toContain('bob@example.com');
    expect(held).not.toContain(token.slice(4));
    expect(held).not.toContain(Buffer.from(token).toString('hex'));
  });

  it('is found by a token that was hashed under an older pepper', async () => {
    const { token } = await invite('bob@example.com');
    const { peppers } = testSettings();
    const rotated = startTenancy(test.ownerUrl, issuer, { peppers: [testPepper(2), ...peppers] });
    try {
      expect((await rotated.invitations.accept(account('bob'), token)).role).toBe('viewer');
    } finally {
      await rotated.stop();
    }
  });

  it('lasts seven days', async () => {
    await invite('bob@example.com');
    expect(
      await rowsOf(
        test.superuserUrl,
        `SELECT expires_at - created_at = interval '7 days' AS week, abs(extract(epoch FROM now() - created_at)) < 60 AS now
         FROM invitations`,
      ),
    ).toEqual([{ week: true, now: true }]);
  });

  it('that is unknown, malformed, expired, revoked or used by another is refused in the same words', async () => {
    const late = await invite('late@example.com');
    await expire(late.invitation.id);
    const revoked = await invite('revoked@example.com');
    await on(0).invitations.revoke(owner(), revoked.invitation.id);
    const used = await invite('used@example.com');
    await on(0).invitations.accept(account('used'), used.token);
    const replaced = await invite('twice@example.com');
    await invite('twice@example.com');
    const before = await dump(test.superuserUrl);
    const faults = await Promise.all(
      [
        on(0).invitations.accept(account('late'), late.token),
        on(0).invitations.accept(account('revoked'), revoked.token),
        on(0).invitations.accept(account('somebody', { email: 'used@example.com' }), used.token),
        on(0).invitations.accept(account('stranger'), used.token),
        on(0).invitations.accept(account('twice'), replaced.token),
        on(0).invitations.accept(account('bob'), `inv_${'x'.repeat(27)}`),
        on(0).invitations.accept(account('bob'), 'inv_'),
        on(0).invitations.accept(account('bob'), "' OR true --"),
      ].map(faultOf),
    );
    expect(new Set(faults.map(({ kind, message }) => `${kind} ${message}`)).size).toBe(1);
    expect(faults[0]!.kind).toBe('not_found');
    expect(await dump(test.superuserUrl)).toBe(before);
  });
});

describe('a user who accepts', () => {
  it.each<[string, Partial<AccountPrincipal>, string]>([
    ['another address', { email: 'eve@example.com' }, 'permission_denied'],
    ['an address that is equal only after folding letters', { email: '\u212aim@example.com' }, 'permission_denied'],
    ['an address with an additional dot', { email: 'k.im@example.com' }, 'permission_denied'],
    ['no address', { email: null }, 'permission_denied'],
    ['the address, not verified', { emailVerified: false }, 'permission_denied'],
    ['the address in other case', { email: 'KIM@Example.COM' }, 'done'],
  ])('with %s: %s', async (_what, changes, expected) => {
    const { token } = await invite('kim@example.com');
    expect(await endingOf(on(0).invitations.accept(account('kim', changes), token))).toBe(expected);
    expect(await memberIds()).toHaveLength(expected === 'done' ? 2 : 1);
  });

  it('gets the name of the claim that the token lacks', async () => {
    const { token } = await invite('bob@example.com');
    const lacks = async (changes: Partial<AccountPrincipal>): Promise<string> =>
      (await faultOf(on(0).invitations.accept(account('bob', changes), token))).message;
    expect(await lacks({ email: null })).toMatch(/\bemail\b/);
    expect(await lacks({ emailVerified: false })).toMatch(/\bemail_verified\b/);
  });

  it('from outside any tenant, even with the claim of a deleted one, gets the claims of the org’s first tenant', async () => {
    await rowsOf(test.superuserUrl, "INSERT INTO tenants (id, org_id, name) VALUES ('later', $1, 'Later')", [
      acme.orgId,
    ]);
    const { token } = await invite('bob@example.com', 'admin');
    await on(0).invitations.accept(account('bob', { claimsTenant: true }), token);
    expect(issuer.written).toEqual([['bob', { tenant_id: acme.tenantId, role: 'admin' }]]);
  });

  it('from a tenant of their own stays there', async () => {
    await rowsOf(test.superuserUrl, 'UPDATE users SET claimed_tenant_id = $1 WHERE id = $2', [
      globex.tenantId,
      globex.ownerId,
    ]);
    const { token } = await invite(`${globex.ownerId}@example.com`);
    await on(0).invitations.accept(dashboardUser(globex.ownerId, globex.tenantId, 'owner'), token);
    expect(await memberIds()).toContain(globex.ownerId);
    expect(issuer.written).toEqual([]);
    expect(await rowsOf(test.superuserUrl, 'SELECT 1 FROM claim_writes')).toEqual([]);
  });

  it('and is already a member gets that answer, and keeps the role', async () => {
    const { token } = await invite('bob@example.com', 'viewer');
    await seedMembers(test.superuserUrl, acme.orgId, { bob: 'admin' });
    expect(await endingOf(on(0).invitations.accept(account('bob'), token))).toBe('already_exists');
    expect((await rolesOf(test.superuserUrl, acme.orgId))['bob']).toBe('admin');
  });

  it('is a member although the issuer is down: the claims wait in the outbox', async () => {
    const { token } = await invite('bob@example.com');
    issuer.act = () => Promise.reject(new Error('away'));
    await on(0).invitations.accept(account('bob'), token);
    expect(await memberIds()).toContain('bob');
    expect(await rowsOf(test.superuserUrl, 'SELECT claims FROM claim_writes')).toEqual([
      { claims: { tenant_id: acme.tenantId, role: 'viewer' } },
    ]);
  });
});

it("listeners of the event see the new member's org", async () => {
  const { token } = await invite('bob@example.com');
  const seen: unknown[] = [];
  on(0).events.subscribe(async (_event, tx) => {
    seen.push(await tx.org.findMany({ select: { id: true } }));
  });
  await on(0).invitations.accept(account('bob'), token);
  expect(seen).toEqual([[{ id: acme.orgId }]]);
});
