import { eventually } from '../../support/eventually.js';
import type { Answer, Identity, Org } from '../../support/service-client.js';
import { startService, type TestService } from '../../support/service.js';
import { expectPlatformRefusal, fieldsOf, platformError, type PlatformError } from '../refusals.js';
import { invite, member, newcomer, ownerOf, post } from './people.js';

let service: TestService;
let founders = 0;
let org: Org;
let other: Org;
let tag: string;

beforeAll(async () => {
  service = await startService({ settings: { publicUrl: 'https://gate.example' } });
});

afterAll(() => service.stop());

beforeEach(async () => {
  founders += 1;
  tag = `${founders}`;
  org = await service.createOrg(`founder-${tag}`, `Org ${tag}`);
  other = await service.createOrg(`stranger-${tag}`);
});

const guest = (): string => `guest-${tag}`;
const accept = (identity: Identity, token: string): Promise<Answer> =>
  post(service, identity, 'orgs/accept-invitation', { token });
const send = (body: object, headers: Record<string, string> = {}, by = ownerOf(org)): Promise<Answer> =>
  post(service, by, 'orgs/invite-member', body, headers);
const withoutId = ({ requestId: _id, ...error }: PlatformError): object => error;

describe('orgs/invite-member', () => {
  it.each([
    ['zoë.müller@example.com', 'zoë.müller@example.com'],
    ['ZOE\u0308@example.com', 'zoë@example.com'],
    ['用户@例子.公司', '用户@例子.公司'],
  ])('accepts letters of any script: %s', async (email, kept) => {
    const answer = await send({ email, role: 'viewer' });
    expect(answer.json()).toMatchObject({ invitation: { email: kept } });
  });

  it.each(['\u212aim@example.com', 'ａnn@example.com', 'zoë@', '@example.com', 'a b@example.com', 'zoë@localhost'])(
    'refuses %s, which is not an address or looks like another one',
    async (email) => {
      expect((await send({ email, role: 'viewer' })).status).toBe(400);
    },
  );

  it('returns the invitation, with link and token this once; the link has the token in its fragment only', async () => {
    const answer = await send({ email: 'Guest.One@Example.com', role: 'developer' });
    expect(answer.status).toBe(200);
    const { token } = answer.json<{ token: string }>();
    expect(answer.json()).toStrictEqual({
      invitation: {
        id: expect.stringMatching(/^\S+$/) as string,
        email: 'guest.one@example.com',
        role: 'developer',
        status: 'PENDING',
        createdAt: expect.stringMatching(/Z$/) as string,
        expiresAt: expect.stringMatching(/Z$/) as string,
      },
      link: `https://gate.example/accept-invitation#token=${token}`,
      token: expect.stringMatching(/^inv_[0-9A-Za-z]{27,}$/) as string,
    });
    const listed = await post(service, ownerOf(org), 'orgs/list-invitations');
    expect(listed.text).toContain('guest.one@example.com');
    expect(listed.text).not.toMatch(/inv_|accept-invitation/);
  });

  it('with an Idempotency-Key makes one invitation, and a repeat shows neither link nor token', async () => {
    const body = { email: `${guest()}@example.com`, role: 'viewer' };
    const first = await send(body, { 'idempotency-key': 'k' });
    const again = await send(body, { 'idempotency-key': 'k' });
    expect([first.status, again.status]).toEqual([200, 200]);
    expect(again.headers['x-gatehouse-idempotent-replay']).toBe('true');
    expect(again.json()).toStrictEqual({
      invitation: first.json<{ invitation: object }>().invitation,
      notice: expect.stringMatching(/\w/) as string,
    });
    expect(await service.sql('SELECT 1 FROM invitations WHERE org_id = $1', [org.orgId])).toHaveLength(1);
    await expectPlatformRefusal(service, () => send({ ...body, role: 'admin' }, { 'idempotency-key': 'k' }), 409);
  });

  it("refuses a member's address with 409, naming it", async () => {
    const { token } = await invite(service, org, guest());
    await accept(newcomer(guest()), token);
    const body = { email: `${guest().toUpperCase()}@example.com`, role: 'admin' };
    const refusal = await expectPlatformRefusal(service, () => send(body), 409);
    expect(fieldsOf(refusal)).toEqual(['email']);
  });

  it('as owner is refused to an admin with 403', async () => {
    await service.addMember(org, `admin-${tag}`, 'admin');
    const body = { email: `${guest()}@example.com`, role: 'owner' };
    await expectPlatformRefusal(service, () => send(body, {}, member(org, `admin-${tag}`)), 403);
    expect((await send(body)).status).toBe(200);
  });
});

