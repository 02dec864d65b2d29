/** Gateways of a tenant's owner, and calls by their tokens. */
import type { OpenaiUpstream } from '../../support/openai-upstream.js';
import type { Answer, Org, ServiceClient } from '../../support/service.js';

export const GATEWAY_SECRET = 'sk-gateway-credential-0123456789abcdef';

/** All five kinds of invalid token get exactly this answer. */
export const INVALID_TOKEN =
  '{"error":{"message":"Invalid authentication token","type":"authentication_error","code":"invalid_authentication_token","param":null}}';

/** Loopback stands in for the public address of a provider. */
export const SETTINGS = { mode: 'development', outboundAllowCidrs: ['127.0.0.0/8'] } as const;

export interface GatewayView {
  readonly id: string;
  readonly name: string;
  readonly authenticated: boolean;
  readonly providers: readonly { readonly provider: string; readonly name: string; readonly endpoint?: string }[];
}

export interface Made {
  readonly gateway: GatewayView;
  readonly token: string;
}

export interface TokenView {
  readonly id: string;
  readonly name: string;
  readonly status: string;
  readonly lastUsedAt?: string;
}

/** A call of the management API as the owner, with any answer. */
export function ask(
  service: ServiceClient,
  { user, tenantId }: Org,
  method: string,
  path: string,
  body?: object,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const authorization = `Bearer ${service.dashboardToken({ user, tenant: tenantId })}`;
  return service.call(method, `/api/v1/gateways/${path}`, { headers: { ...headers, authorization }, body });
}

/** The same call, which must succeed. */
export async function call<T>(
  service: ServiceClient,
  org: Org,
  method: string,
  path: string,
  body?: object,
): Promise<T> {
  const answer = await ask(service, org, method, path, body);
  if (answer.status !== 200) throw new Error(`${method} ${path} answered ${answer.status}: ${answer.text}`);
  return answer.json<T>();
}

export function wishes(upstream: OpenaiUpstream, more: object = {}): object {
  return {
    name: 'my-gateway',
    providers: [{ provider: 'openai_compatible', apiKey: GATEWAY_SECRET, endpoint: upstream.baseUrl }],
    ...more,
  };
}

export function create(service: ServiceClient, org: Org, upstream: OpenaiUpstream, more: object = {}): Promise<Made> {
  return call<Made>(service, org, 'POST', 'create', wishes(upstream, more));
}

export function createToken(
  service: ServiceClient,
  org: Org,
  gatewayId: string,
  more: object = {},
): Promise<TokenView & { readonly token: string }> {
  return call(service, org, 'POST', `${gatewayId}/tokens`, { name: 'a token', ...more });
}

/** A chat completion by a gateway. */
export function chat(
  service: ServiceClient,
  gatewayId: string,
  token: string | null,
  more: object = {},
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  return post(service, `/gateways/${gatewayId}/v1/chat/completions`, token, chatBody(more), headers);
}

export function post(
  service: ServiceClient,
  path: string,
  token: string | null,
  body: object,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const credential = token === null ? {} : { authorization: `Bearer ${token}` };
  return service.call('POST', path, { headers: { ...credential, ...headers }, body });
}

export function chatBody(more: object = {}): object {
  return { model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Say hello.' }], ...more };
}
