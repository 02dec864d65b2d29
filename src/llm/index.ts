export { CALL_REFUSALS } from './access/call-refusals.js';
export { assertMayUse } from './access/model-access.js';
export { ReplySink } from './calls/reply-sink.js';
export type { Attribution, CallSink, CallSinkListener } from './calls/call-sink.js';
export { Calls } from './calls/calls.service.js';
export { BroughtProviders } from './connections/brought-providers.js';
export type {
  AnswerHeaders,
  OperationName,
  OperationRequests,
  ProviderFailure,
  ProviderRefusal,
} from './providers/provider.js';
export { AnswerTexts } from './runs/answer-texts.js';
export { writeEvents } from './providers/openai/event-steps.js';
export { tooMuchToRead } from './providers/openai/openai-failure.js';
export { CHAT } from './chat/chat.operation.js';
export { CHAT_BODY, CHAT_BODY_BY_PATH, CHAT_ANSWER } from './chat/chat.dto.js';
export { GatewayConnections, type GatewayProviderForm } from './connections/gateway-connections.js';
export { PROVIDER_FIELDS, providerSettingsView } from './connections/providers.dto.js';
export type { ProviderRecord } from './connections/providers.repository.js';
export { TenantProviders, type TenantProvider } from './connections/tenant-providers.js';
export { Tokenizer } from './tokens/tokenizer.js';
export { EMBEDDINGS } from './embeddings/embeddings.operation.js';
export { EMBEDDINGS_ANSWER, EMBEDDINGS_BODY } from './embeddings/embeddings.dto.js';
export { LlmModule } from './llm.module.js';
export { modelListSchema, modelSchema } from './catalogue/models.controller.js';
export type { Model } from './models/model-catalogue.js';
export { PROVIDER_KINDS, type ProviderKind, type ProviderSettings } from './providers/provider-factory.js';
export { RESPONSE, RESPONSES_REQUEST } from './responses/responses.dto.js';
export { RESPONSES } from './responses/responses.operation.js';
export { CallerRoutes, type RouteSource } from './routing/caller-routes.js';
export { PlatformProviderTenants } from './routing/platform-provider-tenants.js';
export { ModelRouter } from './routing/model-router.js';
export type { Route } from './routing/route.js';
export { callerBy, type Caller } from './calls/caller.js';
export type { Operation } from './calls/operation.js';
