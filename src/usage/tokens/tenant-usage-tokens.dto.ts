import { z } from 'zod';
import { pageFields } from '../../platform/http/index.js';
import { text } from '../../platform/protojson/index.js';

const STATUSES = ['ACTIVE', 'REVOKED', 'EXPIRED'] as const;
export type UsageTokenStatus = (typeof STATUSES)[number];

export const listUsageTokensRequest = z.strictObject({
  search: text(0, 256).default('').meta({ description: "A part of the human's id, in any case." }),
  human: text(1, 256).optional().meta({ description: 'The tokens of one human, by your own id.' }),
  keyId: text(1, 64).optional().meta({ description: 'The tokens that one key made.' }),
  status: z.enum(STATUSES, `must be one of ${STATUSES.join(', ')}`).optional(),
  ...pageFields,
});
export type ListUsageTokensRequest = z.output<typeof listUsageTokensRequest>;

export const revokeUsageTokenRequest = z.strictObject({ tokenId: text(1, 64) });
export type RevokeUsageTokenRequest = z.output<typeof revokeUsageTokenRequest>;

const dateTime = z.string().meta({ format: 'date-time' });

const usageTokenView = z
  .object({
    tokenId: z.string().meta({ description: 'The `jti` of the token.' }),
    human: z.string(),
    keyId: z.string().meta({ description: 'The secret key that made it.' }),
    keyName: z.string(),
    status: z.enum(STATUSES),
    createdAt: dateTime,
    expiresAt: dateTime.meta({ description: "When it ends; its key's end, if that comes first." }),
  })
  .meta({ 'x-name': 'UsageToken' });
export type UsageTokenView = z.output<typeof usageTokenView>;

export const listUsageTokensResponse = z.object({ tokens: z.array(usageTokenView), nextPageToken: z.string() });
export const revokeUsageTokenResponse = z.object({ token: usageTokenView });
