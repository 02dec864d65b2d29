import { Inject, Injectable } from '@nestjs/common';
import { auditActor, type AccountPrincipal, type DashboardUserPrincipal } from '../identity/index.js';
import { SETTINGS_TOKEN, type Settings } from '../platform/config/index.js';
import { PepperRing, randomBase62, uuidV7 } from '../platform/crypto/index.js';
import { Database, Revocations } from '../platform/database/index.js';
import { Fault } from '../platform/errors/index.js';
import { Events, type AuditDetails } from '../platform/events/index.js';
import { type Page, type PageRequest, PageTokens, newestFirst } from '../platform/http/index.js';
import { IdempotencyKeys, type IdempotentAnswer } from '../platform/idempotency/index.js';
import { ClaimWrites } from '../signin/index.js';
import type { InviteMemberRequest } from './invitations.dto.js';
import {
  InvitationsRepository,
  type AcceptedInvitation,
  type InvitationRecord,
  type RefusedInvitation,
} from './invitations.repository.js';
import { expiryOf, invitationLink, isInvitationToken, newInvitationToken } from './invitation-tokens.js';
import { viewInvitation } from './invitations.view.js';
import { MembersRepository } from './members.repository.js';
import { OrgTransactions, type OrgTransaction } from './org-transactions.js';
import { isAtLeast } from './roles.js';

/**
 * Places in an org, offered to e-mail addresses. Guarantees: a person gets in, once and within 7 days, who holds the link
 * **and** proves to the issuer that the address is theirs; an inviter gives no role above their own, judged again on
 * acceptance. Only an HMAC of the token is stored; the inviter gets the link once and hands it over, so that no mail server
 * is needed.
 */
@Injectable()
export class InvitationsService {
  constructor(
    private readonly database: Database,
    private readonly orgs: OrgTransactions,
    private readonly repository: InvitationsRepository,
    private readonly members: MembersRepository,
    private readonly claimWrites: ClaimWrites,
    private readonly events: Events,
    private readonly idempotency: IdempotencyKeys,
    private readonly peppers: PepperRing,
    private readonly pageTokens: PageTokens,
    private readonly revocations: Revocations,
    @Inject(SETTINGS_TOKEN) private readonly settings: Settings,
  ) {}

  /**
   * An invitation that is open for the same address is revoked: of two links, the later one counts.
   *
   * @param baseUrl where the request came to: in development the link leads there where the operator named no other address
   * @throws Fault permission_denied, already_exists: a member has the address; conflict: the Idempotency-Key was used
   * for another request
   */
  async invite(
    principal: DashboardUserPrincipal,
    request: InviteMemberRequest,
    baseUrl: string,
    key: string | null,
  ): Promise<IdempotentAnswer> {
    if (!isAtLeast(principal.role, request.role)) {
      throw new Fault(
        'permission_denied',
        `The role ${principal.role} may not invite an ${request.role}. Ask an owner of the org.`,
      );
    }
    const { tenantId, userId } = principal;
    return this.orgs.change(principal, (org) => {
      const owner = `org:${org.orgId}:user:${userId}`;
      const idempotent = this.idempotency.request(owner, key, 'orgs/invite-member', request);
      return this.idempotency.once(org.tx, idempotent, tenantId, async () => {
        const token = newInvitationToken();
        const kept = { invitation: viewInvitation(await this.add(org, principal, request, token)) };
        const link = invitationLink(this.settings, token, baseUrl);
        return { body: { ...kept, ...(link === undefined ? {} : { link }), token }, kept };
      });
    });
  }

  /** Those that can still be accepted. @throws Fault invalid_input: a page token that is not ours, or another org's */
  list(principal: DashboardUserPrincipal, request: PageRequest): Promise<Page<InvitationRecord>> {
    return this.orgs.read(principal, (org) =>
      newestFirst(
        this.pageTokens,
        `orgs/list-invitations:${org.orgId}`,
        request,
        (record) => record,
        (after, take) => this.repository.listOpen(org, this.now(), after, take),
      ),
    );
  }

