/** A tenant's app: its publishable keys, and the calls that its users' programs make with them. */
import type { UserIssuer } from '../../support/oidc-issuer.js';
import type { Answer, MadeKey, Org, ServiceClient } from '../../support/service.js';

export interface AppKeyWishes {
  readonly issuer?: string;
  readonly audience?: string;
  readonly jwks_uri?: string;
  readonly human_prefix?: string;
  readonly allowedOrigins?: readonly string[];
  readonly permissions?: readonly string[];
}

/** Has the tenant's owner make a publishable key for the users of an issuer; null: the key names no issuer. */
export async function createAppKey(
  service: ServiceClient,
  { user, tenantId }: Org,
  issuer: UserIssuer | null,
  { allowedOrigins = [], permissions, ...oidc }: AppKeyWishes = {},
): Promise<MadeKey> {
  const { result } = await service.asUser<{ result: MadeKey }>(
    { user, tenant: tenantId },
    'api-keys/create-publishable',
    {
      name: 'An app',
      unlimited: true,
      allowed_origins: allowedOrigins,
      ...(permissions === undefined ? {} : { permissions }),
      ...(issuer === null ? {} : { oidc_config: { ...issuer.oidcConfig, ...oidc } }),
    },
  );
  return { keyId: result.keyId, key: result.key };
}

type Headers = Record<string, string | string[]>;

/** The headers of an app's user: the app's key, and the user's own token. */
export function asEndUser({ key }: MadeKey, token: string, headers: Headers = {}): Headers {
  return { 'x-api-key': key, authorization: `Bearer ${token}`, ...headers };
}

export function listThreads(service: ServiceClient, headers: Headers): Promise<Answer> {
  return service.call('POST', '/api/v1/llm/gateway/list-threads', { headers, body: {} });
}

export function listModels(service: ServiceClient, headers: Headers): Promise<Answer> {
  return service.call('GET', '/v1/models', { headers });
}

export function complete(service: ServiceClient, headers: Headers): Promise<Answer> {
  const body = { model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hi' }] };
  return service.call('POST', '/v1/chat/completions', { headers, body });
}
