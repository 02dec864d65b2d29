import { Injectable } from '@nestjs/common';
import { Database, type TenantTransaction } from '../../platform/database/index.js';

/** A token is live until it is revoked, or its own or its key's time is over. */
const LIVE = `u.tenant_id = $1 AND h.human = $2 AND u.revoked_at IS NULL AND u.expires_at > clock_timestamp()
  AND k.revoked_at IS NULL`;
const OF_LIVE_KEYS = '(k.expires_at IS NULL OR k.expires_at > clock_timestamp())';
const TOKENS = `usage_tokens u
  JOIN humans h ON h.tenant_id = u.tenant_id AND h.id = u.human_id
  JOIN api_keys k ON k.tenant_id = u.tenant_id AND k.id = u.key_id`;

/** Rows are locked in one order, so that two changes of one human's tokens can't deadlock. */
const update = (set: string, where: string): string =>
  `UPDATE usage_tokens t SET ${set}
   FROM (SELECT u.id FROM ${TOKENS} WHERE ${where} ORDER BY u.id FOR UPDATE OF u) AS live
   WHERE t.id = live.id RETURNING t.human_id`;
/** A revoked token also expires now, so that it is pruned an hour later, however long it would have lasted. */
const REVOKE = update('revoked_at = clock_timestamp(), expires_at = clock_timestamp()', LIVE);
const SET_TTL = update(
  "expires_at = clock_timestamp() + $3::integer * interval '1 second'",
  `${LIVE} AND ${OF_LIVE_KEYS}`,
);

export interface NewUsageToken {
  readonly id: string;
  readonly keyId: string;
  readonly humanId: string;
  readonly ttlSeconds: number;
}

/** The tokens that a change touched. */
export interface ChangedTokens {
  readonly humanId: string;
  readonly count: number;
}

/** A tenant's usage tokens. All times are the database's. */
@Injectable()
export class UsageTokensRepository {
  constructor(private readonly database: Database) {}

  read<T>(tenantId: string, work: (tx: TenantTransaction) => Promise<T>): Promise<T> {
    return this.database.withTenant(tenantId, work);
  }

  /** For writes: holds the tenant against deletion until the transaction ends. */
  change<T>(tenantId: string, work: (tx: TenantTransaction) => Promise<T>): Promise<T> {
    return this.database.changeTenant(tenantId, work);
  }

  /** Locks a good key until the transaction ends and gives its scopes; null: the key is not good. */
  async lockKey(tx: TenantTransaction, tenantId: string, keyId: string): Promise<readonly string[] | null> {
    const [key] = await tx.$queryRawUnsafe<{ scopes: string[] }[]>(
      `SELECT k.scopes FROM api_keys k WHERE k.tenant_id = $1 AND k.id = $2 AND k.revoked_at IS NULL AND ${OF_LIVE_KEYS}
       FOR SHARE`,
      tenantId,
      keyId,
    );
    return key?.scopes ?? null;
  }

  /** @returns the time of creation */
  async create(
    tx: TenantTransaction,
    tenantId: string,
    { id, keyId, humanId, ttlSeconds }: NewUsageToken,
  ): Promise<Date> {
    const [made] = await tx.$queryRawUnsafe<{ created_at: Date }[]>(
      `INSERT INTO usage_tokens (id, tenant_id, key_id, human_id, created_at, expires_at)
       SELECT $1, $2, $3, $4, now, now + $5::integer * interval '1 second' FROM clock_timestamp() AS now
       RETURNING created_at`,
      ...[id, tenantId, keyId, humanId, ttlSeconds],
    );
    if (made === undefined) throw new TypeError('A token was written and is not there.');
    return made.created_at;
  }

  /** How long a human's longest live token still lasts, rounded up to seconds; null: no token is live. */
  async secondsLeft(tx: TenantTransaction, tenantId: string, human: string): Promise<number | null> {
    const [row] = await tx.$queryRawUnsafe<{ seconds: number | null }[]>(
      `SELECT ceil(extract(epoch FROM max(least(u.expires_at, k.expires_at)) - clock_timestamp()))::integer AS seconds
       FROM ${TOKENS} WHERE ${LIVE} AND ${OF_LIVE_KEYS}`,
      tenantId,
      human,
    );
    return row?.seconds ?? null;
  }

  /** Ends every live token of a human, also those of expired keys; null: no such human. */
  async revoke(tx: TenantTransaction, tenantId: string, human: string): Promise<ChangedTokens | null> {
    return changed(await tx.$queryRawUnsafe<ChangedRow[]>(REVOKE, tenantId, human));
  }

  /** Makes every live token of a human last so long from now; null: no token is live. */
  async setTtl(
    tx: TenantTransaction,
    tenantId: string,
    human: string,
    ttlSeconds: number,
  ): Promise<ChangedTokens | null> {
    return changed(await tx.$queryRawUnsafe<ChangedRow[]>(SET_TTL, tenantId, human, ttlSeconds));
  }

  /** The limits that the tenant's humans begin with, as stored. */
  async defaultLimits(tx: TenantTransaction, tenantId: string): Promise<unknown> {
    const tenant = await tx.tenant.findFirst({ where: { id: tenantId }, select: { defaultLimits: true } });
    return tenant?.defaultLimits ?? null;
  }
}

interface ChangedRow {
  readonly human_id: string;
}

function changed(rows: readonly ChangedRow[]): ChangedTokens | null {
  const [first] = rows;
  return first === undefined ? null : { humanId: first.human_id, count: rows.length };
}
