import { readJwksAnswer, type JwksDocument } from '../platform/crypto/index.js';
import type { OutboundHttp } from '../platform/outbound/index.js';

/** Where an issuer's public keys are. */
export interface IssuerLocation {
  readonly issuer: string;
  /** Null: found by discovery. */
  readonly jwksUri: string | null;
}

/** The issuer and its `jwks_uri` are what a tenant typed or what a stranger's document says: hence this policy for both. */
const FETCH_OPTIONS = { policy: 'tenant', timeoutMs: 5_000, maxBytes: 256 * 1024 } as const;

/**
 * Fetches an issuer's public keys, by discovery where no `jwks_uri` is configured (OpenID Connect Discovery 1.0).
 * @throws Error where the issuer has no keys; its message and cause are for the log
 */
export async function fetchIssuerKeys(
  { issuer, jwksUri }: IssuerLocation,
  outbound: Pick<OutboundHttp, 'fetchJson'>,
): Promise<JwksDocument> {
  const url = jwksUri ?? (await discoverJwksUri(issuer, outbound));
  return readJwksAnswer(await outbound.fetchJson(url, FETCH_OPTIONS));
}

/**
 * A document that names another issuer is refused (section 4.3): it may come from a host that serves several, and would
 * put one's keys in another's place.
 */
async function discoverJwksUri(issuer: string, outbound: Pick<OutboundHttp, 'fetchJson'>): Promise<string> {
  // Behind a query the path would not be one.
  if (/[?#]/.test(issuer)) throw new Error('The issuer is not a URL that discovery supports.');
  const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  const { status, body } = await outbound.fetchJson(url, FETCH_OPTIONS);
  if (status !== 200) throw new Error(`The issuer's configuration was answered with status ${status}.`);
  const configuration = body as { issuer?: unknown; jwks_uri?: unknown } | null | undefined;
  if (configuration?.issuer !== issuer) throw new Error("The issuer's configuration names another issuer.");
  if (typeof configuration.jwks_uri !== 'string') throw new Error("The issuer's configuration names no jwks_uri.");
  return configuration.jwks_uri;
}