describe('orgs/accept-invitation', () => {
  it('makes a user without a tenant a member, whose next token has the claims', async () => {
    const { token } = await invite(service, org, guest(), 'developer');
    const answer = await accept(newcomer(guest()), token);
    expect(answer.status).toBe(200);
    expect(answer.json()).toStrictEqual({
      org: {
        id: org.orgId,
        tenantId: org.tenantId,
        name: `Org ${tag}`,
        slug: `org-${tag}`,
        createdAt: expect.stringMatching(/Z$/) as string,
      },
      membership: { userId: guest(), role: 'developer' },
    });
    expect(service.claims.get(guest())).toEqual({ tenant_id: org.tenantId, role: 'developer' });
    expect(await service.asUser(member(org, guest()), 'orgs/get')).toMatchObject({ membership: { role: 'developer' } });
  });

  it('admits a user at once who was refused just before', async () => {
    const { token } = await invite(service, org, guest());
    const identity = member(org, guest());
    expect((await post(service, identity, 'orgs/get')).status).toBe(403);
    expect((await accept(identity, token)).status).toBe(200);
    expect((await post(service, identity, 'orgs/get')).status).toBe(200);
  });

  it('leaves a user who is in a tenant where they are; they may switch to the new one', async () => {
    const { token } = await invite(service, org, other.user, 'viewer');
    const claims = service.claims.get(other.user);
    const answer = await accept(ownerOf(other), token);
    expect(answer.status).toBe(200);
    expect(service.claims.get(other.user)).toEqual(claims);
    await service.asUser(ownerOf(other), 'tenants/switch', { tenantId: org.tenantId });
    expect(service.claims.get(other.user)).toEqual({ tenant_id: org.tenantId, role: 'viewer' });
  });

  it('needs the invited address, verified, in any letter case: otherwise 403, and the link stays valid', async () => {
    const { token } = await invite(service, org, guest());
    const email = `${guest()}@example.com`;
    for (const claims of [
      { email: 'somebody-else@example.com' },
      { email, email_verified: false },
      { email, email_verified: undefined },
      { email, email_verified: 'true' },
      { email: undefined },
    ]) {
      const { message } = await expectPlatformRefusal(service, () => accept({ user: guest(), claims }, token), 403);
      expect(message).toMatch(/e-?mail/);
      expect(message).not.toContain(email);
    }
    const answer = await accept({ user: guest(), claims: { email: email.toUpperCase() } }, token);
    expect(answer.status).toBe(200);
  });

  it('answers used, revoked, expired and unknown tokens with the same 404', async () => {
    const used = await invite(service, org, `used-${tag}`);
    await accept(newcomer(`used-${tag}`), used.token);
    const revoked = await invite(service, org, `revoked-${tag}`);
    await service.asUser(ownerOf(org), 'orgs/revoke-invitation', { invitation_id: revoked.invitation.id });
    const late = await invite(service, org, `late-${tag}`);
    await service.sql("UPDATE invitations SET expires_at = now() - interval '1 second' WHERE id = $1", [
      late.invitation.id,
    ]);
    const errors = [];
    for (const [identity, token] of [
      [newcomer(`replayer-${tag}`), used.token],
      [{ user: `used-twin-${tag}`, claims: { email: `used-${tag}@example.com` } }, used.token],
      [newcomer(`revoked-${tag}`), revoked.token],
      [newcomer(`late-${tag}`), late.token],
      [newcomer(`nobody-${tag}`), `inv_${'0'.repeat(27)}`],
      [newcomer(`nobody-${tag}`), 'anything'],
    ] as const) {
      errors.push(withoutId(await expectPlatformRefusal(service, () => accept(identity, token), 404)));
    }
    for (const error of errors) expect(error).toEqual(errors[0]);
  });

  it('answers a user who is already a member with 409', async () => {
    const { token } = await invite(service, org, guest());
    await accept(newcomer(guest()), token);
    await expectPlatformRefusal(service, () => accept(newcomer(guest()), token), 409);
  });

  it('is refused with 403 once the inviter no longer has the role for it', async () => {
    const boss = `boss-${tag}`;
    await service.addMember(org, boss, 'owner');
    const byBoss = await service.asUser<{ token: string }>(member(org, boss), 'orgs/invite-member', {
      email: `${guest()}@example.com`,
      role: 'admin',
    });
    await service.asUser(ownerOf(org), 'orgs/update-member', { userId: boss, role: 'developer' });
    await expectPlatformRefusal(service, () => accept(newcomer(guest()), byBoss.token), 403);
    await service.asUser(ownerOf(org), 'orgs/update-member', { userId: boss, role: 'admin' });
    expect((await accept(newcomer(guest()), byBoss.token)).status).toBe(200);
  });

  it('succeeds although Firebase is down: the org is open, and the claims follow', async () => {
    const { token } = await invite(service, org, guest());
    service.google.failures.set('accounts:update', 503);
    try {
      expect((await accept(newcomer(guest()), token)).status).toBe(200);
      expect((await post(service, member(org, guest()), 'orgs/get')).status).toBe(200);
    } finally {
      service.google.failures.clear();
    }
    await service.sql('UPDATE claim_writes SET next_attempt_at = now()');
    await eventually(() => expect(service.claims.get(guest())).toMatchObject({ tenant_id: org.tenantId }));
  });
});

