/**
 * What can go wrong in words that no wire dialect owns. Each dialect's renderer turns a kind into its own status names and
 * shapes; services throw faults and know nothing of the wire.
 */
export const FAULT_STATUS = {
  invalid_input: 400,
  unauthenticated: 401,
  permission_denied: 403,
  not_found: 404,
  method_not_allowed: 405,
  already_exists: 409,
  conflict: 409,
  payload_too_large: 413,
  unsupported_media_type: 415,
  rate_limited: 429,
  usage_limit_exceeded: 429,
  usage_limit_busy: 429,
  internal: 500,
  upstream_failed: 502,
  unavailable: 503,
  upstream_timeout: 504,
} as const;

export type FaultKind = keyof typeof FAULT_STATUS;
