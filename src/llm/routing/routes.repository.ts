import { Injectable } from '@nestjs/common';
import { Database, type Prisma, type TenantTransaction } from '../../platform/database/index.js';
import { olderThan, type Cursor } from '../../platform/http/index.js';

const ROUTE = {
  id: true,
  name: true,
  strategy: true,
  attempts: true,
  retryOn: true,
  createdAt: true,
  updatedAt: true,
  targets: { select: { providerId: true, model: true, weight: true }, orderBy: { place: 'asc' } },
} as const satisfies Prisma.LlmRouteSelect;
export type RouteRecord = Prisma.LlmRouteGetPayload<{ select: typeof ROUTE }>;

export interface RouteColumns {
  readonly name: string;
  readonly strategy: string;
  readonly attempts: number;
  readonly retryOn: readonly string[];
}

export interface RouteTarget {
  readonly providerId: string;
  readonly model: string;
  readonly weight: number;
}

/** A transaction that sees one tenant's routes. */
export interface TenantRoutesTransaction {
  readonly tx: TenantTransaction;
  readonly tenantId: string;
}

/** Routes of one tenant. Each method names the tenant, and Postgres' policies hold where one forgets. */
@Injectable()
export class RoutesRepository {
  constructor(private readonly database: Database) {}

  read<T>(tenantId: string, work: (own: TenantRoutesTransaction) => Promise<T>): Promise<T> {
    return this.database.withTenant(tenantId, (tx) => work({ tx, tenantId }));
  }

  /** For what writes: the tenant stays until it is done. */
  change<T>(tenantId: string, work: (own: TenantRoutesTransaction) => Promise<T>): Promise<T> {
    return this.database.changeTenant(tenantId, (tx) => work({ tx, tenantId }));
  }

  /** How many there are; until this transaction ends no other one of the tenant counts or renames them. */
  async countAlone({ tx, tenantId }: TenantRoutesTransaction): Promise<number> {
    await tx.$executeRawUnsafe('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', `llm_routes:${tenantId}`);
    return tx.llmRoute.count({ where: { tenantId } });
  }

  async isNamed({ tx, tenantId }: TenantRoutesTransaction, name: string): Promise<boolean> {
    return (await tx.llmRoute.count({ where: { tenantId, name } })) > 0;
  }

  async create(
    own: TenantRoutesTransaction,
    { retryOn, ...columns }: RouteColumns & { readonly id: string; readonly createdBy: string },
    targets: readonly RouteTarget[],
  ): Promise<void> {
    const { tx, tenantId } = own;
    await tx.llmRoute.createMany({ data: [{ ...columns, tenantId, retryOn: [...retryOn] }] });
    await this.addTargets(own, columns.id, targets);
  }

  find({ tx, tenantId }: TenantRoutesTransaction, id: string): Promise<RouteRecord | null> {
    return tx.llmRoute.findFirst({ where: { tenantId, id }, select: ROUTE });
  }

  /** Locks the row until the transaction ends. Null: no such route. */
  async lock(own: TenantRoutesTransaction, id: string): Promise<RouteRecord | null> {
    const { tx, tenantId } = own;
    await tx.$executeRawUnsafe(
      'SELECT 1 FROM llm_routes WHERE tenant_id = $1 AND id = $2 FOR NO KEY UPDATE',
      tenantId,
      id,
    );
    return this.find(own, id);
  }

  list(
    { tx, tenantId }: TenantRoutesTransaction,
    search: string,
    after: Cursor | null,
    take: number,
  ): Promise<RouteRecord[]> {
    return tx.llmRoute.findMany({
      where: {
        tenantId,
        ...(search === '' ? {} : { name: { contains: search, mode: 'insensitive' } }),
        ...olderThan(after),
      },
      orderBy: [{ createdAt: 'desc' }, { id: 'desc' }],
      take,
      select: ROUTE,
    });
  }

  /** The route's row is written in any case, since its change tells replicas of that of its targets. */
  async update(
    own: TenantRoutesTransaction,
    id: string,
    { retryOn, ...columns }: Partial<RouteColumns>,
    targets: readonly RouteTarget[] | null,
  ): Promise<void> {
    const { tx, tenantId } = own;
    await tx.llmRoute.updateMany({
      where: { tenantId, id },
      data: { ...columns, ...(retryOn === undefined ? {} : { retryOn: [...retryOn] }), updatedAt: new Date() },
    });
    if (targets === null) return;
    await tx.llmRouteTarget.deleteMany({ where: { tenantId, routeId: id } });
    await this.addTargets(own, id, targets);
  }

  /** False: no such route. */
  async delete({ tx, tenantId }: TenantRoutesTransaction, id: string): Promise<boolean> {
    const { count } = await tx.llmRoute.deleteMany({ where: { tenantId, id } });
    return count > 0;
  }

  private async addTargets(
    { tx, tenantId }: TenantRoutesTransaction,
    routeId: string,
    targets: readonly RouteTarget[],
  ): Promise<void> {
    await tx.llmRouteTarget.createMany({
      data: targets.map((target, place) => ({ ...target, tenantId, routeId, place })),
    });
  }
}
