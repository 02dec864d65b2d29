import { z } from 'zod';
import { pageFields } from '../platform/http/index.js';
import { text, timestamp } from '../platform/protojson/index.js';
import { CALL_STATUSES } from '../usage/index.js';

const gatewayId = text(1, 64);

export const listCallsRequest = z.strictObject({
  gatewayId,
  status: z.enum(CALL_STATUSES, `must be one of ${CALL_STATUSES.join(', ')}`).optional(),
  model: text(1, 256).optional().meta({ description: 'As the provider was asked for it.' }),
  provider: text(1, 128).optional().meta({ description: 'As a call shows it; `cache`: what the cache answered.' }),
  tokenId: text(1, 64).optional(),
  requestId: text(1, 128).optional(),
  startTime: timestamp.optional().meta({ description: 'Calls from then on.' }),
  endTime: timestamp.optional().meta({ description: 'Calls before then.' }),
  ...pageFields,
});
export type ListCallsRequest = z.output<typeof listCallsRequest>;

export const getCallRequest = z.strictObject({ gatewayId, callId: text(1, 64) });
export type GetCallRequest = z.output<typeof getCallRequest>;

const dateTime = z.string().meta({ format: 'date-time' });
const count = z.string().meta({ format: 'int64' });

const callView = z
  .object({
    callId: z.string(),
    createdAt: dateTime,
    status: z.enum(CALL_STATUSES),
    outcome: z.string().meta({ description: 'How it ended, more closely: `OK`, `CLIENT_ABORTED`, `UPSTREAM_ERROR` …' }),
    statusCode: z.number().optional().meta({ description: "The provider's; absent: it did not answer." }),
    operation: z.string(),
    provider: z.string(),
    model: z.string(),
    cached: z.boolean().meta({ description: 'true: the cache answered, at no cost.' }),
    streamed: z.boolean(),
    tokenId: z.string().optional().meta({ description: 'Absent: the caller had none, at a gateway that is open.' }),
    tokenName: z.string().optional().meta({ description: 'Absent: the token is deleted.' }),
    inputTokens: count,
    cachedInputTokens: count,
    outputTokens: count,
    reasoningTokens: count,
    estimated: z.boolean().meta({ description: 'true: the provider did not say what was used.' }),
    costMicros: z
      .string()
      .optional()
      .meta({ description: 'Millionths of a dollar, an exact decimal; absent: the model has no known price.' }),
    durationMs: z.number().optional().meta({ description: 'Until the last byte of the answer, in milliseconds.' }),
    firstByteMs: z.number().optional().meta({
      description:
        'Until the first byte of the answer, in milliseconds; the whole answer, where it is not streamed. Absent: no answer of a provider.',
    }),
    requestId: z.string(),
  })
  .meta({ 'x-name': 'GatewayCall' });
export type CallView = z.output<typeof callView>;

export const listCallsResponse = z.object({ calls: z.array(callView), nextPageToken: z.string() });
export const getCallResponse = z.object({
  call: callView,
  requestBody: z.string().optional().meta({ description: 'As it was asked, where the gateway keeps bodies.' }),
  responseBody: z.string().optional().meta({ description: 'As the caller got it.' }),
});
