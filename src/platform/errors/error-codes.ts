import type { CredentialCodeName } from './credential-codes.js';
import type { FaultKind } from './fault-kinds.js';

/** What a code means, and what the reader of it does next. Both stand in docs/errors.md and in OpenAPI. */
interface ErrorCodeEntry {
  /** The kinds of fault that carry the code, and with them its statuses. */
  readonly kinds: readonly FaultKind[];
  readonly meaning: string;
  readonly remedy: string;
}

/** The codes that a fault can carry beside its kind. On the OpenAI surface each is `error.code`. */
export const ERROR_CODES = {
  concurrency_limit_exceeded: {
    kinds: ['rate_limited'],
    meaning:
      'The tenant or its org has too many calls or queries under way, or too many bytes of bodies in memory. The message names the setting.',
    remedy: 'Wait for the time in `Retry-After`, and send fewer requests at once.',
  },
  body_timeout: {
    kinds: ['invalid_input'],
    meaning: 'No byte of the body arrived for `GATEHOUSE_IDLE_TIMEOUT_MS`. The connection is closed.',
    remedy: 'Send the whole body without a pause.',
  },
  too_many_values: {
    kinds: ['payload_too_large'],
    meaning: 'The body holds more JSON values than `GATEHOUSE_BODY_LIMIT_VALUES`.',
    remedy: 'Send fewer values, or have the operator raise the setting.',
  },
  too_many_fields: {
    kinds: ['invalid_input'],
    meaning: 'The body has more than 4,096 fields of its own, or its objects have more than 10,000 different fields.',
    remedy: 'Send fewer fields, or objects that have the same fields in the same order.',
  },
  nested_too_deep: {
    kinds: ['invalid_input'],
    meaning: 'The body is nested deeper than `GATEHOUSE_BODY_LIMIT_DEPTH`.',
    remedy: 'Flatten the body, or have the operator raise the setting.',
  },
  model_not_set: {
    kinds: ['invalid_input'],
    meaning: "The thread names no model, and the tenant's providers list none.",
    remedy: 'Set `generationConfig.model` of the thread with `/api/v1/llm/gateway/update-thread`.',
  },
  run_in_progress: {
    kinds: ['conflict'],
    meaning: 'The thread has a run under way, and its `settings.interruptPolicy` is `REJECT`.',
    remedy: 'Wait for the run to end, cancel it, or set `QUEUE` or `INTERRUPT`.',
  },
  no_tool_outputs_wanted: {
    kinds: ['conflict'],
    meaning: 'The run is not waiting for tool outputs.',
    remedy: 'Read the status of the run with `/api/v1/llm/gateway/conversation-state`.',
  },
  too_many_steps: {
    kinds: ['invalid_input'],
    meaning: 'A run called tools too many times in a row.',
    remedy: 'Send a new message, or change the tools so that the model can finish.',
  },
  credential_revoked: {
    kinds: ['permission_denied'],
    meaning: 'The credential that sent a waiting message was revoked before its run began.',
    remedy: 'Send the message again with another credential.',
  },
  human_erased: {
    kinds: ['permission_denied'],
    meaning: 'The human whose limits a run would be charged to was erased before the run began.',
    remedy: 'Send the message again for a human that exists.',
  },
  no_service_secret: {
    kinds: ['unauthenticated'],
    meaning: 'The sealed access token has no secret for the service.',
    remedy: 'Make a token with `/api/v1/oauth/token` whose `serviceSecrets` has an entry for the service.',
  },
  unknown_service: {
    kinds: ['not_found'],
    meaning: 'No service has this id.',
    remedy: 'Use a service id such as `chat:openai.com/gpt-4o-mini` or `chat:dummy`.',
  },
  model_not_allowed: {
    kinds: ['permission_denied'],
    meaning: "The model is not one of the key's models.",
    remedy: 'Use a model from `GET /v1/models`, or add this one with `/api/v1/api-keys/update`.',
  },
  model_not_found: {
    kinds: ['not_found', 'invalid_input'],
    meaning: 'The tenant has no model with this name.',
    remedy: 'Use a model from `GET /v1/models`, or add a provider that serves this one.',
  },
  no_provider_configured: {
    kinds: ['invalid_input'],
    meaning: 'The tenant has no model provider, and may not use one of the platform.',
    remedy:
      'Add a provider with `/api/v1/llm/providers/create` (scope `providers:write`), or have the operator add the tenant to `PLATFORM_PROVIDER_TENANTS`.',
  },
  provider_credentials_unreadable: {
    kinds: ['unavailable'],
    meaning:
      "The stored credentials of the tenant's provider can't be decrypted: they were changed, or the operator's key was.",
    remedy: 'Set the credentials again with `/api/v1/llm/providers/update`.',
  },
  operation_not_supported: {
    kinds: ['invalid_input'],
    meaning: "The model's provider, or every target of the route, does not serve this operation (embeddings, say).",
    remedy: 'Use a model that does. The message lists what each provider serves.',
  },
  response_not_found: {
    kinds: ['not_found'],
    meaning: 'The caller has no such response: it was not stored, was deleted, or is older than thirty days.',
    remedy: 'Send `store: true` when you make the response, and read it within thirty days.',
  },
  previous_response_not_found: {
    kinds: ['not_found'],
    meaning: 'The caller has no response with the id in `previous_response_id`.',
    remedy: 'Leave `previous_response_id` out and send the earlier items in `input`.',
  },
  provider_authentication_failed: {
    kinds: ['upstream_failed'],
    meaning: "The provider refused this service's credential. Your own credential is fine.",
    remedy:
      'Set a working credential with `/api/v1/llm/providers/update`, and check it with `/api/v1/llm/providers/test`.',
  },
  route_without_provider: {
    kinds: ['invalid_input'],
    meaning: 'Every provider that the route names is disabled.',
    remedy:
      "Enable one with `/api/v1/llm/providers/update`, or change the route's targets with `/api/v1/llm/routes/update`.",
  },
  route_unavailable: {
    kinds: ['unavailable'],
    meaning: 'Every target of the route failed several times in a row and is paused for a moment.',
    remedy: 'Try again after the time in `Retry-After`, or add a target to the route.',
  },
  provider_not_found: {
    kinds: ['not_found'],
    meaning: 'The gateway has no provider with the name in the path.',
    remedy: 'Use a name from `/api/v1/gateways/get`.',
  },
  server_shutting_down: {
    kinds: ['unavailable'],
    meaning: 'The service was stopped before the answer was complete.',
    remedy: 'Send the request again.',
  },
  upstream_broken: {
    kinds: ['upstream_failed'],
    meaning: 'The provider broke off its answer, or sent one that cannot be passed on.',
    remedy: 'Send the request again. What the provider produced was charged.',
  },
  upstream_error: {
    kinds: ['upstream_failed'],
    meaning: 'The provider ended a stream with an error of its own.',
    remedy: 'Read the error event of the stream, and send the request again.',
  },
  upstream_unreachable: {
    kinds: ['upstream_failed'],
    meaning: 'No connection to the provider could be made.',
    remedy: "Check the provider's address with `/api/v1/llm/providers/test`, and try again.",
  },
  unsupported_by_provider: {
    kinds: ['invalid_input'],
    meaning: 'The provider does not support the field that the message names. Nothing was sent.',
    remedy: 'Leave the field out, or use another provider.',
  },
  image_unreachable: {
    kinds: ['invalid_input'],
    meaning: 'An image URL of the request could not be fetched. The message says why.',
    remedy: 'Use a public https URL that answers with an image, or send the image as a data URL.',
  },
  usage_not_bounded: {
    kinds: ['invalid_input'],
    meaning:
      'The caller has a limit of `token_cnt` or `cost_micros`, and the request holds content whose usage or price is not known beforehand.',
    remedy: 'Leave out the field that the message names, or remove the limit with `/api/v1/budgets/delete`.',
  },
  model_without_price: {
    kinds: ['invalid_input'],
    meaning: 'The caller has a limit of `cost_micros`, and the model has no known price.',
    remedy: 'Set the price with `/api/v1/llm/models/update` or `GATEHOUSE_MODELS`.',
  },
} as const satisfies Readonly<Record<string, ErrorCodeEntry>>;

