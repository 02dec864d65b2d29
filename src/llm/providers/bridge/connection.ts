import { invalidField } from '../../../platform/errors/index.js';
import type { OutboundHttp } from '../../../platform/outbound/index.js';
import type { Model } from '../../models/model-catalogue.js';
import type { ProviderConnection, ProviderCredentials } from '../provider-factory.js';
import { isObject } from '../requests/chat-request.js';

const MODELS_TIMEOUT_MS = 10_000;
const MODELS_MAX_BYTES = 8 * 1024 * 1024;

/**
 * A credential of a connection. It is always named to a package, since a package takes from the environment what it is not
 * given, and that is the operator's.
 *
 * @throws Fault invalid_input
 */
export function credentialOf(
  { credentials }: Pick<ProviderConnection, 'credentials'>,
  name: keyof ProviderCredentials,
): string {
  const value = credentials[name];
  if (value === undefined || value === '') throw invalidField(`credentials.${name}`, 'is missing');
  return value;
}

/** The address of a connection, without a slash at its end. */
export function baseUrlOf({ baseUrl }: Pick<ProviderConnection, 'baseUrl'>, home: string): URL {
  const url = new URL(baseUrl ?? home);
  url.pathname = url.pathname.replace(/\/+$/, '');
  return url;
}

export function textOfUrl(url: URL): string {
  return url.href.replace(/\/+$/, '');
}

/**
 * A provider's list of models, which stands in one field of its answer; null: it keeps none.
 *
 * @throws Error, OutboundError
 */
export async function listModels(
  http: OutboundHttp,
  { policy }: Pick<ProviderConnection, 'policy'>,
  url: string,
  headers: Readonly<Record<string, string>>,
  read: (answer: Readonly<Record<string, unknown>>) => unknown,
  modelOf: (item: Readonly<Record<string, unknown>>) => Model | null,
): Promise<readonly Model[] | null> {
  const answer = await http.fetchJson(url, {
    policy,
    timeoutMs: MODELS_TIMEOUT_MS,
    maxBytes: MODELS_MAX_BYTES,
    headers,
  });
  if (answer.status === 404) return null;
  const list = isObject(answer.body) ? read(answer.body) : null;
  if (answer.status !== 200 || !Array.isArray(list))
    throw new Error(`The provider answered its list of models with status ${answer.status}.`);
  return (list as readonly unknown[]).flatMap((item) => {
    const model = isObject(item) ? modelOf(item) : null;
    return model === null ? [] : [model];
  });
}
