import type { Refusal } from '../../platform/http/index.js';

/** How every call of a model can be refused, beside what its body can have wrong. */
export const CALL_REFUSALS: readonly Refusal[] = [
  'permission_denied',
  'model_not_allowed',
  'model_not_found',
  'no_provider_configured',
  'operation_not_supported',
  'unsupported_by_provider',
  'image_unreachable',
  'content_refused',
  'usage_not_bounded',
  'model_without_price',
  'usage_limit_exceeded',
  'usage_limit_busy',
  'route_without_provider',
  'route_unavailable',
  'provider_credentials_unreadable',
  'upstream_failed',
  'provider_authentication_failed',
  'upstream_unreachable',
  'upstream_broken',
  'upstream_timeout',
  'server_shutting_down',
];
