import { Injectable } from '@nestjs/common';
import { Database, Prisma } from '../platform/database/index.js';
import type { Cursor } from '../platform/http/index.js';

/** One event, as the log holds it. */
export interface AuditEventRecord {
  readonly id: string;
  /** Null: an event of the org. */
  readonly tenantId: string | null;
  readonly occurredAt: Date;
  readonly action: string;
  readonly actorType: string;
  readonly actorId: string | null;
  readonly humanId: string | null;
  /** The human's own id, while there is a way back to it. */
  readonly human: string | null;
  readonly resourceType: string;
  readonly resourceId: string;
  readonly requestId: string | null;
  readonly address: string | null;
  readonly details: unknown;
}

/** What is not named is not asked for. */
export interface AuditFilter {
  readonly action?: string;
  readonly actorType?: string;
  readonly actorId?: string;
  /** A human's own id. */
  readonly human?: string;
  readonly humanId?: string;
  readonly resourceType?: string;
  readonly resourceId?: string;
  readonly requestId?: string;
  readonly startTime?: Date;
  readonly endTime?: Date;
}

export interface ImpersonatedCall {
  readonly id: string;
  readonly tenantId: string;
  readonly keyId: string;
  readonly human: string;
  readonly route: string;
  readonly requestId: string | null;
  readonly address: string;
}

const RECORD = {
  name: 'record_impersonation',
  text: 'SELECT record_impersonation($1, $2, $3, $4, $5, $6, $7) AS written',
};

/**
 * For this transaction: row-level security says org and tenant once more, and a plan that is kept knows no filter's worth,
 * so that Postgres expects a few rows and would rather gather and sort them all than read a page of them in order. A sort that
 * can't be avoided counts as so dear then that Postgres would compile the statement, for a second.
 */
export const READ_IN_ORDER = Prisma.sql`SELECT set_config('enable_sort', 'off', true), set_config('jit', 'off', true)`;

/** After every event: where the first page begins. */
const NEWEST = { occurredAt: 'infinity', id: 'ffffffff-ffff-ffff-ffff-ffffffffffff' };

/** A tenant's log, and its org's. */
@Injectable()
export class AuditRepository {
  constructor(private readonly database: Database) {}

  list(tenantId: string, filter: AuditFilter, after: Cursor | null, take: number): Promise<AuditEventRecord[]> {
    return this.database.withTenant(tenantId, async (tx) => {
      const { human, ...rest } = filter;
      let { humanId } = filter;
      if (human !== undefined) {
        const named = await tx.human.findFirst({ where: { tenantId, human }, select: { id: true } });
        // An unknown name, or one that does not belong to the id, is on no row.
        if (named === null || (humanId ?? named.id) !== named.id) return [];
        humanId = named.id;
      }
      await tx.$executeRaw(READ_IN_ORDER);
      return tx.$queryRaw(listing(tenantId, { ...rest, ...(humanId === undefined ? {} : { humanId }) }, after, take));
    });
  }

  /**
   * @returns false: the tenant is gone, and nothing is written
   * @throws Fault unavailable
   */
  async recordImpersonation(call: ImpersonatedCall): Promise<boolean> {
    const { id, tenantId, keyId, human, route, requestId, address } = call;
    const rows = await this.database.call<{ written: boolean }>(RECORD, [
      id,
      tenantId,
      keyId,
      human,
      route,
      requestId,
      address,
    ]);
    return rows[0]?.written === true;
  }
}

/**
 * One page of the tenant's events and the org's own, each read from where it begins in one index, and merged: however long
 * the log, and whatever other tenants of the org wrote. (Each part has one tenant_id, or none: it stands in the order since
 * it stands in the index.) One text for all filters, so that Postgres keeps one plan.
 */
export function listing(
  tenantId: string,
  filter: Omit<AuditFilter, 'human'>,
  after: Cursor | null,
  take: number,
): Prisma.Sql {
  const matching = Prisma.sql`
    (e.occurred_at, e.id) < (f.before_at, f.before_id)
    AND e.occurred_at >= f.from_at AND e.occurred_at < f.to_at
    AND (f.action IS NULL OR e.action = f.action)
    AND (f.actor_type IS NULL OR e.actor_type = f.actor_type)
    AND (f.actor_id IS NULL OR e.actor_id = f.actor_id)
    AND (f.human_id IS NULL OR e.human_id = f.human_id)
    AND (f.resource_type IS NULL OR e.resource_type = f.resource_type)
    AND (f.resource_id IS NULL OR e.resource_id = f.resource_id)
    AND (f.request_id IS NULL OR e.request_id = f.request_id)
    ORDER BY e.tenant_id, e.occurred_at DESC, e.id DESC LIMIT ${take}`;
  return Prisma.sql`
    SELECT e.id, e.tenant_id AS "tenantId", e.occurred_at AS "occurredAt", e.action, e.actor_type AS "actorType",
           e.actor_id AS "actorId", e.human_id AS "humanId", h.human, e.resource_type AS "resourceType",
           e.resource_id AS "resourceId", e.request_id AS "requestId", e.address, e.details
    FROM (SELECT ${after?.createdAt.toISOString() ?? NEWEST.occurredAt}::timestamptz AS before_at,
                 ${after?.id ?? NEWEST.id}::uuid AS before_id,
                 ${filter.startTime?.toISOString() ?? '-infinity'}::timestamptz AS from_at,
                 ${filter.endTime?.toISOString() ?? 'infinity'}::timestamptz AS to_at,
                 ${filter.action ?? null}::text AS action,
                 ${filter.actorType ?? null}::text AS actor_type,
                 ${filter.actorId ?? null}::text AS actor_id,
                 ${filter.humanId ?? null}::text AS human_id,
                 ${filter.resourceType ?? null}::text AS resource_type,
                 ${filter.resourceId ?? null}::text AS resource_id,
                 ${filter.requestId ?? null}::text AS request_id) AS f
    CROSS JOIN LATERAL (
      (SELECT * FROM audit_events e WHERE e.org_id = current_org_id() AND e.tenant_id = ${tenantId} AND ${matching})
      UNION ALL
      (SELECT * FROM audit_events e WHERE e.org_id = current_org_id() AND e.tenant_id IS NULL AND ${matching})
    ) AS e
    LEFT JOIN humans h ON h.tenant_id = ${tenantId} AND h.id = e.human_id
    ORDER BY e.occurred_at DESC, e.id DESC LIMIT ${take}`;
}
