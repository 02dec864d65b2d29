import { z } from 'zod';
import { SCOPES, type Scope } from '../identity/index.js';
import { boolean, integer, text, timestamp } from '../platform/protojson/index.js';
import { allowedOrigins } from './allowed-origins.js';
import { defaultOutputTokens, usageLimits, usageLimitView } from '../limits/index.js';

const MAX_REQUESTS_PER_MINUTE = 1_000_000_000;
const MAX_GRACE_SECONDS = 30 * 24 * 60 * 60;
const MAX_URL_LENGTH = 2048;

/** The most that a publishable key can hold: everyone who opens an app has its key. */
export const PUBLISHABLE_SCOPES = [
  'conversations:read',
  'conversations:write',
  'chat:write',
  'usage:read',
] as const satisfies readonly Scope[];

const scopesOf = <const S extends readonly [Scope, ...Scope[]]>(scopes: S, reason: string) =>
  z
    .array(z.enum(scopes, reason), 'must be a list of scopes')
    .max(scopes.length)
    .refine((named) => new Set(named).size === named.length, 'names a scope twice')
    .meta({ description: 'Scopes.' });

const MAX_MODELS = 100;
const KEY_TYPES = ['SECRET', 'PUBLISHABLE'] as const;
const KEY_STATUSES = ['ACTIVE', 'REVOKED', 'EXPIRED'] as const;

const name = text(1, 100);
const description = text(0, 1000);
const permissions = scopesOf(SCOPES, `is not a scope; the scopes are ${SCOPES.join(', ')}`);
const keyId = text(1, 64);

/** 0, the default of the wire format, stands for the service's own default. */
const requestsPerMinute = integer(0, MAX_REQUESTS_PER_MINUTE).meta({
  description: "Requests a minute; 0: the service's default.",
});
const requestsPerMinutePerHuman = integer(0, MAX_REQUESTS_PER_MINUTE).meta({
  description:
    "Requests a minute of each human of the key: end users, and the key's usage tokens; 0: the service's default.",
});
const rateLimit = z.strictObject({
  requestsPerMinute: requestsPerMinute.optional(),
  requestsPerMinutePerHuman: requestsPerMinutePerHuman.optional(),
});

const oidcConfig = z
  .strictObject({
    issuer: text(1, MAX_URL_LENGTH).meta({ description: 'The `iss` of the tokens, exactly.' }),
    audience: text(1, 1000).meta({ description: 'What `aud` must hold.' }),
    jwksUri: text(0, MAX_URL_LENGTH).default('').meta({ description: "Absent: by the issuer's discovery document." }),
    humanPrefix: text(0, 64).default('').meta({ description: 'Is put before `sub` to make the id of the human.' }),
  })
  .meta({ description: "The issuer of the users' tokens. Only owners and admins can set it." });
export type OidcConfigRequest = z.output<typeof oidcConfig>;

const defaultOutput = defaultOutputTokens.meta({
  description: "Output tokens of a call under a budget that names no limit, for each choice; 0: the tenant's default.",
});
const defaultLimits = usageLimits.meta({ description: 'The limits that a new human of this key starts with.' });
const models = z
  .array(text(1, 256), 'must be a list of models')
  .max(MAX_MODELS, `must have at most ${MAX_MODELS} models`)
  .refine((named) => new Set(named).size === named.length, 'names a model twice')
  .optional()
  .meta({ description: 'The models that the key may use, by the names that calls ask for. Empty: any.' });
const unlimited = boolean.meta({ description: 'true: new humans of this key start without limits.' });

export const createKeyRequest = z.strictObject({
  name,
  description: description.default(''),
  permissions: permissions.optional().meta({
    description:
      'Absent: the scopes of your role, without users:impersonate, audit:read and the write scopes of webhooks, gateways and providers.',
  }),
  models,
  rateLimit: rateLimit.optional(),
  defaultOutputTokens: defaultOutput.optional(),
  expiresAt: timestamp.optional(),
});
export type CreateKeyRequest = z.output<typeof createKeyRequest>;

