import type { ToldRoute } from './operations.js';

/** What stands for an id in an example: only the answers of a running service have real ones. */
export const PLACEHOLDERS = {
  budgetId: '01927c2e-6f0a-7c3e-9d51-0a1b2c3d4e5f',
  callId: '01927c2e-6f0a-7c3e-9d51-0a1b2c3d4e5f',
  context: 'ctx_0123456789',
  deliveryId: '01927c2e-6f0a-7c3e-9d51-0a1b2c3d4e5f',
  endpointId: '01927c2e-6f0a-7c3e-9d51-0a1b2c3d4e5f',
  gatewayId: 'gateway_0123456789abcdefghij',
  invitationId: 'invitation_0123456789abcdefghij',
  keyId: 'key_0123456789abcdefghij',
  llm: 'dummy',
  message: 'msg_0123456789',
  model: 'dummy',
  path: 'dummy',
  provider: 'openai',
  providerId: 'provider_0123456789abcdefghij',
  response: 'resp_0123456789',
  routeId: 'route_0123456789abcdefghij',
  runId: '01927c2e-6f0a-7c3e-9d51-0a1b2c3d4e5f',
  tenantId: 'acme-a1b2c3',
  token: 'the token of the link',
  tokenId: 'token_0123456789abcdefghij',
  toolCallId: 'call_0123456789',
  userId: 'ada',
} as const;

const PAGE = { pageSize: 20 };
const HUMAN = { human: 'user_123' };
const { budgetId, callId, deliveryId, endpointId, gatewayId, invitationId, keyId } = PLACEHOLDERS;
const { providerId, routeId, runId, tenantId, token, toolCallId, userId } = PLACEHOLDERS;
const LIMITS = [{ type: 'token_cnt', value: 5000 }];
const CHAT = { model: 'dummy', messages: [{ role: 'user', content: 'Say hello in one short sentence.' }] };
const RESPOND = { model: 'dummy', input: 'Say hello in one short sentence.' };
const EMBED = { model: 'dummy', input: ['A sentence to embed.'] };
const QUOTA = { requestsPerMinute: 60, requestsPerHour: 360, requestsPerDay: 8640 };
const THREAD = { conversationKey: 'support-42' };