  /** Revoking twice is as good as once. @throws Fault not_found, permission_denied, conflict: it was accepted */
  async revoke(principal: DashboardUserPrincipal, invitationId: string): Promise<void> {
    await this.orgs.change(principal, async (org) => {
      const invitation = await this.repository.find(org, invitationId);
      // The same words for an unknown invitation and another org's.
      if (invitation === null)
        throw new Fault('not_found', 'No invitation has this id. List them with /api/v1/orgs/list-invitations.');
      if (invitation.acceptedAt !== null)
        throw new Fault(
          'conflict',
          'The invitation was already accepted. Remove the member with /api/v1/orgs/remove-member.',
        );
      if (invitation.revokedAt !== null) return;
      await this.repository.revoke(org, invitationId, this.now());
      await this.publish(org, principal, 'invitation.revoked', invitationId, {});
    });
  }

  /**
   * Makes the holder of the token a member, if the issuer vouches that the invited address is theirs. Unknown, expired, used
   * and revoked tokens get the same answer. A person in a tenant stays there; a person in none gets claims for the org's
   * first tenant.
   * @throws Fault permission_denied, not_found, already_exists
   */
  async accept(principal: AccountPrincipal | DashboardUserPrincipal, token: string): Promise<AcceptedInvitation> {
    const { userId, email, emailVerified } = principal;
    if (email === null) throw new Fault('permission_denied', 'Accepting needs a token with the claim email.');
    if (!emailVerified) {
      throw new Fault(
        'permission_denied',
        'Accepting needs a token with a verified e-mail address (the claim email_verified).',
      );
    }
    if (!isInvitationToken(token)) throw refusedAs('not_found');
    const queued = { id: uuidV7(), userId };
    const setClaims = principal.kind === 'account';
    const accepted = await this.database.acrossTenants(userId, async (tx, enter) => {
      const result = await this.repository.accept(tx, {
        tokenHashes: this.peppers.candidates(token).map(({ hash }) => hash),
        userId,
        email,
        setClaims,
        claimWriteId: queued.id,
      });
      if (typeof result === 'string') throw refusedAs(result);
      await enter(result.tenant_id);
      await this.events.publish(tx, {
        action: 'member.joined',
        actor: auditActor(principal),
        tenantId: null,
        resource: { type: 'member', id: userId },
        details: { role: result.role, invitationId: result.invitation_id },
      });
      return result;
    });
    if (setClaims) await this.claimWrites.writeNow(queued);
    return accepted;
  }

  private async add(
    org: OrgTransaction,
    principal: DashboardUserPrincipal,
    { email, role }: InviteMemberRequest,
    token: string,
  ): Promise<InvitationRecord> {
    if (await this.members.hasEmail(org, email)) {
      const reason = 'is already the address of a member';
      throw new Fault('already_exists', `email: ${reason}.`, { fields: [{ field: 'email', reason }] });
    }
    const createdAt = this.now();
    for (const replaced of await this.repository.revokeOpen(org, email, createdAt)) {
      await this.publish(org, principal, 'invitation.revoked', replaced, {});
    }
    const invitation = await this.repository.create(org, {
      id: `invitation_${randomBase62(20)}`,
      email,
      role,
      tokenHash: this.peppers.hash(token),
      invitedBy: principal.userId,
      createdAt,
      expiresAt: expiryOf(createdAt),
    });
    await this.publish(org, principal, 'member.invited', invitation.id, { role });
    return invitation;
  }

  private publish<Action extends 'member.invited' | 'invitation.revoked'>(
    org: OrgTransaction,
    principal: DashboardUserPrincipal,
    action: Action,
    invitationId: string,
    details: AuditDetails<Action>,
  ): Promise<void> {
    return this.events.publish(org.tx, {
      action,
      actor: auditActor(principal),
      tenantId: null,
      resource: { type: 'invitation', id: invitationId },
      details,
    });
  }

  /** The database's now, by which expiry is judged. */
  private now(): Date {
    return new Date(this.revocations.databaseNow());
  }
}

function refusedAs(result: RefusedInvitation): Fault {
  switch (result) {
    case 'not_found':
      return new Fault('not_found', 'The invitation does not exist, was used or has expired. Ask for a new one.');
    case 'wrong_email':
      return new Fault(
        'permission_denied',
        'The invitation went to another e-mail address. Sign in with that address, or ask for a new invitation.',
      );
    case 'inviter_lacks':
      return new Fault(
        'permission_denied',
        'The person who invited you may no longer give this role. Ask for a new invitation.',
      );
    case 'member_already':
      return new Fault('already_exists', 'You are already a member of this org.');
    default:
      return result satisfies never;
  }
}