describe('orgs/revoke-invitation', () => {
  it('makes the link invalid; may be repeated; for an accepted invitation it is 409', async () => {
    const { invitation, token } = await invite(service, org, guest());
    const revoke = (invitationId: string, by = ownerOf(org)): Promise<Answer> =>
      post(service, by, 'orgs/revoke-invitation', { invitationId });
    for (let time = 0; time < 2; time += 1) {
      const answer = await revoke(invitation.id);
      expect([answer.status, answer.json()]).toEqual([200, {}]);
    }
    platformError(await accept(newcomer(guest()), token), 404);
    const next = await invite(service, org, guest());
    await accept(newcomer(guest()), next.token);
    await expectPlatformRefusal(service, () => revoke(next.invitation.id), 409);
  });
});

describe('orgs/list-invitations', () => {
  it('shows open invitations, newest first, in pages bound to the org', async () => {
    for (const name of ['a', 'b', 'c']) await invite(service, org, `${name}-${tag}`);
    await invite(service, other, `theirs-${tag}`);
    type Page = { invitations: { email: string }[]; nextPageToken: string };
    const first = await service.asUser<Page>(ownerOf(org), 'orgs/list-invitations', { page_size: 2 });
    const pageToken = first.nextPageToken;
    const second = await service.asUser<Page>(ownerOf(org), 'orgs/list-invitations', { pageSize: 2, pageToken });
    expect([...first.invitations, ...second.invitations].map(({ email }) => email)).toEqual(
      ['c', 'b', 'a'].map((name) => `${name}-${tag}@example.com`),
    );
    expect(second.nextPageToken).toBe('');
    platformError(await post(service, ownerOf(other), 'orgs/list-invitations', { pageToken }), 400);
  });
});
