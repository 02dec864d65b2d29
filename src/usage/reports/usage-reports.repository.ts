import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Database, type TenantTransaction } from '../../platform/database/index.js';
import type { ReportedType } from './usage-reports.dto.js';

/** A transaction that sees one tenant's reports. */
export interface TenantReports {
  readonly tx: TenantTransaction;
  readonly tenantId: string;
}

export interface UsageReport {
  readonly id: string;
  readonly humanId: string;
  readonly keyId: string | null;
  readonly userId: string | null;
  readonly type: ReportedType;
  readonly microUnits: string;
}

export interface KnownReport {
  readonly id: string;
  readonly type: string;
  readonly microUnits: string;
  /** Null: erased since. */
  readonly human: string | null;
}

/** What a tenant's servers report, in the ledger and of their humans' limits. */
@Injectable()
export class UsageReportsRepository {
  constructor(private readonly database: Database) {}

  /** For what writes: the tenant stays until it is done. */
  change<T>(tenantId: string, work: (reports: TenantReports) => Promise<T>): Promise<T> {
    return this.database.changeTenant(tenantId, (tx) => work({ tx, tenantId }));
  }

  /**
   * The report of that key, if it was made before. Others of the same key wait until this transaction ends: a look and an
   * insert would else let a repeat that comes meanwhile bring back a human who was erased between the two.
   */
  async findOrLock({ tx, tenantId }: TenantReports, idempotencyKey: string): Promise<KnownReport | null> {
    const key = storedKey(tenantId, idempotencyKey);
    await tx.$executeRawUnsafe('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', `usage-report:${key}`);
    const [known] = await tx.$queryRawUnsafe<KnownReport[]>(
      `SELECT r.id, r.type, r.micro_units::text AS "microUnits", h.human
       FROM usage_reports r LEFT JOIN humans h ON h.tenant_id = r.tenant_id AND h.id = r.human_id
       WHERE r.tenant_id = $1 AND r.idempotency_key = $2`,
      tenantId,
      key,
    );
    return known ?? null;
  }

  /** A trigger tells the tenant's webhooks of it. */
  async add({ tx, tenantId }: TenantReports, report: UsageReport, idempotencyKey: string): Promise<void> {
    const { id, humanId, keyId, userId, type, microUnits } = report;
    await tx.$executeRawUnsafe(
      `INSERT INTO usage_reports (id, tenant_id, human_id, key_id, user_id, type, micro_units, idempotency_key)
       VALUES ($1::uuid, $2, $3, $4, $5, $6, $7::bigint, $8)`,
      id,
      tenantId,
      humanId,
      keyId,
      userId,
      type,
      microUnits,
      storedKey(tenantId, idempotencyKey),
    );
  }

  /**
   * Takes what was used from the human's limit, below 0 too, since it was used already. The first time since the limit was
   * set that there was less than that, the tenant's webhooks hear of it.
   */
  async charge({ tx }: TenantReports, { humanId, type, microUnits }: UsageReport): Promise<void> {
    await tx.$executeRawUnsafe('SELECT charge_report($1, $2, $3::bigint)', humanId, type, microUnits);
  }
}

/**
 * As the ledger keeps a report's key: hashed, since callers make keys of what they have, a human's name too. Without a
 * pepper, which changes some day: a repeat would then be counted again.
 */
function storedKey(tenantId: string, idempotencyKey: string): string {
  return createHash('sha256').update(`${tenantId}\0${idempotencyKey}`).digest('base64url');
}
