import { z } from 'zod';
import { boolean, integer, text } from '../platform/protojson/index.js';
import { pageFields } from '../platform/http/index.js';
import { EVENT_TYPES } from './event-types.js';

const MAX_GRACE_SECONDS = 30 * 24 * 60 * 60;
const DEFAULT_GRACE_SECONDS = 24 * 60 * 60;
const MAX_URL_LENGTH = 2048;

const DELIVERY_STATUSES = ['PENDING', 'DELIVERED', 'FAILED'] as const;

const url = text(1, MAX_URL_LENGTH).meta({ description: 'https, and public; redirects are not followed.' });
const description = text(0, 1000);
const events = z
  .array(z.enum(EVENT_TYPES, `must be one of ${EVENT_TYPES.join(', ')}`), 'must be a list of events')
  .min(1, 'must name at least one event')
  .max(EVENT_TYPES.length)
  .refine((named) => new Set(named).size === named.length, 'names an event twice');
const endpointId = text(1, 64);

export const createEndpointRequest = z.strictObject({ url, description: description.default(''), events });
export type CreateEndpointRequest = z.output<typeof createEndpointRequest>;

export const listEndpointsRequest = z.strictObject(pageFields);
export type ListEndpointsRequest = z.output<typeof listEndpointsRequest>;

export const endpointIdRequest = z.strictObject({ endpointId });
export type EndpointIdRequest = z.output<typeof endpointIdRequest>;

export const updateEndpointRequest = z.strictObject({
  endpointId,
  url: url.optional(),
  secret: text(1, 200).optional().meta({ description: 'The current secret; only needed when the URL changes.' }),
  description: description.optional(),
  events: events.optional(),
  enabled: boolean.optional().meta({ description: 'true enables a disabled endpoint again.' }),
});
export type UpdateEndpointRequest = z.output<typeof updateEndpointRequest>;

export const rotateSecretRequest = z.strictObject({
  endpointId,
  url: url.optional().meta({ description: 'The new URL of the endpoint. The old secret is not used there.' }),
  gracePeriodSeconds: integer(0, MAX_GRACE_SECONDS)
    .optional()
    .meta({
      description: `How long deliveries are also signed with the old secret; absent: ${DEFAULT_GRACE_SECONDS}, or 0 with url.`,
    }),
});
export type RotateSecretRequest = z.output<typeof rotateSecretRequest>;

/** Without a new URL, receivers have a day to take up the new secret. */
export function graceSecondsOf({ url: newUrl, gracePeriodSeconds }: RotateSecretRequest): number {
  return gracePeriodSeconds ?? (newUrl === undefined ? DEFAULT_GRACE_SECONDS : 0);
}

export const listDeliveriesRequest = z.strictObject({
  endpointId: text(0, 64).default(''),
  status: z.enum(DELIVERY_STATUSES, `must be one of ${DELIVERY_STATUSES.join(', ')}`).optional(),
  ...pageFields,
});
export type ListDeliveriesRequest = z.output<typeof listDeliveriesRequest>;

export const redeliverRequest = z.strictObject({ deliveryId: text(1, 64) });
export type RedeliverRequest = z.output<typeof redeliverRequest>;

const dateTime = z.string().meta({ format: 'date-time' });

const endpointView = z
  .object({
    endpointId: z.string(),
    url: z.string(),
    description: z.string(),
    events: z.array(z.string()),
    status: z.enum(['ENABLED', 'DISABLED']),
    disabledReason: z.enum(['REQUESTED', 'FAILING', 'GONE']).optional().meta({
      description: 'REQUESTED: disabled with `update`. FAILING: it failed for too long. GONE: it answered 410.',
    }),
    disabledAt: dateTime.optional(),
    failingSince: dateTime.optional().meta({ description: 'The first failure since the last success.' }),
    createdAt: dateTime,
    updatedAt: dateTime,
  })
  .meta({ 'x-name': 'WebhookEndpoint' });
export type EndpointView = z.output<typeof endpointView>;

const attemptView = z
  .object({
    attempt: z.number().meta({ description: 'From 1.' }),
    beganAt: dateTime,
    endedAt: dateTime,
    statusCode: z.number().optional().meta({ description: 'Absent: no answer came.' }),
    error: z.string().optional().meta({ description: 'As `lastError`. Absent: delivered.' }),
  })
  .meta({ 'x-name': 'WebhookAttempt' });

const deliveryView = z
  .object({
    deliveryId: z.string(),
    endpointId: z.string(),
    eventId: z.string().meta({ description: 'The `webhook-id` that the receiver sees.' }),
    eventType: z.string(),
    status: z.enum(DELIVERY_STATUSES),
    attempts: z.number(),
    lastStatusCode: z.number().optional(),
    lastError: z.string().optional().meta({
      description:
        'UNREACHABLE, TIMEOUT, BROKEN, REDIRECT, REFUSED, GONE, INTERNAL (ours), or DISABLED (the endpoint was).',
    }),
    attemptLog: z.array(attemptView).meta({ description: 'The attempts that ended, oldest first.' }),
    createdAt: dateTime,
    lastAttemptAt: dateTime.optional(),
    nextAttemptAt: dateTime.optional(),
    endedAt: dateTime.optional(),
  })
  .meta({ 'x-name': 'WebhookDelivery' });
export type DeliveryView = z.output<typeof deliveryView>;
export type AttemptView = z.output<typeof attemptView>;

const notice = z
  .string()
  .optional()
  .meta({ description: 'Present when this repeats the answer to an earlier request with the same Idempotency-Key.' });
const secret = z
  .string()
  .optional()
  .meta({ description: 'Shown only this once; a repeat by its Idempotency-Key lacks it.' });

export const createEndpointResponse = z.object({ endpoint: endpointView, secret, notice });
export const rotateSecretResponse = z.object({
  endpoint: endpointView,
  secret,
  previousSecretExpiresAt: dateTime.optional().meta({ description: 'Absent: it has ended.' }),
  notice,
});
export const endpointResponse = z.object({ endpoint: endpointView });
export const listEndpointsResponse = z.object({ endpoints: z.array(endpointView), nextPageToken: z.string() });
export const deleteEndpointResponse = z.object({});
export const listDeliveriesResponse = z.object({ deliveries: z.array(deliveryView), nextPageToken: z.string() });
export const deliveryResponse = z.object({ delivery: deliveryView, notice });
