import { Injectable } from '@nestjs/common';
import { isRole, NOT_A_MEMBER, type DashboardUserPrincipal } from '../identity/index.js';
import { Database, type TenantTransaction } from '../platform/database/index.js';
import { Fault } from '../platform/errors/index.js';
import { isAtLeast } from './roles.js';

/** A transaction that sees the rows of one org: the one that the caller's tenant belongs to. */
export interface OrgTransaction {
  readonly tx: TenantTransaction;
  readonly orgId: string;
}

/** Runs work on the caller's org. */
@Injectable()
export class OrgTransactions {
  constructor(private readonly database: Database) {}

  /** @throws Fault permission_denied: the tenant was deleted since the request was let in */
  read<T>(principal: DashboardUserPrincipal, work: (org: OrgTransaction) => Promise<T>): Promise<T> {
    return this.database.withTenant(principal.tenantId, async (tx) => {
      const [row] = await tx.$queryRawUnsafe<{ id: string | null }[]>('SELECT current_org_id() AS id');
      return work({ tx, orgId: row?.id ?? notMember() });
    });
  }

  /**
   * Runs work that changes an org's people or tenants, with the org's row locked: such changes follow each other, and each
   * sees the earlier ones. The access guard judged the caller by a role that may be a second old; here it is read again under
   * the lock, so that a person who was just demoted or removed changes nothing any more.
   * @throws Fault permission_denied
   */
  change<T>(principal: DashboardUserPrincipal, work: (org: OrgTransaction) => Promise<T>): Promise<T> {
    return this.database.withTenant(principal.tenantId, async (tx) => {
      const [org] = await tx.$queryRawUnsafe<{ id: string }[]>(
        'SELECT id FROM orgs WHERE id = current_org_id() FOR UPDATE',
      );
      const orgId = org?.id ?? notMember();
      // A statement of its own: the one that waited for the lock still sees the old rows.
      const member = await tx.membership.findFirst({
        where: { orgId, userId: principal.userId },
        select: { role: true },
      });
      if (member === null) return notMember();
      if (!isRole(member.role) || !isAtLeast(member.role, principal.role)) {
        throw new Fault('permission_denied', 'Your role in this org has just changed. Send the request again.');
      }
      return work({ tx, orgId });
    });
  }
}

/** The tenant, or the caller's place in it, went since the request was let in. */
export function notMember(): never {
  throw new Fault('permission_denied', NOT_A_MEMBER);
}
