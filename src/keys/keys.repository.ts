import { Injectable } from '@nestjs/common';
import type { Scope } from '../identity/index.js';
import type { PepperedHash } from '../platform/crypto/index.js';
import { Database, Prisma, literally, type TenantTransaction } from '../platform/database/index.js';
import { olderThan, type Cursor } from '../platform/http/index.js';
import type { IssuerPrefix } from './issuer-prefixes.js';
import type { ApiKeyType } from './key-format.js';
import type { StoredLimit } from '../limits/index.js';

/** A key's record as this feature reads it; hashes stay in the database. */
const COLUMNS = {
  id: true,
  type: true,
  name: true,
  description: true,
  keyPrefix: true,
  scopes: true,
  models: true,
  requestsPerMinute: true,
  requestsPerMinutePerHuman: true,
  allowedOrigins: true,
  oidcIssuer: true,
  oidcAudience: true,
  oidcJwksUri: true,
  humanPrefix: true,
  defaultLimits: true,
  unlimited: true,
  defaultOutputTokens: true,
  expiresAt: true,
  revokedAt: true,
  createdAt: true,
  lastUsedAt: true,
  createdBy: true,
  rotatedAt: true,
} as const satisfies Prisma.ApiKeySelect;

export type ApiKeyRecord = Prisma.ApiKeyGetPayload<{ select: typeof COLUMNS }>;

/** Details that views of keys add. */
export interface KeyDetails {
  /** By user's id; a user who left the org has no entry. */
  readonly emails: ReadonlyMap<string, string>;
  /** By key's id: when the last of its older secrets ends. */
  readonly oldSecretsEndAt: ReadonlyMap<string, Date>;
}

/** The columns of a key that people set. */
export interface ApiKeyColumns {
  readonly name: string;
  readonly description: string;
  readonly scopes: readonly Scope[];
  readonly models: readonly string[];
  readonly requestsPerMinute: number | null;
  readonly requestsPerMinutePerHuman: number | null;
  readonly expiresAt: Date | null;
  readonly allowedOrigins: readonly string[];
  readonly oidcIssuer: string | null;
  readonly oidcAudience: string | null;
  readonly oidcJwksUri: string | null;
  readonly humanPrefix: string;
  readonly defaultLimits: readonly StoredLimit[] | null;
  readonly unlimited: boolean;
  readonly defaultOutputTokens: number | null;
}

export type ApiKeyChanges = Partial<ApiKeyColumns>;

export interface KeyFilter {
  /** A part of the name, or the beginning of the key; empty: any key. */
  readonly search: string;
  readonly status?: 'ACTIVE' | 'REVOKED' | 'EXPIRED' | undefined;
  readonly type?: ApiKeyType | undefined;
}

/** Identifies a key's secret. */
export interface KeySecret {
  readonly keyPrefix: string;
  readonly hash: PepperedHash;
}

export interface NewApiKey extends ApiKeyChanges, KeySecret {
  readonly id: string;
  readonly type: ApiKeyType;
  readonly name: string;
  readonly createdBy: string;
}

/** A transaction that sees one tenant's keys. */
export interface TenantKeys {
  readonly tx: TenantTransaction;
  readonly tenantId: string;
}

/** API keys of one tenant. Each method names the tenant; Postgres' policies protect against one that forgets. */
@Injectable()
export class KeysRepository {
  constructor(private readonly database: Database) {}

  transaction<T>(tenantId: string, work: (keys: TenantKeys) => Promise<T>): Promise<T> {
    return this.database.withTenant(tenantId, (tx) => work({ tx, tenantId }));
  }

  /** For writes: holds the tenant against deletion until the transaction ends. */
  change<T>(tenantId: string, work: (keys: TenantKeys) => Promise<T>): Promise<T> {
    return this.database.changeTenant(tenantId, (tx) => work({ tx, tenantId }));
  }

  create(
    { tx, tenantId }: TenantKeys,
    { id, type, createdBy, hash, keyPrefix, ...said }: NewApiKey,
  ): Promise<ApiKeyRecord> {
    return tx.apiKey.create({
      data: { ...toData(said), name: said.name, id, type, createdBy, ...secretData({ hash, keyPrefix }), tenantId },
      select: COLUMNS,
    });
  }

  find({ tx, tenantId }: TenantKeys, id: string): Promise<ApiKeyRecord | null> {
    return tx.apiKey.findFirst({ where: { tenantId, id }, select: COLUMNS });
  }

  /** Locks the row until the transaction ends. Null: no such key. */
  async lock({ tx, tenantId }: TenantKeys, id: string): Promise<ApiKeyRecord | null> {
    const [locked] = await tx.apiKey.updateManyAndReturn({
      where: { tenantId, id },
      data: { updatedAt: new Date() },
      select: COLUMNS,
    });
    return locked ?? null;
  }

  list(
    { tx, tenantId }: TenantKeys,
    filter: KeyFilter,
    at: Date,
    after: Cursor | null,
    take: number,
  ): Promise<ApiKeyRecord[]> {
    return tx.apiKey.findMany({
      where: { tenantId, AND: [whereOf(filter, at), olderThan(after)] },
      orderBy: [{ createdAt: 'desc' }, { id: 'desc' }],
      take,
      select: COLUMNS,
    });
  }