export const createPublishableKeyRequest = z.strictObject({
  name,
  description: description.default(''),
  permissions: scopesOf(PUBLISHABLE_SCOPES, `must be one of ${PUBLISHABLE_SCOPES.join(', ')}`)
    .optional()
    .meta({ description: 'Absent: every scope that your role has and a publishable key can hold.' }),
  models,
  rateLimit: rateLimit.optional(),
  defaultOutputTokens: defaultOutput.optional(),
  expiresAt: timestamp.optional(),
  oidcConfig: oidcConfig.optional(),
  allowedOrigins: allowedOrigins.default([]),
  defaultLimits: defaultLimits.default([]),
  unlimited: unlimited.default(false),
});
export type CreatePublishableKeyRequest = z.output<typeof createPublishableKeyRequest>;

export const listKeysRequest = z.strictObject({
  search: text(0, 100)
    .default('')
    .meta({ description: 'A part of the name, in any case, or the first characters of the key.' }),
  status: z.enum(KEY_STATUSES, `must be one of ${KEY_STATUSES.join(', ')}`).optional(),
  type: z.enum(KEY_TYPES, `must be one of ${KEY_TYPES.join(', ')}`).optional(),
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
  models,
  rateLimit: rateLimit.optional(),
  defaultOutputTokens: defaultOutput.optional(),
  expiresAt: timestamp.optional(),
  neverExpires: boolean.optional().meta({ description: 'true removes the expiry.' }),
  oidcConfig: oidcConfig.optional(),
  allowedOrigins: allowedOrigins.optional(),
  defaultLimits: defaultLimits.optional(),
  unlimited: unlimited.optional(),
});
export type UpdateKeyRequest = z.output<typeof updateKeyRequest>;

export const rotateKeyRequest = z.strictObject({
  keyId,
  gracePeriodSeconds: integer(0, MAX_GRACE_SECONDS)
    .default(0)
    .meta({ description: 'How long the old secret still works; 0: it ends at once.' }),
});
export type RotateKeyRequest = z.output<typeof rotateKeyRequest>;

const dateTime = z.string().meta({ format: 'date-time' });

const keyView = z
  .object({
    keyId: z.string(),
    keyPrefix: z.string().meta({ description: "The key's first characters, to recognise it by." }),
    type: z.enum(KEY_TYPES),
    name: z.string(),
    description: z.string(),
    permissions: z.array(z.enum(SCOPES)),
    models: z.array(z.string()).meta({ description: 'Empty: any.' }),
    rateLimit: z.object({
      requestsPerMinute: z.number(),
      requestsPerMinutePerHuman: z
        .number()
        .optional()
        .meta({ description: "Of a secret key only where it is not the service's default." }),
    }),
    status: z.enum(KEY_STATUSES),
    createdAt: dateTime,
    createdBy: z.object({
      userId: z.string(),
      email: z.string().optional().meta({
        description: 'Absent: the user left the org, or the key was made or rotated by this very request.',
      }),
    }),
    rotatedAt: dateTime.optional().meta({ description: 'The last rotation. Absent: none yet.' }),
    oldSecretsExpireAt: dateTime
      .optional()
      .meta({ description: 'Until when older secrets of the key still work. Absent: the present one alone works.' }),
    expiresAt: dateTime.optional(),
    lastUsedAt: dateTime.optional(),
    oidcConfig: z
      .object({
        issuer: z.string(),
        audience: z.string(),
        jwksUri: z.string().optional(),
        humanPrefix: z.string(),
      })
      .optional()
      .meta({ description: 'Only for publishable keys, as are the fields below.' }),
    allowedOrigins: z.array(z.string()).optional(),
    defaultLimits: z.array(usageLimitView).optional(),
    unlimited: z.boolean().optional(),
    defaultOutputTokens: z.number().optional().meta({ description: "Absent: the tenant's." }),
  })
  .meta({ 'x-name': 'ApiKey' });
export type KeyView = z.output<typeof keyView>;

const shownOnce = {
  key: z
    .string()
    .optional()
    .meta({ description: 'The key, shown only this once; a repeat with the same Idempotency-Key does not have it.' }),
};
const notice = z
  .string()
  .optional()
  .meta({ description: 'Present when this repeats the answer to an earlier request with the same Idempotency-Key.' });

export const createKeyResponse = z.object({ result: keyView.extend(shownOnce), notice });
export const rotateKeyResponse = z.object({
  result: keyView.extend({
    ...shownOnce,
    previousKeyExpiresAt: dateTime.meta({ description: 'When the old secret ends.' }),
  }),
  notice,
});
export const keyResponse = z.object({ apiKey: keyView });
export const listKeysResponse = z.object({ apiKeys: z.array(keyView), nextPageToken: z.string() });
