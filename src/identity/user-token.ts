import { decodeJwt, errors, jwtVerify, type JWTHeaderParameters, type JWTPayload } from 'jose';
import type { KeyObject } from 'node:crypto';
import { refusedCredential, type RefusalReason } from './refused-credential.js';
import type { JwksKeyStore, JwsAlgorithm } from '../platform/crypto/index.js';

/** Whose tokens are taken. */
export interface TokenIssuer {
  /** `iss`, exactly so. */
  readonly issuer: string;
  /** `aud` is this, or a list that holds it. */
  readonly audience: string;
  readonly keys: JwksKeyStore;
  readonly algorithms: readonly JwsAlgorithm[];
  /** Whether a token may leave out `kid`, as OpenID Connect has it for an issuer with one key. */
  readonly kidOptional: boolean;
}

/** The claims of a token that its issuer signed for us. Whether its time is over, the caller judges with all else. */
export interface VerifiedToken {
  readonly claims: JWTPayload;
  readonly expired: boolean;
}

/** What a token for an API may call itself (RFC 7519, RFC 9068). All others (`usage+jwt`, `logout+jwt`) are for others. */
const TYPES: readonly unknown[] = [undefined, 'jwt', 'at+jwt'];

/**
 * How far an issuer's clock may be ahead of ours, for `nbf` and `iat`. Expiry gets none: a token is refused from the
 * second that its `exp` names.
 */
const CLOCK_TOLERANCE_SECONDS = 5;

/**
 * Verifies a JWT against one issuer.
 *
 * Guarantees: the signature is by a key that this issuer publishes, of a type that fits the algorithm; keys that the
 * header carries or points to (`jwk`, `jku`, `x5c`, `x5u`) are never looked at, and an extension that must be understood
 * (`crit`) is refused, as we understand none. What is wrong with a token is 401 without saying what; an issuer whose keys
 * can't be had is 503. Errors that are not the token's stay what they are.
 *
 * @throws Fault unauthenticated, unavailable
 */
export async function verifyUserToken(token: string, trusted: TokenIssuer): Promise<VerifiedToken> {
  const { claims, expired } = await verifySigned(token, trusted);
  const { exp, iat } = claims;
  const now = Date.now() / 1000;
  // The library takes 1e999 for a date.
  if (exp === undefined || !Number.isFinite(exp)) throw refusedCredential('bad_claims');
  if (iat !== undefined && iat > now + CLOCK_TOLERANCE_SECONDS) throw refusedCredential('not_yet_valid');
  return { claims, expired: expired || exp <= now };
}

/** The `iss` that a token claims, read only to choose who verifies it; null: none. */
export function unverifiedIssuer(token: string): string | null {
  try {
    return decodeJwt(token).iss ?? null;
  } catch {
    return null;
  }
}

async function verifySigned(token: string, trusted: TokenIssuer): Promise<VerifiedToken> {
  try {
    const { payload } = await jwtVerify(token, (header) => findKey(header, trusted), {
      algorithms: [...trusted.algorithms],
      issuer: trusted.issuer,
      audience: trusted.audience,
      requiredClaims: ['exp'],
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
    });
    return { claims: payload, expired: false };
  } catch (error) {
    // The last check of all: whatever else the library judges is as it should be.
    if (error instanceof errors.JWTExpired) return { claims: error.payload, expired: true };
    if (error instanceof errors.JOSEError) throw refusedCredential(reasonOf(error));
    throw error;
  }
}

const CLAIM_REASONS: Readonly<Record<string, RefusalReason>> = {
  iss: 'wrong_issuer',
  aud: 'wrong_audience',
  nbf: 'not_yet_valid',
};

function reasonOf(error: errors.JOSEError): RefusalReason {
  if (error instanceof errors.JWTClaimValidationFailed)
    return error.reason === 'check_failed' ? (CLAIM_REASONS[error.claim] ?? 'bad_claims') : 'bad_claims';
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'bad_signature';
  if (error instanceof errors.JOSEAlgNotAllowed || error instanceof errors.JOSENotSupported)
    return 'unsupported_header';
  return error instanceof errors.JWTInvalid || error instanceof errors.JWSInvalid ? 'malformed_jwt' : 'other';
}

async function findKey({ alg, kid, typ, crit }: JWTHeaderParameters, trusted: TokenIssuer): Promise<KeyObject> {
  const algorithm = trusted.algorithms.find((allowed) => allowed === alg);
  const isKid = kid === undefined ? trusted.kidOptional : typeof kid === 'string' && kid !== '';
  if (algorithm === undefined || crit !== undefined || !isKid || !TYPES.includes(typeName(typ))) {
    throw refusedCredential('unsupported_header');
  }
  const key = await trusted.keys.find(kid ?? null, algorithm);
  if (key === null) throw refusedCredential('unknown_signing_key');
  return key;
}

/** Media types know no case, and `application/` may be left out (RFC 7515, section 4.1.9). */
function typeName(typ: unknown): unknown {
  return typeof typ === 'string' ? typ.toLowerCase().replace(/^application\//, '') : typ;
}
