import { fields, print, show, table, type OutputOptions } from './command-output.js';
import { ServiceApi, type Caller } from './service-api.js';

interface KeyView {
  readonly keyId: string;
  readonly keyPrefix: string;
  readonly type: string;
  readonly name: string;
  readonly permissions: readonly string[];
  readonly status: string;
  readonly lastUsedAt?: string;
  readonly expiresAt?: string;
}

type Options = OutputOptions & Caller;

export async function listKeys(options: Options & { readonly most: number }): Promise<void> {
  const keys = await ServiceApi.use(options, (api) => api.list<KeyView>('api-keys/list', 'apiKeys', options.most));
  show(options, { apiKeys: keys }, () =>
    table(
      ['key id', 'begins with', 'type', 'status', 'name', 'last used', 'scopes'],
      keys.map(({ keyId, keyPrefix, type, status, name, lastUsedAt, permissions }) => [
        ...[keyId, keyPrefix, type, status, name, lastUsedAt ?? 'never', permissions.join(' ')],
      ]),
    ),
  );
}

export interface NewKey extends Options {
  readonly description?: string;
  readonly scope?: readonly string[];
  readonly model?: readonly string[];
  readonly requestsPerMinute?: number;
  readonly expiresAt?: string;
}

const keyFields = (name: string, { description, scope, model, requestsPerMinute, expiresAt }: NewKey): object => ({
  name,
  description,
  permissions: scope,
  models: model,
  expiresAt,
  ...(requestsPerMinute === undefined ? {} : { rateLimit: { requestsPerMinute } }),
});

export async function createKey(name: string, options: NewKey): Promise<void> {
  await ServiceApi.use(options, async (api) => {
    showNewKey(options, await api.post('api-keys/create', keyFields(name, options)));
  });
}

export interface NewPublishableKey extends NewKey {
  readonly issuer?: string;
  readonly audience?: string;
  readonly jwksUri?: string;
  readonly humanPrefix?: string;
  readonly origin?: readonly string[];
  readonly limit?: readonly { readonly type: string; readonly value: number }[];
  readonly unlimited?: boolean;
}

export async function createPublishableKey(name: string, options: NewPublishableKey): Promise<void> {
  const { issuer, audience, jwksUri, humanPrefix, origin, limit, unlimited } = options;
  const isOidc = [issuer, audience, jwksUri, humanPrefix].some((value) => value !== undefined);
  const body = {
    ...keyFields(name, options),
    ...(isOidc ? { oidcConfig: { issuer, audience, jwksUri, humanPrefix } } : {}),
    allowedOrigins: origin,
    defaultLimits: limit,
    unlimited,
  };
  await ServiceApi.use(options, async (api) => {
    showNewKey(options, await api.post('api-keys/create-publishable', body));
  });
}

function showNewKey(options: Options, { result }: { readonly result: KeyView & { readonly key: string } }): void {
  show(options, result, () =>
    fields([
      ['Key', result.key],
      ['Key id', result.keyId],
      ['Scopes', result.permissions.join(' ')],
      ['', 'The key is shown here and never again.'],
    ]),
  );
}

export async function getKey(keyId: string, options: Options): Promise<void> {
  const { apiKey } = await ServiceApi.use(options, (api) => api.post<{ apiKey: KeyView }>('api-keys/get', { keyId }));
  show(options, apiKey, () =>
    fields(
      Object.entries(apiKey).map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)]),
    ),
  );
}

export async function rotateKey(keyId: string, options: Options & { readonly grace?: number }): Promise<void> {
  const body = { keyId, gracePeriodSeconds: options.grace };
  const answer = await ServiceApi.use(options, (api) =>
    api.post<{ result: { readonly key: string; readonly keyId: string } }>('api-keys/rotate', body),
  );
  show(options, answer, () =>
    fields([
      ['New key', answer.result.key],
      ['Key id', answer.result.keyId],
      ['', 'The key is shown here and never again.'],
    ]),
  );
}

export async function revokeKey(keyId: string, options: Options): Promise<void> {
  const { apiKey } = await ServiceApi.use(options, (api) =>
    api.post<{ apiKey: KeyView }>('api-keys/revoke', { keyId }),
  );
  if (options.json) show(options, apiKey, () => '');
  else print(`${apiKey.keyId} (${apiKey.name}) is revoked, on every replica within a second.`);
}
