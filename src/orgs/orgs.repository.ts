import { Injectable } from '@nestjs/common';
import { Database, type Prisma, type TenantTransaction } from '../platform/database/index.js';
import type { Cursor } from '../platform/http/index.js';
import type { OrgTransaction } from './org-transactions.js';

const LIST = { name: 'list_orgs', text: 'SELECT * FROM list_orgs($1, $2, $3, $4)' };

const COLUMNS = { id: true, name: true, slug: true, createdAt: true } as const satisfies Prisma.OrgSelect;

export type OrgRecord = Prisma.OrgGetPayload<{ select: typeof COLUMNS }>;

export interface NewOrg {
  readonly userId: string;
  readonly email: string | null;
  /** Whether the token that asks carries a tenant: then a repeat is a conflict. */
  readonly hasTenant: boolean;
  readonly orgId: string;
  readonly tenantId: string;
  readonly name: string;
  readonly slug: string;
  readonly claimWriteId: string;
}

export interface CreatedOrg {
  readonly result: 'created' | 'repeated';
  readonly org_id: string;
  readonly tenant_id: string;
  readonly name: string;
  readonly slug: string;
  readonly created_at: Date;
  readonly role: string;
}

export interface OrgForInvitee {
  readonly result: 'created' | 'repeated' | 'accepted';
  readonly orgId: string;
  readonly tenantId: string;
}

/** An org that a person belongs to. */
export interface OrgOfUser {
  readonly id: string;
  readonly name: string;
  readonly slug: string;
  readonly created_at: Date;
  readonly role: string;
  readonly tenants: readonly { readonly id: string; readonly name: string }[];
}

/**
 * Orgs. Before a tenant is known, by functions of the database that look across tenants, and no other way; else each
 * method names the org, and Postgres' policies hold where one forgets.
 */
@Injectable()
export class OrgsRepository {
  constructor(private readonly database: Database) {}

  async create(tx: TenantTransaction, org: NewOrg): Promise<CreatedOrg | 'has_org' | 'slug_taken'> {
    const [row] = await tx.$queryRawUnsafe<(CreatedOrg & { readonly result: string })[]>(
      'SELECT * FROM create_org($1, $2, $3, $4, $5, $6, $7, $8::uuid)',
      org.userId,
      org.email,
      org.hasTenant,
      org.orgId,
      org.tenantId,
      org.name,
      org.slug,
      org.claimWriteId,
    );
    if (row === undefined) throw new TypeError('create_org gave no row.');
    const result: string = row.result;
    return result === 'has_org' || result === 'slug_taken' ? result : row;
  }

  /** An org without a member, for whom the operator invites. @returns the org that exists, where it was created before */
  async createForInvitee(
    tx: TenantTransaction,
    email: string,
    { orgId, tenantId, name, slug }: Pick<NewOrg, 'orgId' | 'tenantId' | 'name' | 'slug'>,
  ): Promise<OrgForInvitee | 'slug_taken'> {
    const [row] = await tx.$queryRawUnsafe<(Omit<OrgForInvitee, 'result'> & { readonly result: string })[]>(
      'SELECT result, org_id AS "orgId", tenant_id AS "tenantId" FROM create_org_for_invitee($1, $2, $3, $4, $5)',
      ...[email, orgId, tenantId, name, slug],
    );
    if (row === undefined) throw new TypeError('create_org_for_invitee gave no row.');
    return row.result === 'slug_taken' ? 'slug_taken' : (row as OrgForInvitee);
  }

  /** Now, by the database's clock. */
  async now(tx: TenantTransaction): Promise<Date> {
    const [row] = await tx.$queryRawUnsafe<{ now: Date }[]>('SELECT clock_timestamp() AS now');
    if (row === undefined) throw new TypeError('The database told no time.');
    return row.now;
  }

  /** The orgs that a person belongs to, in whichever tenant they are. */
  listOfUser(userId: string, after: Cursor | null, take: number): Promise<OrgOfUser[]> {
    return this.database.callAside<OrgOfUser>(
      LIST,
      [userId, after?.createdAt ?? null, after?.id ?? null, take],
      userId,
    );
  }

  findById({ tx, orgId }: OrgTransaction): Promise<OrgRecord | null> {
    return tx.org.findFirst({ where: { id: orgId }, select: COLUMNS });
  }

  async update(
    { tx, orgId }: OrgTransaction,
    changes: { readonly name?: string; readonly slug?: string },
  ): Promise<OrgRecord | null> {
    const [updated] = await tx.org.updateManyAndReturn({
      where: { id: orgId },
      data: { ...changes, updatedAt: new Date() },
      select: COLUMNS,
    });
    return updated ?? null;
  }

  /** With all that it has; the transaction then sees nothing any more. */
  async delete({ tx }: OrgTransaction, name: string): Promise<'deleted' | 'wrong_name'> {
    const [row] = await tx.$queryRawUnsafe<{ result: 'deleted' | 'wrong_name' }[]>(
      'SELECT delete_org($1) AS result',
      name,
    );
    if (row === undefined) throw new TypeError('delete_org gave no row.');
    return row.result;
  }
}
