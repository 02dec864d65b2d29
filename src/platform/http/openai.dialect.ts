import { z } from 'zod';
import { ANSWER_CODES, CREDENTIAL_CODES, ERROR_CODES, type FaultKind } from '../errors/index.js';
import type { Dialect } from './dialect.js';

/** OpenAI's `error.type`. */
const OPENAI_TYPE: Readonly<Record<FaultKind, string>> = {
  invalid_input: 'invalid_request_error',
  unauthenticated: 'authentication_error',
  permission_denied: 'permission_error',
  not_found: 'invalid_request_error',
  method_not_allowed: 'invalid_request_error',
  already_exists: 'invalid_request_error',
  conflict: 'invalid_request_error',
  payload_too_large: 'invalid_request_error',
  unsupported_media_type: 'invalid_request_error',
  rate_limited: 'rate_limit_error',
  usage_limit_exceeded: 'usage_limit_exceeded',
  usage_limit_busy: 'usage_limit_busy',
  internal: 'server_error',
  upstream_failed: 'upstream_error',
  unavailable: 'server_error',
  upstream_timeout: 'upstream_timeout',
};

/** OpenAI's `error.code` for faults without a code of their own. */
const OPENAI_CODE: Partial<Record<FaultKind, string>> = {
  unauthenticated: 'invalid_credential',
  permission_denied: 'insufficient_permissions',
  rate_limited: 'rate_limit_exceeded',
  usage_limit_exceeded: 'usage_limit_exceeded',
  usage_limit_busy: 'usage_limit_busy',
  payload_too_large: 'request_too_large',
  unavailable: 'unavailable',
  upstream_timeout: 'upstream_timeout',
};

const OWN_CODES = new Set<string>([
  ...Object.values(OPENAI_CODE),
  ...[CREDENTIAL_CODES, ERROR_CODES, ANSWER_CODES].flatMap((codes) => Object.keys(codes)),
]);
/** In OpenAPI 3.0 the enum must list null too, or a validator refuses it. */
const ownCodeSchema = z
  .enum([...OWN_CODES])
  .nullable()
  .meta({ 'x-name': 'ErrorCode', enum: [...OWN_CODES, null], description: 'A reason for programs.' });

/** OpenAI's `error`, without the fields that other dialects add. `code` is closed where no provider's error is passed on. */
function openaiErrorSchemaOf(code: z.ZodType, name: string): z.ZodType {
  return z
    .strictObject({
      message: z.string().meta({ description: 'For people; it may change.' }),
      type: z.string().meta({ description: `One of ${listOf(Object.values(OPENAI_TYPE))}, or the provider's own.` }),
      param: z.string().nullable().meta({ description: 'The field at fault.' }),
      code,
    })
    .meta({ 'x-name': name });
}

export const openaiErrorSchema = openaiErrorSchemaOf(ownCodeSchema, 'OpenAiErrorBody');
/** For calls of a model, which pass on a provider's error with the provider's own code. */
export const passedErrorSchema = openaiErrorSchemaOf(z.union([ownCodeSchema, z.string()]), 'ModelCallErrorBody');

/** For programs: whose budget is used up, and when it renews. */
export const openaiDetailsSchema = z.record(z.string(), z.string()).optional();

const errorSchemaOf = (error: z.ZodType, name: string): z.ZodType =>
  z
    .strictObject({
      type: z.string().meta({ description: 'What older clients read: `error.type`, but `invalid_input` for 400.' }),
      message: z.string(),
      error,
      details: openaiDetailsSchema,
    })
    .meta({ 'x-name': name });

function listOf(names: readonly string[]): string {
  return [...new Set(names)].map((name) => `\`${name}\``).join(', ');
}

/**
 * OpenAI's error format, for its clients. It is in this room because usage tokens speak it too. The top-level `type` and
 * `message` serve older clients of this surface.
 */
export const OPENAI_DIALECT: Dialect = {
  name: 'openai',
  prefixes: ['/v1'],
  errorSchema: errorSchemaOf(openaiErrorSchema, 'OpenAiError'),
  passedErrorSchema: errorSchemaOf(passedErrorSchema, 'ModelCallError'),
  renderError: (fault) => {
    const type = fault.kind === 'invalid_input' ? 'invalid_input' : OPENAI_TYPE[fault.kind];
    return {
      type,
      message: fault.message,
      error: {
        message: fault.message,
        type: OPENAI_TYPE[fault.kind],
        param: fault.fields[0]?.field ?? null,
        code: fault.code ?? OPENAI_CODE[fault.kind] ?? null,
      },
      ...(fault.about === undefined ? {} : { details: fault.about }),
    };
  },
};
