import { formatTimestamp } from '../platform/protojson/index.js';
import { EVENT_TYPES } from './event-types.js';
import type { AttemptView, DeliveryView, EndpointView } from './webhooks.dto.js';
import type { DeliveryRecord, EndpointRecord } from './webhooks.repository.js';

export function viewEndpoint(record: EndpointRecord): EndpointView {
  const chosen = new Set(record.subscriptions.map(({ type }) => type));
  return {
    endpointId: record.id,
    url: record.url,
    description: record.description,
    events: EVENT_TYPES.filter((type) => chosen.has(type)),
    status: record.status as EndpointView['status'],
    ...(record.disabledReason === null
      ? {}
      : { disabledReason: record.disabledReason as NonNullable<EndpointView['disabledReason']> }),
    ...told('disabledAt', record.disabledAt),
    ...told('failingSince', record.failingSince),
    createdAt: formatTimestamp(record.createdAt),
    updatedAt: formatTimestamp(record.updatedAt),
  };
}

export function viewDelivery(record: DeliveryRecord): DeliveryView {
  return {
    deliveryId: record.id,
    endpointId: record.endpointId,
    eventId: record.eventId,
    eventType: record.event.type,
    status: record.status as DeliveryView['status'],
    attempts: record.attempts,
    ...(record.lastStatusCode === null ? {} : { lastStatusCode: record.lastStatusCode }),
    ...(record.lastError === null ? {} : { lastError: record.lastError }),
    attemptLog: attemptsOf(record),
    createdAt: formatTimestamp(record.createdAt),
    ...told('lastAttemptAt', record.lastAttemptAt),
    ...told('nextAttemptAt', record.nextAttemptAt),
    ...told('endedAt', record.endedAt),
  };
}

/** As `finish_webhook_delivery` writes them. */
function attemptsOf({ attemptLog }: DeliveryRecord): AttemptView[] {
  return (attemptLog as unknown as AttemptView[]).map(({ beganAt, endedAt, ...rest }) => ({
    ...rest,
    beganAt: formatTimestamp(new Date(beganAt)),
    endedAt: formatTimestamp(new Date(endedAt)),
  }));
}

function told<K extends string>(name: K, at: Date | null): Partial<Record<K, string>> {
  return at === null ? {} : ({ [name]: formatTimestamp(at) } as Record<K, string>);
}
