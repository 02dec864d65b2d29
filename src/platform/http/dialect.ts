import { SetMetadata } from '@nestjs/common';
import type { Fault, FaultKind } from '../errors/index.js';

/**
 * How a surface speaks: each controller declares its dialect, and errors are rendered in it. The rooms that come later
 * bring theirs (sealed access tokens, gateway tokens).
 */
export type Dialect = 'platform' | 'openai';

export const DIALECT_METADATA = 'gatehouse:dialect';

/** Declares the dialect of a controller; the service refuses to boot where one has none. */
export const SpeaksDialect = (dialect: Dialect): ClassDecorator => SetMetadata(DIALECT_METADATA, dialect);

type RenderError = (fault: Fault, requestId: string) => object;

/** gRPC's canonical names, for the platform surface. */
const CANONICAL_STATUS: Readonly<Record<FaultKind, string>> = {
  invalid_input: 'INVALID_ARGUMENT',
  unauthenticated: 'UNAUTHENTICATED',
  permission_denied: 'PERMISSION_DENIED',
  not_found: 'NOT_FOUND',
  method_not_allowed: 'UNIMPLEMENTED',
  already_exists: 'ALREADY_EXISTS',
  conflict: 'ABORTED',
  payload_too_large: 'INVALID_ARGUMENT',
  unsupported_media_type: 'INVALID_ARGUMENT',
  rate_limited: 'RESOURCE_EXHAUSTED',
  usage_limit_exceeded: 'RESOURCE_EXHAUSTED',
  usage_limit_busy: 'RESOURCE_EXHAUSTED',
  internal: 'INTERNAL',
  upstream_failed: 'UNAVAILABLE',
  unavailable: 'UNAVAILABLE',
  upstream_timeout: 'DEADLINE_EXCEEDED',
};

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

/** OpenAI's `error.code` where the fault brings none of its own. */
const OPENAI_CODE: Partial<Record<FaultKind, string>> = {
  unauthenticated: 'invalid_api_key',
  permission_denied: 'insufficient_permissions',
  rate_limited: 'rate_limit_exceeded',
  usage_limit_exceeded: 'usage_limit_exceeded',
  usage_limit_busy: 'usage_limit_busy',
  payload_too_large: 'request_too_large',
  unavailable: 'unavailable',
  upstream_timeout: 'upstream_timeout',
};

const renderPlatform: RenderError = (fault, requestId) => ({
  error: {
    code: fault.status,
    status: CANONICAL_STATUS[fault.kind],
    message: fault.message,
    details: fault.fields.map(({ field, reason }) => ({ field, reason })),
    requestId,
  },
});

/** The top-level `type` and `message` are for the older clients of this surface, `error` is OpenAI's. */
const renderOpenai: RenderError = (fault) => {
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
};

const RENDERERS: Readonly<Record<Dialect, RenderError>> = { platform: renderPlatform, openai: renderOpenai };

/** The body of an error answer. */
export function renderError(dialect: Dialect, fault: Fault, requestId: string): object {
  return RENDERERS[dialect](fault, requestId);
}
