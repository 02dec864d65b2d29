import { z } from 'zod';
import { pageFields } from '../platform/http/index.js';
import { text, timestamp } from '../platform/protojson/index.js';

const filter = text(0, 256).default('');

export const listEventsRequest = z.strictObject({
  action: filter.meta({ description: 'Such as `key.rotated` or `request.impersonated`.' }),
  actorType: z.enum(['user', 'key', 'system'], 'must be user, key or system').optional(),
  actorId: filter.meta({ description: "A user's or a key's id." }),
  human: filter.meta({ description: 'Your id of a human who was not erased.' }),
  humanId: filter.meta({ description: 'The id by which the log names a human.' }),
  resourceType: filter,
  resourceId: filter,
  requestId: filter,
  startTime: timestamp.optional().meta({ description: 'Events from then on.' }),
  endTime: timestamp.optional().meta({ description: 'Events before then.' }),
  format: z
    .enum(['JSON', 'CSV'], 'must be JSON or CSV')
    .default('JSON')
    .meta({ description: 'CSV: all matching events as one file; at most 50,000, else 400.' }),
  ...pageFields,
});
export type ListEventsRequest = z.output<typeof listEventsRequest>;

const eventView = z
  .object({
    id: z.string(),
    occurredAt: z.string().meta({ format: 'date-time' }),
    action: z.string(),
    actor: z.object({ type: z.string(), id: z.string().optional() }),
    subject: z
      .object({ humanId: z.string(), human: z.string().optional() })
      .optional()
      .meta({ description: 'The human; `human` is absent once the human was erased.' }),
    resource: z.object({ type: z.string(), id: z.string() }),
    tenantId: z.string().optional().meta({ description: "Absent: an event of the org's." }),
    requestId: z.string().optional(),
    address: z.string().optional().meta({ description: 'Where the request came from.' }),
    /** Free-form: its names are not ours to spell, and its nulls are values. */
    details: z
      .unknown()
      .meta({ type: 'object', additionalProperties: true, description: 'By action; see docs/events.md.' }),
  })
  .meta({ 'x-name': 'AuditEvent' });
export type EventView = z.output<typeof eventView>;

export const listEventsResponse = z.object({ events: z.array(eventView), nextPageToken: z.string() });
