import { Injectable } from '@nestjs/common';
import { auditActor, type DashboardUserPrincipal } from '../identity/index.js';
import { Fault } from '../platform/errors/index.js';
import { Events, type AuditDetails } from '../platform/events/index.js';
import { type Page, type PageRequest, PageTokens, newestFirst } from '../platform/http/index.js';
import { ClaimWrites, ClaimWritesRepository, type QueuedClaims } from '../signin/index.js';
import type { UpdateMemberRequest } from './members.dto.js';
import { MembersRepository, type MemberRecord } from './members.repository.js';
import { OrgTransactions, type OrgTransaction } from './org-transactions.js';

/**
 * An org's people. Guarantees: an org always has an owner, under parallel changes too; an admin has no power over owners; a
 * person who is demoted or removed is refused everywhere within 1 s, since the changed row tells every replica
 * (MembershipDirectory), whatever the claims say.
 */
@Injectable()
export class MembersService {
  constructor(
    private readonly orgs: OrgTransactions,
    private readonly repository: MembersRepository,
    private readonly outbox: ClaimWritesRepository,
    private readonly claimWrites: ClaimWrites,
    private readonly events: Events,
    private readonly pageTokens: PageTokens,
  ) {}

  /** @throws Fault invalid_input: a page token that is not ours, or another org's */
  list(principal: DashboardUserPrincipal, request: PageRequest): Promise<Page<MemberRecord>> {
    return this.orgs.read(principal, (org) =>
      newestFirst(
        this.pageTokens,
        `orgs/list-members:${org.orgId}`,
        request,
        ({ createdAt, userId }) => ({ createdAt, id: userId }),
        (after, take) => this.repository.list(org, after, take),
      ),
    );
  }

  /** @throws Fault not_found, permission_denied, conflict: the last owner */
  async update(principal: DashboardUserPrincipal, { userId, role }: UpdateMemberRequest): Promise<MemberRecord> {
    const { member, queued } = await this.orgs.change(principal, async (org) => {
      const before = await this.getManageable(org, principal, userId);
      if (role === 'owner' && principal.role !== 'owner') throw ownersOnly();
      if (before.role === role) return { member: before, queued: null };
      await this.assertOwnerStays(org, before);
      await this.repository.updateRole(org, userId, role);
      await this.publish(org, principal, 'member.updated', userId, { from: before.role, to: role });
      return { member: { ...before, role }, queued: await this.outbox.queue(org.tx, userId) };
    });
    await this.claimWrites.writeNow(queued);
    return member;
  }

  /** @throws Fault not_found, permission_denied, conflict: the last owner */
  async remove(principal: DashboardUserPrincipal, userId: string): Promise<void> {
    const queued = await this.orgs.change(principal, async (org): Promise<QueuedClaims> => {
      const member = await this.getManageable(org, principal, userId);
      await this.assertOwnerStays(org, member);
      await this.repository.remove(org, userId);
      await this.publish(org, principal, 'member.removed', userId, { role: member.role });
      return this.outbox.queue(org.tx, userId);
    });
    await this.claimWrites.writeNow(queued);
  }

  /** Another org's member is answered in the same words as an unknown user. */
  private async getManageable(
    org: OrgTransaction,
    principal: DashboardUserPrincipal,
    userId: string,
  ): Promise<MemberRecord> {
    const member = await this.repository.find(org, userId);
    if (member === null)
      throw new Fault('not_found', 'No member has this user id. List them with /api/v1/orgs/list-members.');
    if (member.role === 'owner' && principal.role !== 'owner') throw ownersOnly();
    return member;
  }

  /** Under the org's lock: of two owners who go at once, the second is the last. */
  private async assertOwnerStays(org: OrgTransaction, member: MemberRecord): Promise<void> {
    if (member.role === 'owner' && (await this.repository.countOwners(org)) === 1) {
      throw new Fault('conflict', 'The last owner cannot be removed. Make another member an owner first.');
    }
  }

  private publish<Action extends 'member.updated' | 'member.removed'>(
    org: OrgTransaction,
    principal: DashboardUserPrincipal,
    action: Action,
    userId: string,
    details: AuditDetails<Action>,
  ): Promise<void> {
    return this.events.publish(org.tx, {
      action,
      actor: auditActor(principal),
      tenantId: null,
      resource: { type: 'member', id: userId },
      details,
    });
  }
}

function ownersOnly(): Fault {
  return new Fault(
    'permission_denied',
    'Only an owner can change an owner, or make a member an owner. Ask an owner of the org.',
  );
}
