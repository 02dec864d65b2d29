import { Injectable } from '@nestjs/common';
import { literally, type TenantTransaction } from '../../platform/database/index.js';
import type { Cursor } from '../../platform/http/index.js';
import type { ListUsageTokensRequest, UsageTokenStatus } from './tenant-usage-tokens.dto.js';

export interface UsageTokenRecord {
  readonly id: string;
  readonly humanId: string;
  readonly human: string;
  readonly keyId: string;
  readonly keyName: string;
  readonly status: UsageTokenStatus;
  readonly createdAt: Date;
  /** The token's own end, or the key's if that comes first. */
  readonly expiresAt: Date;
}

export type UsageTokenFilter = Pick<ListUsageTokensRequest, 'search' | 'human' | 'keyId' | 'status'>;

/** A token also ends with its key. */
const TOKENS = `
  SELECT u.id, u.human_id AS "humanId", h.human, u.key_id AS "keyId", k.name AS "keyName", u.created_at AS "createdAt",
         least(u.expires_at, k.expires_at) AS "expiresAt",
         CASE WHEN u.revoked_at IS NOT NULL OR k.revoked_at IS NOT NULL THEN 'REVOKED'
              WHEN least(u.expires_at, k.expires_at) <= clock_timestamp() THEN 'EXPIRED' ELSE 'ACTIVE' END AS status
  FROM usage_tokens u
  JOIN humans h ON h.tenant_id = u.tenant_id AND h.id = u.human_id
  JOIN api_keys k ON k.tenant_id = u.tenant_id AND k.id = u.key_id`;

/** All usage tokens of one tenant. Each method names the tenant; Postgres' policies protect against one that forgets. */
@Injectable()
export class TenantUsageTokensRepository {
  list(
    tx: TenantTransaction,
    tenantId: string,
    { search, human, keyId, status }: UsageTokenFilter,
    after: Cursor | null,
    take: number,
  ): Promise<UsageTokenRecord[]> {
    return tx.$queryRawUnsafe<UsageTokenRecord[]>(
      `SELECT * FROM (${TOKENS} WHERE u.tenant_id = $1 AND (u.created_at, u.id) < ($2::timestamptz, $3)
         AND ($4::text = '' OR h.human ILIKE '%' || $4 || '%')
         AND ($5::text IS NULL OR h.human = $5) AND ($6::text IS NULL OR u.key_id = $6)) AS t
       WHERE $7::text IS NULL OR t.status = $7
       ORDER BY t."createdAt" DESC, t.id DESC LIMIT $8::integer`,
      tenantId,
      after?.createdAt.toISOString() ?? 'infinity',
      after?.id ?? '',
      literally(search),
      human ?? null,
      keyId ?? null,
      status ?? null,
      take,
    );
  }

  async find(tx: TenantTransaction, tenantId: string, id: string): Promise<UsageTokenRecord | null> {
    const [found] = await tx.$queryRawUnsafe<UsageTokenRecord[]>(
      `${TOKENS} WHERE u.tenant_id = $1 AND u.id = $2`,
      tenantId,
      id,
    );
    return found ?? null;
  }

  /** Ends a token at once, as the revocation of all tokens of a human does. False: no such token, or it had ended. */
  async revoke(tx: TenantTransaction, tenantId: string, id: string): Promise<boolean> {
    const revoked = await tx.$executeRawUnsafe(
      `UPDATE usage_tokens SET revoked_at = clock_timestamp(), expires_at = clock_timestamp()
       WHERE tenant_id = $1 AND id = $2 AND revoked_at IS NULL AND expires_at > clock_timestamp()`,
      tenantId,
      id,
    );
    return revoked > 0;
  }
}
