import { Injectable } from '@nestjs/common';
import { literally, Database, type Prisma, type TenantTransaction } from '../../platform/database/index.js';
import { olderThan, type Cursor } from '../../platform/http/index.js';

/** Without the credentials, which reading a provider does not need. */
const PROVIDER = {
  id: true,
  name: true,
  kind: true,
  baseUrl: true,
  models: true,
  settings: true,
  credentialsSetAt: true,
  enabled: true,
  createdAt: true,
  updatedAt: true,
} as const satisfies Prisma.LlmProviderSelect;
export type ProviderRecord = Prisma.LlmProviderGetPayload<{ select: typeof PROVIDER }>;

/** `credentials` null: it needs none. */
export interface NewProvider {
  readonly id: string;
  readonly name: string;
  readonly kind: string;
  readonly baseUrl: string | null;
  readonly models: readonly string[];
  readonly settings: object;
  readonly credentials: Uint8Array | null;
  readonly createdBy: string;
  /** Among those of a gateway. */
  readonly place?: number;
}

export interface ProviderChanges {
  readonly name?: string;
  readonly baseUrl?: string | null;
  readonly models?: readonly string[];
  readonly settings?: object;
  readonly credentials?: Uint8Array | null;
  readonly enabled?: boolean;
  readonly place?: number;
}

export interface ProviderFilter {
  readonly search: string;
  readonly enabled?: boolean;
}

/** A transaction that sees one tenant's providers: its own, or those of one of its gateways. */
export interface TenantProvidersTransaction {
  readonly tx: TenantTransaction;
  readonly tenantId: string;
  /** Absent, or null: the tenant's own. */
  readonly gatewayId?: string | null;
}

/** Providers of one tenant. Each method names the tenant, and Postgres' policies hold where one forgets. */
@Injectable()
export class ProvidersRepository {
  constructor(private readonly database: Database) {}

  read<T>(tenantId: string, work: (own: TenantProvidersTransaction) => Promise<T>): Promise<T> {
    return this.database.withTenant(tenantId, (tx) => work({ tx, tenantId }));
  }

  /** For what writes: the tenant stays until it is done. */
  change<T>(tenantId: string, work: (own: TenantProvidersTransaction) => Promise<T>): Promise<T> {
    return this.database.changeTenant(tenantId, (tx) => work({ tx, tenantId }));
  }

  /** How many there are; until this transaction ends no other one of the tenant counts or renames them. */
  async countAlone({ tx, tenantId, gatewayId = null }: TenantProvidersTransaction): Promise<number> {
    await tx.$executeRawUnsafe('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', `llm_providers:${tenantId}`);
    return tx.llmProvider.count({ where: { tenantId, gatewayId } });
  }

  async isNamed({ tx, tenantId, gatewayId = null }: TenantProvidersTransaction, name: string): Promise<boolean> {
    return (await tx.llmProvider.count({ where: { tenantId, gatewayId, name } })) > 0;
  }

  async create({ tx, tenantId, gatewayId = null }: TenantProvidersTransaction, made: NewProvider): Promise<void> {
    const { credentials, settings, models, ...columns } = made;
    const data = {
      ...columns,
      tenantId,
      gatewayId,
      models: [...models],
      settings: settings as Prisma.InputJsonObject,
      ...credentialColumns(credentials, new Date()),
    };
    await tx.llmProvider.createMany({ data: [data] });
  }

  find({ tx, tenantId, gatewayId = null }: TenantProvidersTransaction, id: string): Promise<ProviderRecord | null> {
    return tx.llmProvider.findFirst({ where: { tenantId, gatewayId, id }, select: PROVIDER });
  }

  /** Locks the row until the transaction ends. Null: no such provider. */
  async lock(own: TenantProvidersTransaction, id: string): Promise<ProviderRecord | null> {
    const { tx, tenantId } = own;
    await tx.$executeRawUnsafe(
      'SELECT 1 FROM llm_providers WHERE tenant_id = $1 AND id = $2 FOR NO KEY UPDATE',
      tenantId,
      id,
    );
    return this.find(own, id);
  }

