import { z } from 'zod';
import { pageFields } from '../../platform/http/index.js';
import { boolean, text } from '../../platform/protojson/index.js';
import { PROVIDER_KINDS } from '../providers/provider-factory.js';

const MAX_MODELS = 500;
const MAX_DEPLOYMENTS = 200;
const MAX_URL_LENGTH = 2048;
const STATUSES = ['ENABLED', 'DISABLED'] as const;

const matching = (pattern: RegExp, max: number, reason: string): z.ZodType<string> =>
  text(1, max).refine((value) => pattern.test(value), reason);

const providerId = text(1, 64);
const name = matching(
  /^[A-Za-z0-9][A-Za-z0-9._-]*$/,
  50,
  'must start with a letter or digit, and hold only letters, digits, ".", "_" and "-"',
).meta({ description: 'Unique in the tenant. The log of calls shows it after the kind.' });
const kind = z.enum(PROVIDER_KINDS, `must be one of ${PROVIDER_KINDS.join(', ')}`);
const baseUrl = text(0, MAX_URL_LENGTH).meta({
  description:
    'https, and public; redirects are not followed. Needed for `openai_compatible` and `azure_openai`; empty: the default of the kind.',
});
/** What a header can carry. */
const credential = matching(/^[\x21-\x7e]+$/, 8192, 'must be printable ASCII without spaces');
const credentials = z
  .strictObject({
    apiKey: credential.optional(),
    accessKeyId: credential.optional(),
    secretAccessKey: credential.optional(),
    sessionToken: credential.optional(),
  })
  .meta({
    description:
      '`apiKey`; for `amazon_bedrock` also `accessKeyId` and `secretAccessKey`, and where they are temporary `sessionToken`. Never shown again.',
  });
const models = z
  .array(text(1, 256), 'must be a list of names')
  .max(MAX_MODELS, `must have at most ${MAX_MODELS} models`)
  .refine((named) => new Set(named).size === named.length, 'names a model twice')
  .meta({ description: 'The only models that calls may name; empty: any model of the provider.' });
const deployments = z
  .object({})
  .catchall(matching(/^[A-Za-z0-9._-]+$/, 64, 'must be the name of a deployment'))
  .refine((named) => Object.keys(named).length <= MAX_DEPLOYMENTS, `must name at most ${MAX_DEPLOYMENTS} models`);
const settings = z
  .strictObject({
    organization: credential.optional().meta({ description: '`openai`.' }),
    project: credential.optional().meta({ description: '`openai`.' }),
    responses: z.boolean().optional().meta({
      description: '`openai`, `openai_compatible`: whether it has the Responses API. Absent: OpenAI itself has.',
    }),
    apiVersion: matching(/^[A-Za-z0-9._-]+$/, 40, 'must be a version like 2024-10-21')
      .optional()
      .meta({ description: '`azure_openai`.' }),
    deployments: deployments
      .optional()
      .meta({ description: '`azure_openai`: the deployment of each model that is not deployed under its own name.' }),
    region: matching(/^[a-z]{2}(?:-[a-z]+)+-\d+$/, 40, 'must be a region like eu-central-1')
      .optional()
      .meta({ description: '`amazon_bedrock`, which needs it.' }),
  })
  .meta({ description: 'By kind.' });

/** What a provider is set up with, for other rooms that set providers up. */
export const PROVIDER_FIELDS = { name, kind, baseUrl, credential, credentials, models, settings };

export const createProviderRequest = z.strictObject({
  name,
  kind,
  baseUrl: baseUrl.default(''),
  credentials: credentials.default({}),
  models: models.default([]),
  settings: settings.default({}),
});
export type CreateProviderRequest = z.output<typeof createProviderRequest>;

export const listProvidersRequest = z.strictObject({
  search: text(0, 100).default('').meta({ description: 'Part of the name; case is ignored.' }),
  status: z.enum(STATUSES, `must be one of ${STATUSES.join(', ')}`).optional(),
  ...pageFields,
});
export type ListProvidersRequest = z.output<typeof listProvidersRequest>;

export const providerIdRequest = z.strictObject({ providerId });
export type ProviderIdRequest = z.output<typeof providerIdRequest>;

export const updateProviderRequest = z.strictObject({
  providerId,
  name: name.optional(),
  baseUrl: baseUrl.optional(),
  credentials: credentials
    .optional()
    .meta({ description: 'Replaces all credentials. Required when `baseUrl` changes and credentials are stored.' }),
  models: models.optional(),
  settings: settings.optional().meta({ description: 'All of them anew.' }),
  enabled: boolean.optional().meta({ description: 'false: the provider is not called; its credentials are kept.' }),
});
export type UpdateProviderRequest = z.output<typeof updateProviderRequest>;

export const testProviderRequest = z.strictObject({
  providerId,
  model: text(1, 256).optional().meta({
    description: 'Asks it for a few tokens. Absent: the first of `models`, else the list of models, which is free.',
  }),
});
export type TestProviderRequest = z.output<typeof testProviderRequest>;

const dateTime = z.string().meta({ format: 'date-time' });

export const providerSettingsView = z
  .object({
    organization: z.string().optional(),
    project: z.string().optional(),
    responses: z.boolean().optional(),
    apiVersion: z.string().optional(),
    deployments: z.object({}).catchall(z.string()).optional(),
    region: z.string().optional(),
  })
  .meta({ 'x-name': 'ModelProviderSettings' });

const providerView = z
  .object({
    providerId: z.string(),
    name: z.string(),
    kind: z.enum(PROVIDER_KINDS),
    baseUrl: z.string().optional().meta({ description: "Absent: the provider's own address." }),
    models: z.array(z.string()),
    settings: providerSettingsView,
    status: z.enum(STATUSES),
    credentialsSetAt: dateTime.optional().meta({ description: 'Absent: none are stored.' }),
    createdAt: dateTime,
    updatedAt: dateTime,
  })
  .meta({ 'x-name': 'ModelProvider' });
export type ProviderView = z.output<typeof providerView>;

const notice = z
  .string()
  .optional()
  .meta({ description: 'Present when this repeats the answer to an earlier request with the same Idempotency-Key.' });

export const createProviderResponse = z.object({ provider: providerView, notice });
export const providerResponse = z.object({ provider: providerView });
export const listProvidersResponse = z.object({ providers: z.array(providerView), nextPageToken: z.string() });
export const deleteProviderResponse = z.object({});
export const testProviderResponse = z.object({
  ok: z.boolean().meta({ description: 'The provider took our credentials and answered.' }),
  statusCode: z.number().optional().meta({ description: "The provider's; absent: it did not answer." }),
  message: z.string().meta({ description: 'What the provider said, or why it could not be reached.' }),
  model: z.string().optional().meta({ description: 'The model that was asked; absent: the list of models was.' }),
});
export type ProviderTestView = z.output<typeof testProviderResponse>;
