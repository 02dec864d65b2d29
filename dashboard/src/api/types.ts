import type { paths } from './schema.js';

type Json<T> = T extends { content: { 'application/json': infer Body } } ? Body : never;

/** The request of a route, by its path. The API's own description gives all types here; no type is written by hand. */
export type RequestOf<P extends keyof paths> = paths[P] extends { post: { requestBody: infer Body } }
  ? Json<Body>
  : never;
/** The answer of a route, by its path. */
type AnswerOf<P extends keyof paths> = paths[P] extends { post: { responses: { 200: infer Answer } } }
  ? Json<Answer>
  : never;

export type Me = AnswerOf<'/api/v1/me/get'>;
export type Role = NonNullable<Me['role']>;
export type Scope = Me['scopes'][number];
export type ApiKey = AnswerOf<'/api/v1/api-keys/list'>['apiKeys'][number];
export type Budget = AnswerOf<'/api/v1/budgets/list'>['budgets'][number];
export type Call = AnswerOf<'/api/v1/usage/list-calls'>['calls'][number];
export type GatewayToken =
  paths['/api/v1/gateways/{gatewayId}/tokens']['get']['responses'][200]['content']['application/json']['tokens'][number];
export type Org = AnswerOf<'/api/v1/orgs/get'>['org'];
export type Gateway = AnswerOf<'/api/v1/gateways/list'>['gateways'][number];
export type Human = AnswerOf<'/api/v1/humans/list'>['humans'][number];
export type Tenant = AnswerOf<'/api/v1/tenants/list'>['tenants'][number];
export type UsagePage = Exclude<AnswerOf<'/api/v1/usage/query'>, string>;
export type UsageRow = UsagePage['rows'][number];
export type UsageTotals = UsagePage['totals'];
export type WebhookEndpoint = AnswerOf<'/api/v1/webhooks/list'>['endpoints'][number];
export type WebhookDelivery = AnswerOf<'/api/v1/webhooks/list-deliveries'>['deliveries'][number];
export type Member = AnswerOf<'/api/v1/orgs/list-members'>['members'][number];
export type Invitation = AnswerOf<'/api/v1/orgs/list-invitations'>['invitations'][number];
export type AuditPage = Exclude<AnswerOf<'/api/v1/audit/list'>, string>;
export type AuditEvent = AuditPage['events'][number];
export type ModelProvider = AnswerOf<'/api/v1/llm/providers/list'>['providers'][number];
export type Route = AnswerOf<'/api/v1/llm/routes/list'>['routes'][number];
export type TenantModel = AnswerOf<'/api/v1/llm/models/list'>['models'][number];
export type UsageToken = AnswerOf<'/api/v1/usage/list-tokens'>['tokens'][number];
export type Thread = AnswerOf<'/api/v1/llm/gateway/list-threads'>['threads'][number];
