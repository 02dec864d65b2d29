import { z } from 'zod';
import { SCOPES } from '../identity/index.js';
import { integer, text, timestamp } from '../platform/http/index.js';

const name = text(1, 100);
const description = text(0, 1000);
const permissions = z
  .array(z.enum(SCOPES, 'is no scope'), 'must be a list of scopes')
  .max(SCOPES.length)
  .refine((scopes) => new Set(scopes).size === scopes.length, 'names a scope twice')
  .meta({ description: 'Scopes.' });
const keyId = text(1, 64);

/** 0, the default of the wire format, stands for the service's own default. */
const rateLimit = z.strictObject({
  requestsPerMinute: integer(0, 1_000_000_000).meta({ description: "Requests a minute; 0: the service's default." }),
});

export const createKeyRequest = z.strictObject({
  name,
  description: description.default(''),
  permissions: permissions
    .optional()
    .meta({ description: "Absent: the creator's own scopes but for the far-reaching ones." }),
  rateLimit: rateLimit.optional(),
  expiresAt: timestamp.optional(),
});
export type CreateKeyRequest = z.output<typeof createKeyRequest>;

export const listKeysRequest = z.strictObject({
  pageSize: integer(0, 500).default(0).meta({ description: '1 to 500; 0: 50.' }),
  pageToken: text(0, 512).default(''),
});
export type ListKeysRequest = z.output<typeof listKeysRequest>;

export const keyIdRequest = z.strictObject({ keyId });
export type KeyIdRequest = z.output<typeof keyIdRequest>;

export const updateKeyRequest = z.strictObject({
  keyId,
  name: name.optional(),
  description: description.optional(),
  permissions: permissions.optional(),
  rateLimit: rateLimit.optional(),
  expiresAt: timestamp.optional(),
  neverExpires: z.boolean('must be true or false').optional().meta({ description: 'true removes the expiry.' }),
});
export type UpdateKeyRequest = z.output<typeof updateKeyRequest>;

const dateTime = z.string().meta({ format: 'date-time' });

export const keyView = z.object({
  keyId: z.string(),
  keyPrefix: z.string().meta({ description: "The key's first characters, to recognise it by." }),
  type: z.enum(['SECRET', 'PUBLISHABLE']),
  name: z.string(),
  description: z.string(),
  permissions: z.array(z.enum(SCOPES)),
  rateLimit: z.object({ requestsPerMinute: z.number() }),
  status: z.enum(['ACTIVE', 'REVOKED', 'EXPIRED']),
  createdAt: dateTime,
  expiresAt: dateTime.optional(),
  lastUsedAt: dateTime.optional(),
});
export type KeyView = z.output<typeof keyView>;

export const createKeyResponse = z.object({
  result: keyView.extend({ key: z.string().meta({ description: 'The key itself, shown this once.' }) }),
});
export const keyResponse = z.object({ apiKey: keyView });
export const listKeysResponse = z.object({ apiKeys: z.array(keyView), nextPageToken: z.string() });
