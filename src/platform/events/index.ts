export { Events, type DomainEvent, type DomainEventListener } from './events.js';
export { EventsModule } from './events.module.js';
