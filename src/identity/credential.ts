import type { IncomingMessage } from 'node:http';
import { Fault } from '../platform/errors/index.js';
import { refusedCredential, type RefusedCredential } from './refused-credential.js';

/**
 * What a request presents, told by prefix or shape alone: which verifier runs is never found out by trial. The verified
 * record must then agree with the prefix.
 */
export type Credential =
  | { readonly kind: 'none' }
  | { readonly kind: 'secretKey'; readonly secret: string }
  | { readonly kind: 'endUser'; readonly publishableKey: string; readonly token: string; readonly issuer: string }
  | { readonly kind: 'sealedToken'; readonly token: string }
  | { readonly kind: 'jwt'; readonly token: string; readonly issuer: string }
  | { readonly kind: 'ofPath'; readonly token: string; readonly strategy: string };

/** The credentials that a room takes on its own paths, where it takes no others. */
export interface PathCredential {
  /** The beginning of its routes as they are declared, from slash to slash: `/gateways/`. */
  readonly pathPrefix: string;
  /** The name of the strategy that verifies them. */
  readonly strategy: string;
  /** The headers that may carry one as a Bearer token, in lower case. The first that is there decides. */
  readonly headers: readonly string[];
  /** The strategy judges callers who present nothing, too: an empty token. */
  readonly judgesNone?: true;
}

/** How sealed access tokens begin. */
export const SEALED_TOKEN_PREFIX = 'aisbreaker_';
/** How tokens of gateways begin: they are taken on their gateway's own paths alone. */
export const GATEWAY_TOKEN_PREFIX = 'gw_gh_';

const MAX_JWT_LENGTH = 16_384;
const NONE: Credential = { kind: 'none' };
const BEARER = /^Bearer +(\S+) *$/i;
/** Nothing, or the right scheme with no token or with more than one. */
const BEARER_WITHOUT_TOKEN = /^(?:Bearer(?: .*)?)?$/i;

/**
 * Reads the credential headers.
 *
 * Two different identities in one request are refused rather than ranked: whichever we picked, some caller would have
 * meant the other. The same key in both headers is one identity.
 *
 * @throws Fault invalid_input: two identities. unauthenticated: a credential of no known shape.
 */
export function classifyCredential(request: IncomingMessage): Credential {
  const apiKey = request.headers['x-api-key'];
  const authorization = request.headers.authorization;
  if (apiKey === undefined && authorization === undefined) return NONE;
  refuseRepeatedHeader(request, 'authorization');
  refuseRepeatedHeader(request, 'x-api-key');

  const bearer = authorization === undefined ? undefined : BEARER.exec(authorization)?.[1];
  if (apiKey !== undefined) {
    const secret = String(apiKey);
    if (secret.startsWith('pk_')) return endUserCredential(secret, authorization, bearer);
    if (!secret.startsWith('sk_')) throw refusedCredential('unknown_shape');
    if (authorization !== undefined && bearer !== secret) {
      throw new Fault('invalid_input', 'x-api-key and authorization hold two different identities. Send only one.', {
        fields: [{ field: 'authorization', reason: 'holds another identity than x-api-key' }],
      });
    }
    return { kind: 'secretKey', secret };
  }
  if (bearer === undefined) throw withoutToken(authorization);
  if (bearer.startsWith('sk_')) return { kind: 'secretKey', secret: bearer };
  if (bearer.startsWith('pk_')) throw refusedCredential('no_user_token');
  if (bearer.startsWith(SEALED_TOKEN_PREFIX)) return { kind: 'sealedToken', token: bearer };
  if (bearer.startsWith('gw_')) throw refusedCredential('gateway_token_not_taken_here');
  return { kind: 'jwt', token: bearer, issuer: claimedIssuer(bearer) };
}

/**
 * Reads the credential of a request on a room's own path. Its shape decides nothing there: a secret key that a caller
 * sends by mistake is a wrong token, and its holder is not let in by it.
 *
 * @throws Fault invalid_input: a header stands twice. unauthenticated: the header carries no Bearer token.
 */
export function pathCredential(
  request: IncomingMessage,
  { headers, strategy, judgesNone }: PathCredential,
): Credential {
  const name = headers.find((header) => request.headers[header] !== undefined);
  if (name === undefined) return judgesNone ? { kind: 'ofPath', token: '', strategy } : NONE;
  refuseRepeatedHeader(request, name);
  const header = String(request.headers[name]);
  const token = BEARER.exec(header)?.[1];
  if (token === undefined) throw withoutToken(header);
  return { kind: 'ofPath', token, strategy };
}

/** A publishable key and the user's JWT: one identity, of which both are needed. */
function endUserCredential(publishableKey: string, authorization?: string, token?: string): Credential {
  if (authorization === undefined || isKey(token)) throw refusedCredential('no_user_token');
  if (token === undefined) throw withoutToken(authorization);
  return { kind: 'endUser', publishableKey, token, issuer: claimedIssuer(token) };
}

function isKey(token: string | undefined): boolean {
  return token !== undefined && /^[ps]k_/.test(token);
}

function withoutToken(authorization = ''): RefusedCredential {
  return refusedCredential(BEARER_WITHOUT_TOKEN.test(authorization) ? 'no_bearer_token' : 'wrong_scheme');
}

/**
 * Node keeps the first of two Authorization headers and drops the other without a word; a proxy before us may have
 * judged the other one.
 */
function refuseRepeatedHeader(request: IncomingMessage, name: string): void {
  const raw = request.rawHeaders;
  let seen = 0;
  for (let i = 0; i < raw.length; i += 2) {
    const header = raw[i];
    if (header !== undefined && header.length === name.length && header.toLowerCase() === name) seen += 1;
  }
  if (seen > 1) {
    throw new Fault('invalid_input', `${name}: is sent twice.`, {
      fields: [{ field: name, reason: 'is sent twice' }],
    });
  }
}

/**
 * The `iss` of a three-part token, read only to choose the verifier, which checks it again.
 *
 * @throws Fault unauthenticated: no such token, or one that names no issuer
 */
function claimedIssuer(token: string): string {
  const parts = token.split('.');
  if (parts.length !== 3 || token.length > MAX_JWT_LENGTH) throw refusedCredential('unknown_shape');
  const issuer = issuerIn(parts[1] ?? '');
  if (issuer === null) throw refusedCredential('malformed_jwt');
  return issuer;
}

function issuerIn(claims: string): string | null {
  try {
    const payload: unknown = JSON.parse(Buffer.from(claims, 'base64url').toString('utf8'));
    const issuer = (payload as { iss?: unknown } | null)?.iss;
    return typeof issuer === 'string' ? issuer : null;
  } catch {
    return null;
  }
}
