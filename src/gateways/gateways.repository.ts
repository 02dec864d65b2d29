import { Injectable } from '@nestjs/common';
import { literally, Database, type Prisma, type TenantTransaction } from '../platform/database/index.js';
import { olderThan, type Cursor } from '../platform/http/index.js';
import { whyNotStorable } from '../platform/protojson/index.js';

const GATEWAY = {
  id: true,
  name: true,
  authenticated: true,
  cacheTtlSeconds: true,
  cacheMaxBytes: true,
  bodyRetentionDays: true,
  createdAt: true,
  updatedAt: true,
} as const satisfies Prisma.GatewaySelect;
export type GatewayRecord = Prisma.GatewayGetPayload<{ select: typeof GATEWAY }>;

export interface GatewayColumns {
  readonly name: string;
  readonly authenticated: boolean;
  readonly cacheTtlSeconds: number | null;
  readonly cacheMaxBytes: bigint;
  readonly bodyRetentionDays: number | null;
}

/** A transaction that sees one tenant's gateways. */
export interface TenantGateways {
  readonly tx: TenantTransaction;
  readonly tenantId: string;
}

/** Gateways of one tenant. Each method names the tenant, and Postgres' policies hold where one forgets. */
@Injectable()
export class GatewaysRepository {
  constructor(private readonly database: Database) {}

  read<T>(tenantId: string, work: (own: TenantGateways) => Promise<T>): Promise<T> {
    return this.database.withTenant(tenantId, (tx) => work({ tx, tenantId }));
  }

  /** For what writes: the tenant stays until it is done. */
  change<T>(tenantId: string, work: (own: TenantGateways) => Promise<T>): Promise<T> {
    return this.database.changeTenant(tenantId, (tx) => work({ tx, tenantId }));
  }

  /** How many there are; until this transaction ends no other one of the tenant counts or renames them. */
  async countAlone({ tx, tenantId }: TenantGateways): Promise<number> {
    await tx.$executeRawUnsafe('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', `gateways:${tenantId}`);
    return tx.gateway.count({ where: { tenantId } });
  }

  async isNamed({ tx, tenantId }: TenantGateways, name: string): Promise<boolean> {
    return (await tx.gateway.count({ where: { tenantId, name } })) > 0;
  }

  async create(
    { tx, tenantId }: TenantGateways,
    made: GatewayColumns & { readonly id: string; readonly createdBy: string },
  ): Promise<void> {
    await tx.gateway.createMany({ data: [{ ...made, tenantId }] });
  }

  async find({ tx, tenantId }: TenantGateways, id: string): Promise<GatewayRecord | null> {
    // An id of a path may hold what Postgres takes for no text.
    if (whyNotStorable(id) !== null) return null;
    return tx.gateway.findFirst({ where: { tenantId, id }, select: GATEWAY });
  }

  /** Locks the row until the transaction ends. Null: no such gateway. */
  async lock(own: TenantGateways, id: string): Promise<GatewayRecord | null> {
    const { tx, tenantId } = own;
    await tx.$executeRawUnsafe(
      'SELECT 1 FROM gateways WHERE tenant_id = $1 AND id = $2 FOR NO KEY UPDATE',
      tenantId,
      id,
    );
    return this.find(own, id);
  }

  list({ tx, tenantId }: TenantGateways, search: string, after: Cursor | null, take: number): Promise<GatewayRecord[]> {
    return tx.gateway.findMany({
      where: {
        tenantId,
        ...(search === '' ? {} : { name: { contains: literally(search), mode: 'insensitive' } }),
        ...olderThan(after),
      },
      orderBy: [{ createdAt: 'desc' }, { id: 'desc' }],
      take,
      select: GATEWAY,
    });
  }

  /** Written in any case, since its change tells replicas of that of its providers. */
  async update({ tx, tenantId }: TenantGateways, id: string, changes: Partial<GatewayColumns>): Promise<void> {
    await tx.gateway.updateMany({ where: { tenantId, id }, data: { ...changes, updatedAt: new Date() } });
  }

  /** Forgets what its cache holds. */
  async clearCache({ tx }: TenantGateways, id: string): Promise<void> {
    await tx.$executeRawUnsafe('SELECT clear_gateway_answers($1)', id);
  }

  /** With its tokens and providers. False: no such gateway. */
  async delete({ tx, tenantId }: TenantGateways, id: string): Promise<boolean> {
    const { count } = await tx.gateway.deleteMany({ where: { tenantId, id } });
    return count > 0;
  }
}
