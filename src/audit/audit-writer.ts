import { Injectable } from '@nestjs/common';
import { uuidV7 } from '../platform/crypto/index.js';
import type { TenantTransaction } from '../platform/database/index.js';
import { Events, type DomainEvent } from '../platform/events/index.js';
import { currentRequestContext } from '../platform/context/index.js';

/**
 * Writes what happened into the log, in the transaction that makes it happen: a change and its row are committed together.
 * Rows are never changed; the service's role has no right to.
 */
@Injectable()
export class AuditWriter {
  constructor(events: Events) {
    events.subscribe((event, transaction) => this.write(event, transaction));
  }

  private async write(event: DomainEvent, transaction: TenantTransaction): Promise<void> {
    const context = currentRequestContext();
    await transaction.$executeRawUnsafe(
      `INSERT INTO audit_events (id, org_id, tenant_id, action, actor_type, actor_id, human_id, resource_type,
                                 resource_id, request_id, address, details)
       VALUES ($1::uuid, current_org_id(), $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::jsonb)`,
      uuidV7(),
      event.tenantId,
      event.action,
      event.actor.type,
      event.actor.id,
      event.humanId ?? null,
      event.resource.type,
      event.resource.id,
      context?.requestId ?? null,
      context?.address ?? null,
      JSON.stringify(event.details ?? {}),
    );
  }
}
