/** The contents of the audit log, read from the database. */
import type { ServiceClient } from '../../support/service.js';

export interface AuditRow {
  readonly id: string;
  readonly org_id: string;
  readonly tenant_id: string | null;
  readonly action: string;
  readonly actor_type: string;
  readonly actor_id: string | null;
  readonly human_id: string | null;
  /** The human's own id, as long as it is known. */
  readonly human: string | null;
  readonly resource_type: string;
  readonly resource_id: string;
  readonly request_id: string | null;
  readonly address: string | null;
  readonly details: Readonly<Record<string, unknown>>;
}

/** Rows of impersonated calls, oldest first by transaction, since two rows may have the same millisecond. */
export function impersonatedCalls(service: ServiceClient): Promise<AuditRow[]> {
  return service.sql<AuditRow & Record<string, unknown>>(
    `SELECT a.*, h.human FROM audit_events a LEFT JOIN humans h ON h.tenant_id = a.tenant_id AND h.id = a.human_id
     WHERE a.action = 'request.impersonated' ORDER BY age(a.xmin) DESC`,
  );
}

export async function clearAuditLog(service: ServiceClient): Promise<void> {
  await service.sql('DELETE FROM audit_events');
}
