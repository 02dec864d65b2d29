import { Injectable } from '@nestjs/common';
import type { TenantTransaction } from '../platform/database/index.js';
import { Events, type AuditAction, type DomainEvent } from '../platform/events/index.js';
import type { WebhookEventType } from './event-types.js';

interface Told {
  readonly type: WebhookEventType;
  readonly payload: Readonly<Record<string, unknown>>;
}

/**
 * The service's own events that webhooks send, and their payloads: ids and roles, nothing that a receiver's log should not
 * hold. An invitation's link and address are not part of its event.
 */
const TOLD: Partial<Readonly<Record<AuditAction, (event: DomainEvent) => Told>>> = {
  'member.invited': ({ resource, actor, details }) => ({
    type: 'member.invited',
    payload: { invitation_id: resource.id, role: details?.['role'], invited_by: actor.id },
  }),
  'usage_token.revoked': ({ resource }) => ({
    type: 'usage.token_revoked',
    payload: { human_id: resource.id },
  }),
};

/**
 * Enqueues deliveries in the transaction that caused them, so that change and deliveries are committed together. An org's
 * events go to the endpoints of all its tenants.
 */
@Injectable()
export class EventEnqueuer {
  constructor(events: Events) {
    events.subscribe((event, transaction) => this.hear(event, transaction));
  }

  private async hear(event: DomainEvent, transaction: TenantTransaction): Promise<void> {
    const told = TOLD[event.action]?.(event);
    if (told === undefined) return;
    await transaction.$executeRawUnsafe(
      'SELECT tell_webhooks($1, $2, $3::jsonb, $4)',
      told.type,
      event.humanId ?? null,
      JSON.stringify(told.payload),
      event.tenantId === null,
    );
  }
}