/** A request body for each operation that has one, by its id. On the quickstart each works as it stands, ids replaced. */
export const BODY_EXAMPLES: Readonly<Record<string, object>> = {
  Chat_complete: CHAT,
  Embeddings_embed: EMBED,
  Responses_respond: RESPOND,
  GatewayCalls_complete: { ...CHAT, model: 'gpt-4o-mini' },
  GatewayCalls_embed: { ...EMBED, model: 'text-embedding-3-small' },
  GatewayCalls_respond: { ...RESPOND, model: 'gpt-4o-mini' },
  GatewayCalls_completeBy: { messages: CHAT.messages },

  Threads_create: { ...THREAD, name: 'Support', generationConfig: { model: 'dummy', maxTokens: 200 } },
  Threads_list: PAGE,
  Threads_send: { ...THREAD, userMessage: { role: 'user', content: 'Where is my parcel?' } },
  Threads_state: THREAD,
  Threads_update: { ...THREAD, settings: { systemPrompt: 'Answer in one sentence.', interruptPolicy: 'QUEUE' } },
  Threads_delete: THREAD,
  Threads_cancel: { runId },
  Threads_submitToolOutputs: { runId, toolOutputs: [{ toolCallId, output: '{"status":"delivered"}' }] },
  Threads_events: { runId },
  Contexts_create: { messages: [{ role: 'system', content: 'You are helpful.' }] },
  Contexts_addMessage: { role: 'user', content: 'Hello!' },

  TenantUsageTokens_list: { ...HUMAN, ...PAGE },
  TenantUsageTokens_revoke: { tokenId: PLACEHOLDERS.tokenId },

  Keys_create: {
    name: 'Backend',
    permissions: ['chat:write', 'usage:write', 'usage:read'],
    rateLimit: { requestsPerMinute: 600 },
  },
  Keys_createPublishable: {
    name: 'Web app',
    permissions: ['chat:write', 'usage:read'],
    oidcConfig: { issuer: 'https://accounts.google.com', audience: 'your-app' },
    allowedOrigins: ['https://app.example.com'],
    defaultLimits: LIMITS,
  },
  Keys_list: { search: 'back', status: 'ACTIVE', ...PAGE },
  Keys_get: { keyId },
  Keys_update: { keyId, name: 'Backend, production', rateLimit: { requestsPerMinute: 1200 } },
  Keys_rotate: { keyId, gracePeriodSeconds: 3600 },
  Keys_revoke: { keyId },

  Humans_upsert: { ...HUMAN, limits: LIMITS },
  Humans_list: { search: 'ann', ...PAGE },
  Humans_get: HUMAN,
  Humans_delete: HUMAN,
  UsageTokens_create: { ...HUMAN, limits: LIMITS, ttl_seconds: 3600 },
  UsageTokens_setLimits: { ...HUMAN, limits: [{ type: 'token_cnt', value: 10_000 }] },
  UsageTokens_check: HUMAN,
  UsageTokens_updateTtl: { ...HUMAN, ttl_seconds: 7200 },
  UsageTokens_revoke: HUMAN,
  Budgets_list: PAGE,
  Budgets_set: { holder: { human: 'user_123' }, type: 'token_cnt', period: 'MONTH', limit: '1000000' },
  Budgets_delete: { budgetId },
  UsageQuery_query: { groupBy: ['DAY', 'MODEL'], format: 'JSON' },
  UsageReports_report: { ...HUMAN, type: 'conversational_seconds', value: 12.5, idempotencyKey: 'report-1' },

  Providers_create: {
    name: 'openai',
    kind: 'openai',
    credentials: { apiKey: 'sk-your-own-key' },
    models: ['gpt-4o-mini'],
  },
  Providers_list: PAGE,
  Providers_get: { providerId },
  Providers_update: { providerId, models: ['gpt-4o-mini', 'gpt-4o'] },
  Providers_delete: { providerId },
  Providers_test: { providerId },
  Routes_create: {
    name: 'smart',
    strategy: 'FALLBACK',
    targets: [{ providerId, model: 'gpt-4o-mini' }],
    retry: { attempts: 2, on: ['RATE_LIMIT', 'SERVER_ERROR', 'TIMEOUT'] },
  },
  Routes_list: PAGE,
  Routes_get: { routeId },
  Routes_update: { routeId, retry: { attempts: 3, on: ['RATE_LIMIT', 'SERVER_ERROR'] } },
  Routes_delete: { routeId },
  TenantsModels_list: PAGE,
  TenantsModels_update: {
    model: 'my-model',
    contextTokens: 128_000,
    maxOutputTokens: 16_384,
    price: { input: '0.15', output: '0.60', asOf: '2026-01-31' },
  },

  Gateways_create: {
    name: 'mobile-app',
    providers: [{ provider: 'openai', apiKey: 'sk-your-own-key', models: ['gpt-4o-mini', 'text-embedding-3-small'] }],
    rateLimit: { requests: { limit: '1000', window: 'HOUR' } },
  },
  Gateways_list: PAGE,
  Gateways_get: { gatewayId },
  Gateways_update: { gatewayId, rateLimit: { tokens: { limit: '1000000', window: 'DAY' } } },
  Gateways_delete: { gatewayId },
  GatewayTokens_create: { name: 'ios', rateLimit: { requests: { limit: '100', window: 'MINUTE' } } },
  GatewayTokens_update: { name: 'ios, version 2' },
  GatewayCallLog_list: { gatewayId, ...PAGE },
  GatewayCallLog_get: { gatewayId, callId },
  UsageCalls_list: { status: 'Success', model: 'gpt-4o-mini', ...PAGE },
  UsageCalls_get: { callId },

  OauthToken_mint: {
    requestAuthAndQuotas: {
      requestQuotas: { perClientRequestLimits: QUOTA, globalRequestLimits: QUOTA },
      serviceSecrets: [{ serviceId: 'chat:openai.com', authSecret: 'sk-your-own-key' }],
    },
    expirationTimeSpan: '2h',
  },
  Process_process: {
    service: { serviceId: 'chat:dummy' },
    request: { inputs: [{ text: { role: 'user', content: 'Hello!' } }] },
  },

  Orgs_create: { name: 'Acme' },
  Orgs_list: PAGE,
  Me_get: {},
  Orgs_get: {},
  Orgs_update: { name: 'Acme Ltd' },
  Orgs_delete: { name: 'Acme' },
  Members_list: PAGE,
  Members_update: { userId, role: 'developer' },
  Members_remove: { userId },
  Invitations_invite: { email: 'grace@example.com', role: 'developer' },
  Invitations_list: PAGE,
  Invitations_revoke: { invitationId },
  Invitations_accept: { token },
  Tenants_list: PAGE,
  Tenants_create: { name: 'Staging', defaultLimits: LIMITS },
  Tenants_get: { tenantId },
  Tenants_update: { tenantId, defaultOutputTokens: 1024 },
  Tenants_switch: { tenantId },
  Tenants_delete: { tenantId, name: 'Staging' },

  Webhooks_create: {
    url: 'https://api.example.com/gatehouse',
    events: ['usage.limit_exceeded', 'usage.threshold_reached'],
  },
  Webhooks_list: PAGE,
  Webhooks_get: { endpointId },
  Webhooks_update: { endpointId, enabled: true },
  Webhooks_delete: { endpointId },
  Webhooks_rotateSecret: { endpointId, gracePeriodSeconds: 3600 },
  Webhooks_listDeliveries: { endpointId, ...PAGE },
  Webhooks_redeliver: { deliveryId },
  Webhooks_test: { endpointId },
  Audit_list: { action: 'key.created', ...PAGE },
};

/** Puts the examples into the document, for "Try it out". */
export function tellExamples({ operation }: ToldRoute): void {
  const { requestBody, parameters = [] } = operation;
  const example = BODY_EXAMPLES[exampleIdOf(operation.operationId ?? '')];
  if (requestBody !== undefined && 'content' in requestBody && example !== undefined) {
    for (const media of Object.values(requestBody.content)) media.example = example;
  }
  for (const parameter of parameters) {
    if (!('in' in parameter) || parameter.in !== 'path' || !Object.hasOwn(PLACEHOLDERS, parameter.name)) continue;
    parameter.example = PLACEHOLDERS[parameter.name as keyof typeof PLACEHOLDERS];
  }
}

/** Routes that stand under two paths share their examples. */
export function exampleIdOf(operationId: string): string {
  return operationId.replace(/^Older/, '').replace(/V1alpha1$/, '');
}
