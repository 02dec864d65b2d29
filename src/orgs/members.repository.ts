import { Injectable } from '@nestjs/common';
import type { Role } from '../identity/index.js';
import type { Prisma } from '../platform/database/index.js';
import { olderThan, type Cursor } from '../platform/http/index.js';
import type { OrgTransaction } from './org-transactions.js';

const COLUMNS = {
  userId: true,
  role: true,
  createdAt: true,
  user: { select: { email: true } },
} as const satisfies Prisma.MembershipSelect;

export type MemberRecord = Prisma.MembershipGetPayload<{ select: typeof COLUMNS }>;

/** An org's members. Each method names the org, and Postgres' policies hold where one forgets. */
@Injectable()
export class MembersRepository {
  list({ tx, orgId }: OrgTransaction, after: Cursor | null, take: number): Promise<MemberRecord[]> {
    return tx.membership.findMany({
      where: { orgId, ...olderThan(after, 'userId') },
      orderBy: [{ createdAt: 'desc' }, { userId: 'desc' }],
      take,
      select: COLUMNS,
    });
  }

  find({ tx, orgId }: OrgTransaction, userId: string): Promise<MemberRecord | null> {
    return tx.membership.findFirst({ where: { orgId, userId }, select: COLUMNS });
  }

  /**
   * Whether a member has this address. Without case in ASCII alone: beyond it, letters of different addresses fold into
   * one.
   */
  async hasEmail({ tx, orgId }: OrgTransaction, email: string): Promise<boolean> {
    const rows = await tx.$queryRawUnsafe<unknown[]>(
      `SELECT 1 FROM memberships m JOIN users u ON u.id = m.user_id
       WHERE m.org_id = $1 AND lower(u.email COLLATE "C") = $2 LIMIT 1`,
      orgId,
      email,
    );
    return rows.length > 0;
  }

  countOwners({ tx, orgId }: OrgTransaction): Promise<number> {
    return tx.membership.count({ where: { orgId, role: 'owner' } });
  }

  async updateRole({ tx, orgId }: OrgTransaction, userId: string, role: Role): Promise<void> {
    await tx.membership.updateMany({ where: { orgId, userId }, data: { role } });
  }

  async remove({ tx, orgId }: OrgTransaction, userId: string): Promise<void> {
    await tx.membership.deleteMany({ where: { orgId, userId } });
  }
}
