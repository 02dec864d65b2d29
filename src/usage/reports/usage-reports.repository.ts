import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Database, type TenantTransaction } from '../../platform/database/index.js';
import type { ReportedType } from './usage-reports.dto.js';

export interface UsageReport {
  readonly id: string;
  readonly human: string;
  readonly keyId: string | null;
  readonly userId: string | null;
  readonly type: ReportedType;
  readonly microUnits: string;
  readonly idempotencyKey: string;
}

/** The outcome of a report. */
export interface CountedReport {
  /** `known`: the report was counted before; `other`: its key was used for another report; `gone`: the tenant was deleted. */
  readonly outcome: 'new' | 'known' | 'other' | 'gone';
  /** The report that has the key. */
  readonly reportId: string;
}

const VALUES = '$2::uuid, $3, $4, $5, $6, $7::bigint, $8';
const REPORT = { name: 'report_usage', text: `report_usage(tenant.id, ${VALUES})` };
const REPORT_IN_TRANSACTION = `SELECT outcome, report_id FROM report_usage($1, ${VALUES})`;

interface ReportRow {
  readonly outcome: CountedReport['outcome'];
  readonly report_id: string;
}

/** Reports of tenants' servers, in the ledger and in their humans' limits. */
@Injectable()
export class UsageReportsRepository {
  constructor(private readonly database: Database) {}

  /** Counts a report in a transaction of its own. A trigger sends it to the tenant's webhooks. */
  async add(tenantId: string, report: UsageReport): Promise<CountedReport> {
    return countedOf(await this.database.callInTenant<ReportRow>(tenantId, REPORT, valuesOf(tenantId, report)));
  }

  /** The same, in a transaction with other work. */
  async addWithin(tx: TenantTransaction, tenantId: string, report: UsageReport): Promise<CountedReport> {
    const values = valuesOf(tenantId, report);
    return countedOf(await tx.$queryRawUnsafe<ReportRow[]>(REPORT_IN_TRANSACTION, tenantId, ...values));
  }

  /** For writes: holds the tenant against deletion until the transaction ends. */
  change<T>(tenantId: string, work: (tx: TenantTransaction) => Promise<T>): Promise<T> {
    return this.database.changeTenant(tenantId, work);
  }
}

function valuesOf(tenantId: string, report: UsageReport): unknown[] {
  const { id, human, keyId, userId, type, microUnits, idempotencyKey } = report;
  return [id, human, keyId, userId, type, microUnits, storedKey(tenantId, idempotencyKey)];
}

function countedOf([row]: readonly ReportRow[]): CountedReport {
  if (row === undefined) throw new TypeError('report_usage gave no row.');
  return { outcome: row.outcome, reportId: row.report_id };
}

/**
 * The form in which the ledger keeps a report's key: hashed, since callers may put a human's name into it. Without a pepper: a
 * changed pepper would let a repeat be counted again.
 */
function storedKey(tenantId: string, idempotencyKey: string): string {
  return createHash('sha256').update(`${tenantId}\0${idempotencyKey}`).digest('base64url');
}
