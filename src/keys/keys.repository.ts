import { Injectable } from '@nestjs/common';
import type { Scope } from '../identity/index.js';
import { Database, type Prisma } from '../platform/database/index.js';

/** A key's record as this feature reads it; the hash stays in the database. */
const COLUMNS = {
  id: true,
  type: true,
  name: true,
  description: true,
  keyPrefix: true,
  scopes: true,
  requestsPerMinute: true,
  expiresAt: true,
  revokedAt: true,
  createdAt: true,
  lastUsedAt: true,
} as const satisfies Prisma.ApiKeySelect;

export type ApiKeyRecord = Prisma.ApiKeyGetPayload<{ select: typeof COLUMNS }>;

export interface NewApiKey {
  readonly id: string;
  readonly type: 'SECRET';
  readonly name: string;
  readonly description: string;
  readonly keyPrefix: string;
  readonly hash: Buffer;
  readonly pepperVersion: number;
  readonly scopes: readonly Scope[];
  readonly requestsPerMinute: number | null;
  readonly expiresAt: Date | null;
  readonly createdBy: string;
}

export interface ApiKeyChanges {
  readonly name?: string;
  readonly description?: string;
  readonly scopes?: readonly Scope[];
  readonly requestsPerMinute?: number | null;
  readonly expiresAt?: Date | null;
}

/** Where a page begins: after this record, newest first. */
export interface ApiKeyCursor {
  readonly createdAt: Date;
  readonly id: string;
}

/** API keys of one tenant. Each method names the tenant, and Postgres' policies hold where one forgets. */
@Injectable()
export class KeysRepository {
  constructor(private readonly database: Database) {}

  create(tenantId: string, key: NewApiKey): Promise<ApiKeyRecord> {
    return this.database.withTenant(tenantId, (tx) =>
      tx.apiKey.create({
        data: { ...key, hash: new Uint8Array(key.hash), scopes: [...key.scopes], tenantId },
        select: COLUMNS,
      }),
    );
  }

  findById(tenantId: string, id: string): Promise<ApiKeyRecord | null> {
    return this.database.withTenant(tenantId, (tx) =>
      tx.apiKey.findFirst({ where: { tenantId, id }, select: COLUMNS }),
    );
  }

  list(tenantId: string, after: ApiKeyCursor | null, take: number): Promise<ApiKeyRecord[]> {
    const where: Prisma.ApiKeyWhereInput =
      after === null
        ? { tenantId }
        : {
            tenantId,
            OR: [{ createdAt: { lt: after.createdAt } }, { createdAt: after.createdAt, id: { lt: after.id } }],
          };
    return this.database.withTenant(tenantId, (tx) =>
      tx.apiKey.findMany({ where, orderBy: [{ createdAt: 'desc' }, { id: 'desc' }], take, select: COLUMNS }),
    );
  }

  /** Changes a key that is not revoked; null: there is none such. */
  update(tenantId: string, id: string, changes: ApiKeyChanges): Promise<ApiKeyRecord | null> {
    const { scopes, ...rest } = changes;
    return this.database.withTenant(tenantId, async (tx) => {
      const [updated] = await tx.apiKey.updateManyAndReturn({
        where: { tenantId, id, revokedAt: null },
        data: { ...rest, ...(scopes === undefined ? {} : { scopes: [...scopes] }), updatedAt: new Date() },
        select: COLUMNS,
      });
      return updated ?? null;
    });
  }

  /** Revokes a key; one that is revoked already stays as it is. Null: there is none such. */
  revoke(tenantId: string, id: string, at: Date): Promise<ApiKeyRecord | null> {
    return this.database.withTenant(tenantId, async (tx) => {
      await tx.apiKey.updateMany({ where: { tenantId, id, revokedAt: null }, data: { revokedAt: at, updatedAt: at } });
      return tx.apiKey.findFirst({ where: { tenantId, id }, select: COLUMNS });
    });
  }
}
