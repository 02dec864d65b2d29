import type { FaultKind } from './fault-kinds.js';

/** What each kind of fault means, and what the caller does next: for docs/errors.md and OpenAPI. */
export const FAULT_GUIDE: Readonly<Record<FaultKind, { readonly meaning: string; readonly remedy: string }>> = {
  invalid_input: {
    meaning: 'The request is malformed, or a field of it is wrong. The answer names the field.',
    remedy: 'Correct the field and send the request again.',
  },
  unauthenticated: {
    meaning: 'The credential is missing or was refused. The code says which.',
    remedy: 'Send a valid credential. See [Refused credentials](#refused-credentials).',
  },
  permission_denied: {
    meaning: 'The credential is valid, but its kind, role or scopes do not allow this.',
    remedy: "Use a credential with the scope or role that the message names; `x-access` in OpenAPI lists each route's.",
  },
  not_found: {
    meaning: 'The route or resource does not exist, or belongs to another tenant.',
    remedy: 'Check the id and the tenant of the credential. `/docs` lists the routes.',
  },
  method_not_allowed: {
    meaning: 'The path exists, but not with this method.',
    remedy: 'Use one of the methods in the `Allow` header.',
  },
  already_exists: {
    meaning: 'Already exists. The message names the field that must be unique.',
    remedy: 'Use another value, or change the existing resource.',
  },
  conflict: {
    meaning: 'The resource is in a state that does not allow this, or its `Idempotency-Key` was used for another body.',
    remedy: 'Read the resource and decide again, or send a new `Idempotency-Key`.',
  },
  payload_too_large: {
    meaning:
      'The body is larger than `GATEHOUSE_BODY_LIMIT_BYTES`, or holds more values than `GATEHOUSE_BODY_LIMIT_VALUES`.',
    remedy: 'Send less, or have the operator raise the setting.',
  },
  unsupported_media_type: {
    meaning: 'The body is not JSON, or it is compressed.',
    remedy: 'Send `Content-Type: application/json` and no `Content-Encoding`.',
  },
  rate_limited: {
    meaning: 'The requests of this window are used up.',
    remedy: 'Wait for the seconds in `Retry-After`.',
  },
  usage_limit_exceeded: {
    meaning:
      'A budget has too little left. The answer names its holder, type and period. `x-should-retry: false` says that trying again does not help soon.',
    remedy: 'Ask for less, wait until the budget renews, or raise it with `/api/v1/budgets/set`.',
  },
  usage_limit_busy: {
    meaning: 'A budget has enough left, but open calls held it for `GATEHOUSE_ADMISSION_WAIT_MS`.',
    remedy: 'Try again after `Retry-After`.',
  },
  internal: {
    meaning: 'An error of ours. The log has it under the request id.',
    remedy: 'Report the request id to the operator.',
  },
  upstream_failed: {
    meaning:
      'The model provider cannot be reached, refused our credential, or broke off. What it had produced by then is charged, and `x-should-retry: false` says so.',
    remedy: 'Try again unless `x-should-retry` is `false`; check the provider with `/api/v1/llm/providers/test`.',
  },
  unavailable: {
    meaning: 'The database cannot be reached, the ledger is behind, or the service is stopping.',
    remedy: 'Try again after `Retry-After`, or after a few seconds.',
  },
  upstream_timeout: {
    meaning:
      'The model provider did not answer in time. What it answers later is charged, and `x-should-retry: false` says so; without that header nothing is charged.',
    remedy: 'Try again unless `x-should-retry` is `false`, or ask for a shorter answer.',
  },
};
