import { Injectable } from '@nestjs/common';
import type { TenantTransaction } from '../database/index.js';
import type { AuditAction, AuditDetails } from './audit-events.js';

/** Something that an actor did to a resource. Holds ids and names of fields, never secrets or personal data. */
export interface DomainEvent {
  /** `<resource>.<past participle>`, e.g. `key.rotated`. */
  readonly action: AuditAction;
  readonly actor: { readonly type: 'user' | 'key' | 'system'; readonly id: string };
  /** Null: it concerns the org of the transaction's tenant, not that tenant alone. */
  readonly tenantId: string | null;
  /** The human whom it concerns, by the id that outlives them (`hum_…`), never by name. */
  readonly humanId?: string;
  readonly resource: { readonly type: string; readonly id: string };
  readonly details?: Readonly<Record<string, unknown>>;
}

/** The same with the details that its action has. */
export type PublishedEvent<Action extends AuditAction> = Omit<DomainEvent, 'action' | 'details'> & {
  readonly action: Action;
  readonly details: AuditDetails<Action>;
};

/** @throws whatever keeps it from hearing: the transaction that told it then fails as a whole */
export type DomainEventListener = (event: DomainEvent, transaction: TenantTransaction) => Promise<void>;

/**
 * Tells other rooms what happened, inside the transaction that makes it happen: what a listener writes there (an audit
 * row, a webhook's delivery) is committed with the change or not at all.
 */
@Injectable()
export class Events {
  private readonly listeners: DomainEventListener[] = [];

  subscribe(listener: DomainEventListener): void {
    this.listeners.push(listener);
  }

  /** @param transaction one that sees the tenant, or the org, whose event it is */
  async publish<Action extends AuditAction>(
    transaction: TenantTransaction,
    event: PublishedEvent<Action>,
  ): Promise<void> {
    for (const listener of this.listeners) await listener(event, transaction);
  }
}
