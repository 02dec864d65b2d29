/** Model providers of a tenant's owner, and calls through them. */
import type { Answer, Org, ServiceClient } from '../../support/service.js';

export interface ProviderView {
  readonly providerId: string;
  readonly name: string;
  readonly kind: string;
  readonly baseUrl?: string;
  readonly models: readonly string[];
  readonly settings: Readonly<Record<string, unknown>>;
  readonly status: string;
  readonly credentialsSetAt?: string;
}

export interface TestView {
  readonly ok: boolean;
  readonly statusCode?: number;
  readonly message: string;
  readonly model?: string;
}

/** POSTs as the owner, and returns any answer. */
export function ask(
  service: ServiceClient,
  { user, tenantId }: Org,
  method: string,
  body: object = {},
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const authorization = `Bearer ${service.dashboardToken({ user, tenant: tenantId })}`;
  return service.call('POST', `/api/v1/llm/providers/${method}`, { headers: { ...headers, authorization }, body });
}

/** The same, which must succeed. */
export function call<T = Record<string, unknown>>(
  service: ServiceClient,
  { user, tenantId }: Org,
  method: string,
  body: object = {},
): Promise<T> {
  return service.asUser<T>({ user, tenant: tenantId }, `llm/providers/${method}`, body);
}

export async function create(service: ServiceClient, org: Org, wishes: object): Promise<ProviderView> {
  const { provider } = await call<{ provider: ProviderView }>(service, org, 'create', wishes);
  return provider;
}

/** A chat completion by one of the tenant's keys. */
export function chat(service: ServiceClient, key: string, model: string, more: object = {}): Promise<Answer> {
  const body = { model, messages: [{ role: 'user', content: 'Say hello.' }], ...more };
  return service.call('POST', '/v1/chat/completions', { headers: { 'x-api-key': key }, body });
}