  /** The details of a page of keys, in one statement for each kind. */
  async details({ tx, tenantId }: TenantKeys, keys: readonly ApiKeyRecord[], at: Date): Promise<KeyDetails> {
    const people = await tx.user.findMany({
      where: { id: { in: [...new Set(keys.map(({ createdBy }) => createdBy))] }, email: { not: null } },
      select: { id: true, email: true },
    });
    const secrets = await tx.apiKeyRetiredSecret.findMany({
      where: { tenantId, keyId: { in: keys.map(({ id }) => id) }, expiresAt: { gt: at } },
      orderBy: { expiresAt: 'asc' },
      select: { keyId: true, expiresAt: true },
    });
    return {
      emails: new Map(people.map(({ id, email }) => [id, email ?? ''])),
      oldSecretsEndAt: new Map(secrets.map(({ keyId, expiresAt }) => [keyId, expiresAt])),
    };
  }

  /** Changes a key that is not revoked; null: no such key. */
  async update({ tx, tenantId }: TenantKeys, id: string, changes: ApiKeyChanges): Promise<ApiKeyRecord | null> {
    const [updated] = await tx.apiKey.updateManyAndReturn({
      where: { tenantId, id, revokedAt: null },
      data: { ...toData(changes), updatedAt: new Date() },
      select: COLUMNS,
    });
    return updated ?? null;
  }

  /** Ends a key and all its secrets; false: no such key, or it was revoked before. */
  async revoke({ tx, tenantId }: TenantKeys, id: string, at: Date): Promise<boolean> {
    const { count } = await tx.apiKey.updateMany({
      where: { tenantId, id, revokedAt: null },
      data: { revokedAt: at, updatedAt: at },
    });
    await tx.apiKeyRetiredSecret.deleteMany({ where: { tenantId, keyId: id } });
    return count > 0;
  }

  /**
   * Gives a new secret to a key that this transaction has locked.
   *
   * @returns the key, and when the grace of the old secret ends, by the database's clock
   */
  async rotate(
    { tx, tenantId }: TenantKeys,
    id: string,
    secret: KeySecret,
    graceSeconds: number,
  ): Promise<{ record: ApiKeyRecord; graceEndsAt: Date }> {
    const now = await this.now(tx);
    const graceEndsAt = new Date(now.getTime() + graceSeconds * 1000);
    await tx.apiKeyRetiredSecret.deleteMany({ where: { tenantId, keyId: id, expiresAt: { lte: now } } });
    if (graceSeconds > 0) {
      const { hash, pepperVersion } = await tx.apiKey.findFirstOrThrow({
        where: { tenantId, id },
        select: { hash: true, pepperVersion: true },
      });
      await tx.apiKeyRetiredSecret.create({
        data: { hash, pepperVersion, tenantId, keyId: id, expiresAt: graceEndsAt },
      });
    }
    const [record] = await tx.apiKey.updateManyAndReturn({
      where: { tenantId, id },
      data: { ...secretData(secret), rotatedAt: now, updatedAt: now },
      select: COLUMNS,
    });
    if (record === undefined) throw new TypeError('A locked key is gone.');
    return { record, graceEndsAt };
  }

  /** Makes other transactions of the tenant wait here until this one ends. */
  async lockIssuers({ tx, tenantId }: TenantKeys): Promise<void> {
    await tx.$executeRawUnsafe('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', `key-issuers:${tenantId}`);
  }

  /** The issuers of the tenant's publishable keys, without one key's. */
  async listIssuers({ tx, tenantId }: TenantKeys, exceptId: string | null): Promise<IssuerPrefix[]> {
    const keys = await tx.apiKey.findMany({
      where: {
        tenantId,
        type: 'PUBLISHABLE',
        revokedAt: null,
        ...(exceptId === null ? {} : { id: { not: exceptId } }),
      },
      distinct: ['oidcIssuer', 'humanPrefix'],
      select: { oidcIssuer: true, humanPrefix: true },
    });
    return keys.map(({ oidcIssuer, humanPrefix }) => ({ issuer: oidcIssuer, humanPrefix }));
  }

  private async now(tx: TenantTransaction): Promise<Date> {
    const [row] = await tx.$queryRawUnsafe<{ now: Date }[]>('SELECT clock_timestamp() AS now');
    if (row === undefined) throw new TypeError('The database told no time.');
    return row.now;
  }
}

function whereOf({ search, status, type }: KeyFilter, at: Date): Prisma.ApiKeyWhereInput {
  const wanted = literally(search);
  const byStatus: Readonly<Record<string, Prisma.ApiKeyWhereInput>> = {
    ACTIVE: { revokedAt: null, OR: [{ expiresAt: null }, { expiresAt: { gt: at } }] },
    EXPIRED: { revokedAt: null, expiresAt: { lte: at } },
    REVOKED: { revokedAt: { not: null } },
  };
  const bySearch: Prisma.ApiKeyWhereInput = {
    OR: [{ name: { contains: wanted, mode: 'insensitive' } }, { keyPrefix: { startsWith: wanted } }],
  };
  return {
    ...(type === undefined ? {} : { type }),
    AND: [byStatus[status ?? ''] ?? {}, search === '' ? {} : bySearch],
  };
}

function secretData({ keyPrefix, hash: { hash, version } }: KeySecret) {
  return { keyPrefix, hash: new Uint8Array(hash), pepperVersion: version };
}

function toData({ scopes, models, allowedOrigins, defaultLimits, ...rest }: ApiKeyChanges) {
  return {
    ...rest,
    ...(scopes === undefined ? {} : { scopes: [...scopes] }),
    ...(models === undefined ? {} : { models: [...models] }),
    ...(allowedOrigins === undefined ? {} : { allowedOrigins: [...allowedOrigins] }),
    ...(defaultLimits === undefined
      ? {}
      : { defaultLimits: defaultLimits === null ? Prisma.DbNull : defaultLimits.map((limit) => ({ ...limit })) }),
  };
}
