import type { IncomingMessage } from 'node:http';
import { Fault } from '../platform/errors/index.js';

/**
 * What a request presents, told by prefix or shape alone: which verifier runs is never found out by trial. The verified
 * record must then agree with the prefix.
 */
export type Credential =
  | { readonly kind: 'none' }
  | { readonly kind: 'secretKey'; readonly secret: string }
  | { readonly kind: 'endUser'; readonly publishableKey: string; readonly token: string; readonly issuer: string }
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
}

const NONE: Credential = { kind: 'none' };
const BEARER = /^Bearer +(\S+) *$/i;

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
    if (secret.startsWith('pk_')) return endUserCredential(secret, bearer);
    if (!secret.startsWith('sk_')) throw unknownCredential();
    if (authorization !== undefined && bearer !== secret) {
      throw new Fault('invalid_input', 'x-api-key and authorization name two identities; send one.', {
        fields: [{ field: 'authorization', reason: 'names another identity than x-api-key' }],
      });
    }
    return { kind: 'secretKey', secret };
  }
  if (bearer === undefined) throw unknownCredential();
  if (bearer.startsWith('sk_')) return { kind: 'secretKey', secret: bearer };
  const issuer = unverifiedIssuer(bearer);
  if (issuer === null) throw unknownCredential();
  return { kind: 'jwt', token: bearer, issuer };
}

/**
 * Reads the credential of a request on a room's own path. Its shape decides nothing there: a secret key that a caller
 * sends by mistake is a wrong token, and its holder is not let in by it.
 *
 * @throws Fault invalid_input: a header stands twice. unauthenticated: the header carries no Bearer token.
 */
export function pathCredential(request: IncomingMessage, { headers, strategy }: PathCredential): Credential {
  const name = headers.find((header) => request.headers[header] !== undefined);
  if (name === undefined) return NONE;
  refuseRepeatedHeader(request, name);
  const token = BEARER.exec(String(request.headers[name]))?.[1];
  if (token === undefined) throw unknownCredential();
  return { kind: 'ofPath', token, strategy };
}

/** A publishable key and the user's JWT: one identity, of which both are needed. */
function endUserCredential(publishableKey: string, token: string | undefined): Credential {
  const issuer = token === undefined ? null : unverifiedIssuer(token);
  if (token === undefined || issuer === null) throw unknownCredential();
  return { kind: 'endUser', publishableKey, token, issuer };
}

const NOT_VALID = 'The credential is not valid.';

export function unknownCredential(): Fault {
  return new Fault('unauthenticated', NOT_VALID);
}

/**
 * A credential that was good until its time was over. The caller hears the same as for any other; but an app whose token
 * ran out is no attacker, so that it weighs nothing among failed authentications.
 */
export class ExpiredCredentialFault extends Fault {
  constructor() {
    super('unauthenticated', NOT_VALID);
  }
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
    throw new Fault('invalid_input', `${name}: stands twice in the request.`, {
      fields: [{ field: name, reason: 'stands twice in the request' }],
    });
  }
}

/** The `iss` of a three-part token, read only to choose the verifier, which checks it again. */
function unverifiedIssuer(token: string): string | null {
  const parts = token.split('.');
  if (parts.length !== 3 || token.length > 16_384) return null;
  try {
    const payload: unknown = JSON.parse(Buffer.from(parts[1] ?? '', 'base64url').toString('utf8'));
    const issuer = (payload as { iss?: unknown } | null)?.iss;
    return typeof issuer === 'string' ? issuer : null;
  } catch {
    return null;
  }
}
