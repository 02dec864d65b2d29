export { Events, type DomainEvent } from './events.js';
export { EventsModule } from './events.module.js';