/** The code of a fault. */
export type ErrorCode = keyof typeof ERROR_CODES | CredentialCodeName;

/** Codes of answers that are not faults of ours, and that pass with another status or body. */
export const ANSWER_CODES = {
  content_refused: {
    status: 403,
    meaning: 'The provider refused the request because of its content.',
    remedy: 'Change the content.',
  },
  invalid_api_key: {
    status: 401,
    meaning: 'The provider refused the credential that came with the call, in a sealed access token.',
    remedy: "Make a token with the provider's current secret.",
  },
  invalid_authentication_token: {
    status: 401,
    meaning:
      "A gateway's token is missing, unknown, expired, deleted or of another gateway. The answer is the same for all of these.",
    remedy: 'Use an active token of this gateway; make one with `POST /api/v1/gateways/{id}/tokens`.',
  },
  server_error: {
    status: 500,
    meaning: 'The provider ended an answer with an error that has no code.',
    remedy: 'Send the request again.',
  },
} as const satisfies Readonly<
  Record<string, { readonly status: number; readonly meaning: string; readonly remedy: string }>
>;

export type AnswerCode = keyof typeof ANSWER_CODES;

/**
 * Codes of a failed run alone, in `error.code` of its `end` event and in `run.failed`. A run can have any other code,
 * too.
 */
export const RUN_CODES = {
  answer_too_long: {
    meaning: 'The answer has more characters than are stored. What came before that is stored.',
    remedy: 'Ask for a shorter answer, or set `generationConfig.maxTokens`.',
  },
  process_died: {
    meaning: 'The process that ran it died.',
    remedy: 'Send the message again.',
  },
  tool_outputs_missing: {
    meaning: "The outputs of the model's tool calls did not arrive in time.",
    remedy: 'Send the message again, and answer its calls with `/api/v1/llm/gateway/submit-tool-outputs`.',
  },
  unknown_tool: {
    meaning: 'The model called a tool that the run does not have. What it said before that is stored.',
    remedy:
      'Add the tool to `tools`, name the tools in the system prompt, or use another model; then send a new message.',
  },
} as const satisfies Readonly<Record<string, { readonly meaning: string; readonly remedy: string }>>;

export type RunCode = keyof typeof RUN_CODES;