  /** The `models` of those of these providers that there are; they stay until this transaction ends. */
  async hold(
    { tx, tenantId, gatewayId = null }: TenantProvidersTransaction,
    ids: readonly string[],
  ): Promise<ReadonlyMap<string, readonly string[]>> {
    await tx.$executeRawUnsafe(
      'SELECT 1 FROM llm_providers WHERE tenant_id = $1 AND id = ANY ($2) ORDER BY id FOR KEY SHARE',
      tenantId,
      [...ids],
    );
    const held = await tx.llmProvider.findMany({
      where: { tenantId, gatewayId, id: { in: [...ids] } },
      select: { id: true, models: true },
    });
    return new Map(held.map(({ id, models }) => [id, models]));
  }

  /** The names of the routes that lead to a provider, which stays as it is until this transaction ends. */
  async routesOfAlone({ tx, tenantId }: TenantProvidersTransaction, id: string): Promise<readonly string[]> {
    await tx.$executeRawUnsafe('SELECT 1 FROM llm_providers WHERE tenant_id = $1 AND id = $2 FOR UPDATE', tenantId, id);
    const rows = await tx.$queryRawUnsafe<{ names: string[] }[]>('SELECT routes_of_provider($1) AS names', id);
    return rows[0]?.names ?? [];
  }

  /** Encrypted. */
  async findCredentials(
    { tx, tenantId, gatewayId = null }: TenantProvidersTransaction,
    id: string,
  ): Promise<Uint8Array | null> {
    const row = await tx.llmProvider.findFirst({ where: { tenantId, gatewayId, id }, select: { credentials: true } });
    return row?.credentials ?? null;
  }

  list(
    { tx, tenantId, gatewayId = null }: TenantProvidersTransaction,
    { search, enabled }: ProviderFilter,
    after: Cursor | null,
    take: number,
  ): Promise<ProviderRecord[]> {
    const where: Prisma.LlmProviderWhereInput = {
      tenantId,
      gatewayId,
      ...(search === '' ? {} : { name: { contains: literally(search), mode: 'insensitive' } }),
      ...(enabled === undefined ? {} : { enabled }),
      ...olderThan(after),
    };
    return tx.llmProvider.findMany({
      where,
      orderBy: [{ createdAt: 'desc' }, { id: 'desc' }],
      take,
      select: PROVIDER,
    });
  }

  async update(
    { tx, tenantId, gatewayId = null }: TenantProvidersTransaction,
    id: string,
    changes: ProviderChanges,
  ): Promise<void> {
    const { credentials, settings, models, ...columns } = changes;
    const now = new Date();
    await tx.llmProvider.updateMany({
      where: { tenantId, gatewayId, id },
      data: {
        ...columns,
        ...(models === undefined ? {} : { models: [...models] }),
        ...(settings === undefined ? {} : { settings }),
        ...(credentials === undefined ? {} : credentialColumns(credentials, now)),
        revision: { increment: 1 },
        updatedAt: now,
      },
    });
  }

  /** Those of gateways, in their order. */
  async listOfGateways(
    { tx, tenantId }: TenantProvidersTransaction,
    gatewayIds: readonly string[],
  ): Promise<readonly (ProviderRecord & { readonly gatewayId: string | null })[]> {
    return tx.llmProvider.findMany({
      where: { tenantId, gatewayId: { in: [...gatewayIds] } },
      orderBy: [{ place: 'asc' }, { id: 'asc' }],
      select: { ...PROVIDER, gatewayId: true },
    });
  }

  /** False: no such provider. */
  async delete({ tx, tenantId, gatewayId = null }: TenantProvidersTransaction, id: string): Promise<boolean> {
    const { count } = await tx.llmProvider.deleteMany({ where: { tenantId, gatewayId, id } });
    return count > 0;
  }
}

function credentialColumns(credentials: Uint8Array | null, now: Date) {
  return credentials === null
    ? { credentials: null, credentialsSetAt: null }
    : { credentials: new Uint8Array(credentials), credentialsSetAt: now };
}
