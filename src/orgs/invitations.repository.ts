import { Injectable } from '@nestjs/common';
import type { Role } from '../identity/index.js';
import type { Prisma, TenantTransaction } from '../platform/database/index.js';
import { olderThan, type Cursor } from '../platform/http/index.js';
import type { OrgTransaction } from './org-transactions.js';

const COLUMNS = {
  id: true,
  email: true,
  role: true,
  createdAt: true,
  expiresAt: true,
  acceptedAt: true,
  revokedAt: true,
} as const satisfies Prisma.InvitationSelect;

/** An invitation as this feature reads it; the hash of its token stays in the database. */
export type InvitationRecord = Prisma.InvitationGetPayload<{ select: typeof COLUMNS }>;

export interface NewInvitation {
  readonly id: string;
  readonly email: string;
  readonly role: Role;
  readonly tokenHash: Buffer;
  readonly invitedBy: string;
  readonly createdAt: Date;
  readonly expiresAt: Date;
}

export interface Acceptance {
  readonly tokenHashes: readonly Buffer[];
  readonly userId: string;
  readonly email: string;
  readonly setClaims: boolean;
  readonly claimWriteId: string;
}

export interface AcceptedInvitation {
  readonly result: 'accepted';
  readonly invitation_id: string;
  readonly org_id: string;
  readonly tenant_id: string;
  readonly name: string;
  readonly slug: string;
  readonly created_at: Date;
  readonly role: string;
}

export type RefusedInvitation = 'not_found' | 'wrong_email' | 'inviter_lacks' | 'member_already';

/** An org's invitations. Each method names the org, and Postgres' policies hold where one forgets. */
@Injectable()
export class InvitationsRepository {
  create({ tx, orgId }: OrgTransaction, invitation: NewInvitation): Promise<InvitationRecord> {
    return tx.invitation.create({
      data: { ...invitation, tokenHash: new Uint8Array(invitation.tokenHash), orgId },
      select: COLUMNS,
    });
  }

  find({ tx, orgId }: OrgTransaction, id: string): Promise<InvitationRecord | null> {
    return tx.invitation.findFirst({ where: { orgId, id }, select: COLUMNS });
  }

  /** Those that can still be accepted, newest first. */
  listOpen({ tx, orgId }: OrgTransaction, now: Date, after: Cursor | null, take: number): Promise<InvitationRecord[]> {
    const open: Prisma.InvitationWhereInput = { orgId, acceptedAt: null, revokedAt: null, expiresAt: { gt: now } };
    return tx.invitation.findMany({
      where: { ...open, ...olderThan(after) },
      orderBy: [{ createdAt: 'desc' }, { id: 'desc' }],
      take,
      select: COLUMNS,
    });
  }

  /** Revokes one. */
  async revoke({ tx, orgId }: OrgTransaction, id: string, at: Date): Promise<void> {
    await tx.invitation.updateMany({ where: { orgId, id }, data: { revokedAt: at } });
  }

  /** Revokes those that are open for an address; their ids. */
  async revokeOpen({ tx, orgId }: OrgTransaction, email: string, at: Date): Promise<string[]> {
    const revoked = await tx.invitation.updateManyAndReturn({
      where: { orgId, email, acceptedAt: null, revokedAt: null, expiresAt: { gt: at } },
      data: { revokedAt: at },
      select: { id: true },
    });
    return revoked.map(({ id }) => id);
  }

  /** By a function that looks across tenants: the person who accepts is in none of the org's yet. */
  async accept(
    tx: TenantTransaction,
    { tokenHashes, userId, email, setClaims, claimWriteId }: Acceptance,
  ): Promise<AcceptedInvitation | RefusedInvitation> {
    const [row] = await tx.$queryRawUnsafe<({ readonly result: RefusedInvitation } | AcceptedInvitation)[]>(
      'SELECT * FROM accept_invitation($1::bytea[], $2, $3, $4, $5::uuid)',
      tokenHashes.map((hash) => `\\x${hash.toString('hex')}`),
      userId,
      email,
      setClaims,
      claimWriteId,
    );
    if (row === undefined) throw new TypeError('accept_invitation gave no row.');
    return row.result === 'accepted' ? row : row.result;
  }
}
