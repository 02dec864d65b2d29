import { z } from 'zod';
import { PROVIDER_FIELDS, PROVIDER_KINDS, providerSettingsView } from '../llm/index.js';
import { pageFields } from '../platform/http/index.js';
import { boolean, integer, int64, text } from '../platform/protojson/index.js';
import { rateLimit, rateLimitView } from './rate-limit.js';

const MAX_PROVIDERS = 20;
const MAX_TTL_SECONDS = 172_800;
const MAX_RETENTION_DAYS = 365;
export const DEFAULT_CACHE_BYTES = 64n * 1024n * 1024n;
const LEAST_CACHE_BYTES = 64n * 1024n;
const MOST_CACHE_BYTES = 10n * 1024n * 1024n * 1024n;

const gatewayId = text(1, 64);
const name = text(1, 50)
  .refine((value) => /^[A-Za-z0-9_-]{5,50}$/.test(value), 'must be 5 to 50 letters, digits, "_" and "-"')
  .meta({ description: 'Unique in the tenant.' });
const authenticated = boolean.meta({
  description:
    'false: callers need no token. The operator must allow this (GATEHOUSE_OPEN_GATEWAYS), and `rateLimit` is required.',
});

const { kind, credential, credentials, baseUrl, models, settings } = PROVIDER_FIELDS;
const provider = z.strictObject({
  provider: kind,
  name: PROVIDER_FIELDS.name.optional().meta({
    description:
      'Unique in the gateway. Calls name it in the path or before the model. Absent: the same as `provider`.',
  }),
  apiKey: credential.optional().meta({ description: 'Never shown again. Absent in an update: unchanged.' }),
  credentials: credentials
    .optional()
    .meta({ description: 'Instead of `apiKey`, for providers with other credentials.' }),
  endpoint: baseUrl.default(''),
  models: models.default([]),
  settings: settings.default({}),
});
export type GatewayProviderRequest = z.output<typeof provider>;

const providers = z
  .array(provider, 'must be a list of providers')
  .min(1, 'must have at least one provider')
  .max(MAX_PROVIDERS, `must have at most ${MAX_PROVIDERS} providers`)
  .refine(
    (all) => new Set(all.map(nameOfProvider)).size === all.length,
    'must not have two providers with the same name',
  )
  .meta({ description: 'In order: the first that serves the model is called.' });

const cache = z
  .strictObject({
    ttlSeconds: integer(0, MAX_TTL_SECONDS).meta({
      description: 'How many seconds an answer is reused for the same request, at most two days; 0: never.',
    }),
    maxBytes: int64(LEAST_CACHE_BYTES, MOST_CACHE_BYTES)
      .default(DEFAULT_CACHE_BYTES)
      .meta({ description: 'The size of the cache; the oldest answers are dropped first.' }),
  })
  .meta({ description: 'The cache of answers, encrypted.' });

const bodies = z
  .strictObject({
    retentionDays: integer(0, MAX_RETENTION_DAYS).meta({
      description: 'How many days bodies are kept; 0: not at all.',
    }),
  })
  .meta({ description: 'Whether request and answer bodies are kept, encrypted, for `get-call`.' });

export const createGatewayRequest = z.strictObject({
  name,
  authenticated: authenticated.default(true),
  providers,
  rateLimit: rateLimit.optional(),
  cache: cache.optional(),
  bodies: bodies.optional(),
});
export type CreateGatewayRequest = z.output<typeof createGatewayRequest>;

export const listGatewaysRequest = z.strictObject({
  search: text(0, 100).default('').meta({ description: 'Part of the name; case is ignored.' }),
  ...pageFields,
});
export type ListGatewaysRequest = z.output<typeof listGatewaysRequest>;

export const gatewayIdRequest = z.strictObject({ gatewayId });
export type GatewayIdRequest = z.output<typeof gatewayIdRequest>;

export const updateGatewayRequest = z.strictObject({
  gatewayId,
  name: name.optional(),
  authenticated: authenticated.optional(),
  providers: providers.optional().meta({
    description: 'Replaces the whole list. A provider with the same name keeps its key, unless you send another.',
  }),
  rateLimit: rateLimit.optional().meta({ description: 'Replaces all limits; `{}`: no limit.' }),
  cache: cache.optional(),
  bodies: bodies.optional(),
});
export type UpdateGatewayRequest = z.output<typeof updateGatewayRequest>;

const dateTime = z.string().meta({ format: 'date-time' });

const providerView = z
  .object({
    provider: z.enum(PROVIDER_KINDS),
    name: z.string(),
    endpoint: z.string().optional().meta({ description: "Absent: the provider's own address." }),
    models: z.array(z.string()),
    settings: providerSettingsView,
    apiKeySetAt: dateTime.optional().meta({ description: 'Absent: none is stored.' }),
  })
  .meta({ 'x-name': 'GatewayProvider' });

const gatewayView = z
  .object({
    id: z.string(),
    name: z.string(),
    authenticated: z.boolean(),
    providers: z.array(providerView),
    rateLimit: rateLimitView,
    cache: z.object({
      ttlSeconds: z.number().meta({ description: '0: nothing is kept.' }),
      maxBytes: z.string().meta({ format: 'int64' }),
    }),
    bodies: z.object({ retentionDays: z.number().meta({ description: '0: none are kept.' }) }),
    createdAt: dateTime,
    updatedAt: dateTime,
  })
  .meta({ 'x-name': 'Gateway' });
export type GatewayView = z.output<typeof gatewayView>;

const notice = z
  .string()
  .optional()
  .meta({ description: 'Present when this repeats the answer to an earlier request with the same Idempotency-Key.' });

export const createGatewayResponse = z.object({
  gateway: gatewayView,
  token: z.string().optional().meta({
    description: 'The first token, shown only this once; a repeat with the same Idempotency-Key does not have it.',
  }),
  notice,
});
export const gatewayResponse = z.object({ gateway: gatewayView });
export const listGatewaysResponse = z.object({ gateways: z.array(gatewayView), nextPageToken: z.string() });
export const deleteGatewayResponse = z.object({});

export function nameOfProvider({
  name: named,
  provider: ofKind,
}: Pick<GatewayProviderRequest, 'name' | 'provider'>): string {
  return named ?? ofKind;
}
