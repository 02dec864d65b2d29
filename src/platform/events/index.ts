export { AUDIT_EVENTS, type AuditAction, type AuditDetails } from './audit-events.js';
export { Events, type DomainEvent, type PublishedEvent } from './events.js';
export { EventsModule } from './events.module.js';
