import { readJwksAnswer, type JwksDocument, type JwsAlgorithm } from '../platform/crypto/index.js';
import type { OutboundHttp } from '../platform/outbound/index.js';

/** Where an issuer's public keys are. */
export interface IssuerLocation {
  readonly issuer: string;
  /** Null: found by discovery. */
  readonly jwksUri: string | null;
}

/** What tokens of any OpenID Connect issuer may be signed with. */
export const OIDC_ALGORITHMS: readonly JwsAlgorithm[] = ['RS256', 'PS256', 'ES256'];

/**
 * Who chose the issuer. What a tenant typed, and a `jwks_uri` that a stranger's document says, must not lead into the operator's
 * network.
 */
type IssuerChoice = 'tenant' | 'operator';
const LIMITS = { timeoutMs: 5_000, maxBytes: 256 * 1024 };

/**
 * Fetches an issuer's public keys, by discovery where no `jwks_uri` is configured (OpenID Connect Discovery 1.0).
 * @throws Error where the issuer has no keys; its message and cause are for the log
 */
export async function fetchIssuerKeys(
  { issuer, jwksUri }: IssuerLocation,
  outbound: Pick<OutboundHttp, 'fetchJson'>,
  policy: IssuerChoice,
): Promise<JwksDocument> {
  const url = jwksUri ?? (await discoverJwksUri(issuer, outbound, policy));
  return readJwksAnswer(await outbound.fetchJson(url, { ...LIMITS, policy }));
}

/**
 * What an issuer says of itself (OpenID Connect Discovery 1.0, section 3); nothing in it has been checked but `issuer`.
 * A document that names another issuer is refused (section 4.3): it may come from a host that serves several, and would
 * put one's keys in another's place.
 * @throws Error its message and cause are for the log
 */
export async function discoverIssuer(
  issuer: string,
  outbound: Pick<OutboundHttp, 'fetchJson'>,
  policy: IssuerChoice,
): Promise<Readonly<Record<string, unknown>>> {
  // Behind a query the path would not be one.
  if (/[?#]/.test(issuer)) throw new Error('The issuer is not a URL that discovery supports.');
  const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  const { status, body } = await outbound.fetchJson(url, { ...LIMITS, policy });
  if (status !== 200) throw new Error(`The issuer's configuration was answered with status ${status}.`);
  const configuration = body as Readonly<Record<string, unknown>> | null | undefined;
  if (configuration?.['issuer'] !== issuer) throw new Error("The issuer's configuration names another issuer.");
  return configuration;
}

async function discoverJwksUri(...asked: Parameters<typeof discoverIssuer>): Promise<string> {
  const { jwks_uri: jwksUri } = await discoverIssuer(...asked);
  if (typeof jwksUri !== 'string') throw new Error("The issuer's configuration names no jwks_uri.");
  return jwksUri;
}
