import { Injectable } from '@nestjs/common';
import { Prisma, type TenantTransaction } from '../platform/database/index.js';
import type { QueuedClaims } from '../signin/index.js';
import { olderThan, type Cursor } from '../platform/http/index.js';
import type { OrgTransaction } from './org-transactions.js';
import type { StoredLimit } from '../limits/index.js';

const COLUMNS = {
  id: true,
  name: true,
  createdAt: true,
  defaultLimits: true,
  defaultOutputTokens: true,
  threadRetentionDays: true,
} as const satisfies Prisma.TenantSelect;

export type TenantRecord = Prisma.TenantGetPayload<{ select: typeof COLUMNS }>;

export interface TenantChanges {
  readonly name?: string | undefined;
  /** Empty: nothing limits humans at first. */
  readonly defaultLimits?: readonly StoredLimit[] | undefined;
  /** 0: the service's. */
  readonly defaultOutputTokens?: number | undefined;
  /** 0: for ever. */
  readonly threadRetentionDays?: number | undefined;
}

export interface SwitchedTenant {
  readonly org_id: string;
  readonly tenant_id: string;
  readonly name: string;
  readonly created_at: Date;
  readonly role: string;
}

/** An org's tenants. Each method names the org, and Postgres' policies hold where one forgets. */
@Injectable()
export class TenantsRepository {
  create(
    { tx, orgId }: OrgTransaction,
    id: string,
    { name, ...said }: TenantChanges & { readonly name: string },
  ): Promise<TenantRecord> {
    return tx.tenant.create({ data: { id, orgId, name, ...toData(said) }, select: COLUMNS });
  }

  find({ tx, orgId }: OrgTransaction, id: string): Promise<TenantRecord | null> {
    return tx.tenant.findFirst({ where: { orgId, id }, select: COLUMNS });
  }

  list({ tx, orgId }: OrgTransaction, after: Cursor | null, take: number): Promise<TenantRecord[]> {
    return tx.tenant.findMany({
      where: { orgId, ...olderThan(after) },
      orderBy: [{ createdAt: 'desc' }, { id: 'desc' }],
      take,
      select: COLUMNS,
    });
  }

  /** Null: no such tenant. */
  async update({ tx, orgId }: OrgTransaction, id: string, changes: TenantChanges): Promise<TenantRecord | null> {
    const [updated] = await tx.tenant.updateManyAndReturn({
      where: { orgId, id },
      data: toData(changes),
      select: COLUMNS,
    });
    return updated ?? null;
  }

  /**
   * Makes a tenant, of any org, the one that a member's claims name, and queues these; null: no tenant, or no member.
   */
  async switch(
    tx: TenantTransaction,
    { id: claimWriteId, userId }: QueuedClaims,
    tenantId: string,
  ): Promise<SwitchedTenant | null> {
    const [switched] = await tx.$queryRawUnsafe<SwitchedTenant[]>(
      'SELECT * FROM switch_tenant($1, $2, $3::uuid)',
      userId,
      tenantId,
      claimWriteId,
    );
    return switched ?? null;
  }

  /** With all that it has; its tombstone is written with it. */
  async delete(
    { tx }: OrgTransaction,
    id: string,
    name: string,
    auditId: string,
  ): Promise<'deleted' | 'not_found' | 'wrong_name' | 'last_tenant'> {
    const [row] = await tx.$queryRawUnsafe<{ result: 'deleted' | 'not_found' | 'wrong_name' | 'last_tenant' }[]>(
      'SELECT delete_tenant($1, $2, $3::uuid) AS result',
      id,
      name,
      auditId,
    );
    if (row === undefined) throw new TypeError('delete_tenant gave no row.');
    return row.result;
  }
}

function toData({ name, defaultLimits, defaultOutputTokens, threadRetentionDays }: TenantChanges) {
  return {
    ...(name === undefined ? {} : { name }),
    ...(defaultOutputTokens === undefined ? {} : { defaultOutputTokens: defaultOutputTokens || null }),
    ...(threadRetentionDays === undefined ? {} : { threadRetentionDays: threadRetentionDays || null }),
    ...(defaultLimits === undefined
      ? {}
      : { defaultLimits: defaultLimits.length === 0 ? Prisma.DbNull : defaultLimits.map((limit) => ({ ...limit })) }),
  };
}
