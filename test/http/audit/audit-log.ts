/** What the audit log really holds. */
import type { ServiceClient } from '../../support/service.js';

export interface AuditRow {
  readonly id: string;
  readonly org_id: string;
  readonly tenant_id: string | null;
  readonly action: string;
  readonly actor_type: string;
  readonly actor_id: string | null;
  readonly human_id: string | null;
  /** The human's own id, where there is a way back to it. */
  readonly human: string | null;
  readonly resource_type: string;
  readonly resource_id: string;
  readonly request_id: string | null;
  readonly address: string | null;
  readonly details: Readonly<Record<string, unknown>>;
}

/** Rows of impersonated calls, oldest first by transaction: two rows may be of one millisecond. */
export function impersonatedCalls(service: ServiceClient): Promise<AuditRow[]> {
  return service.sql<AuditRow & Record<string, unknown>>(
    `SELECT a.*, h.human FROM audit_events a LEFT JOIN humans h ON h.tenant_id = a.tenant_id AND h.id = a.human_id
     WHERE a.action = 'request.impersonated' ORDER BY age(a.xmin) DESC`,
  );
}

export async function clearAuditLog(service: ServiceClient): Promise<void> {
  await service.sql('DELETE FROM audit_events');
}
