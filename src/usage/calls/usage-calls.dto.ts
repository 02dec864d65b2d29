import { z } from 'zod';
import { pageFields } from '../../platform/http/index.js';
import { text, timestamp } from '../../platform/protojson/index.js';
import { CALL_STATUSES } from './call-log.js';

const id = text(1, 64);

export const listUsageCallsRequest = z.strictObject({
  status: z.enum(CALL_STATUSES, `must be one of ${CALL_STATUSES.join(', ')}`).optional(),
  outcome: text(1, 64).optional().meta({ description: 'How the call ended: `OK`, `UPSTREAM_ERROR` and others.' }),
  operation: text(1, 64).optional().meta({ description: '`chat`, `embeddings` or `responses`.' }),
  model: text(1, 256).optional().meta({ description: 'The model that answered.' }),
  provider: text(1, 128).optional(),
  keyId: id.optional(),
  human: text(1, 256).optional().meta({ description: 'Your own id of the human.' }),
  userId: text(1, 128).optional().meta({ description: 'The dashboard user who called.' }),
  gatewayId: id.optional(),
  requestId: text(1, 128).optional(),
  startTime: timestamp.optional().meta({ format: 'date-time', description: 'From this time on.' }),
  endTime: timestamp.optional().meta({ format: 'date-time', description: 'Before this time.' }),
  ...pageFields,
});
export type ListUsageCallsRequest = z.output<typeof listUsageCallsRequest>;

export const getUsageCallRequest = z.strictObject({ callId: id });
export type GetUsageCallRequest = z.output<typeof getUsageCallRequest>;

const dateTime = z.string().meta({ format: 'date-time' });
const count = z.string().meta({ format: 'int64' });

const usageCallView = z
  .object({
    callId: z.string(),
    createdAt: dateTime,
    status: z.enum(CALL_STATUSES),
    outcome: z.string().meta({ description: 'How the call ended: `OK`, `UPSTREAM_ERROR` and others.' }),
    statusCode: z.number().optional().meta({ description: "The provider's. Absent: it did not answer." }),
    operation: z.string(),
    modelAsked: z.string().meta({ description: 'The name that the caller asked for: a model or a route.' }),
    model: z.string().meta({ description: 'The model that answered.' }),
    provider: z.string(),
    tries: z.number().meta({ description: 'Which try of the route this is; 1 is the first.' }),
    streamed: z.boolean(),
    keyId: z.string().optional(),
    keyName: z.string().optional().meta({ description: 'Absent: the key is gone.' }),
    userId: z.string().optional().meta({ description: 'The dashboard user who called.' }),
    humanId: z.string().optional(),
    human: z.string().optional().meta({ description: 'Absent: the human is erased.' }),
    gatewayId: z.string().optional(),
    gatewayName: z.string().optional().meta({ description: 'Absent: the gateway is gone.' }),
    inputTokens: count,
    cachedInputTokens: count,
    outputTokens: count,
    reasoningTokens: count,
    estimated: z.boolean().meta({ description: 'true: the provider did not say what was used.' }),
    costMicros: z
      .string()
      .optional()
      .meta({ description: 'Millionths of a dollar, an exact decimal. Absent: the model has no known price.' }),
    durationMs: z.number().optional().meta({ description: 'Until the last byte of the answer, in milliseconds.' }),
    firstByteMs: z.number().optional().meta({
      description:
        'Until the first byte of the answer, in milliseconds; the whole answer, where it is not streamed. Absent: no answer of a provider.',
    }),
    requestId: z.string(),
  })
  .meta({ 'x-name': 'UsageCall' });
export type UsageCallView = z.output<typeof usageCallView>;

export const listUsageCallsResponse = z.object({ calls: z.array(usageCallView), nextPageToken: z.string() });
export const getUsageCallResponse = z.object({ call: usageCallView });
