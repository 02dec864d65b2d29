import type { FaultKind } from '../errors/index.js';
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

/** OpenAI's `error.code` where the fault brings none of its own. */
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

/**
 * OpenAI's, for its clients. It stands here, and not with the completions, since usage tokens speak it too. The top-level
 * `type` and `message` are for the older clients of this surface; `error` is OpenAI's.
 */
export const OPENAI_DIALECT: Dialect = {
  name: 'openai',
  prefixes: ['/v1'],
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
