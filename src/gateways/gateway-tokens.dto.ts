import { z } from 'zod';
import { boolean, integer, text, timestamp } from '../platform/protojson/index.js';
import { rateLimit, rateLimitView } from './rate-limit.js';

const name = text(1, 100).meta({ description: 'Unique among the live tokens of the gateway.' });

export const createTokenRequest = z.strictObject({
  name,
  expiresAt: timestamp.optional(),
  rateLimit: rateLimit.optional(),
});
export type CreateTokenRequest = z.output<typeof createTokenRequest>;

export const listTokensQuery = z.strictObject({
  page_size: integer(0, 500).default(0).meta({ description: '1 to 500; 0: 50.' }),
  page_token: text(0, 512).default('').meta({ description: 'From `nextPageToken`.' }),
  search: text(0, 100).default('').meta({ description: 'Part of the name; case is ignored.' }),
});
export type ListTokensQuery = z.output<typeof listTokensQuery>;

export const updateTokenRequest = z.strictObject({
  name: name.optional(),
  expiresAt: timestamp.optional(),
  neverExpires: boolean.optional().meta({ description: 'true removes the expiry.' }),
  rateLimit: rateLimit.optional().meta({ description: 'Replaces all limits; `{}`: no limit.' }),
});
export type UpdateTokenRequest = z.output<typeof updateTokenRequest>;

const dateTime = z.string().meta({ format: 'date-time' });

const tokenView = z
  .object({
    id: z.string(),
    name: z.string(),
    status: z.enum(['ACTIVE', 'EXPIRED']),
    rateLimit: rateLimitView,
    createdAt: dateTime,
    expiresAt: dateTime.optional(),
    lastUsedAt: dateTime.optional(),
  })
  .meta({ 'x-name': 'GatewayToken' });
export type TokenView = z.output<typeof tokenView>;

export const createTokenResponse = tokenView.extend({
  token: z.string().optional().meta({
    description: 'The token itself, shown only this once; a repeat with the same Idempotency-Key does not have it.',
  }),
  notice: z
    .string()
    .optional()
    .meta({ description: 'Present when this repeats the answer to an earlier request with the same Idempotency-Key.' }),
});
export const tokenResponse = tokenView;
export const listTokensResponse = z.object({ tokens: z.array(tokenView), nextPageToken: z.string() });
export const deleteTokenResponse = z.object({});
