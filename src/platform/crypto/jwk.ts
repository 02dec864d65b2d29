import { createPublicKey, type KeyObject } from 'node:crypto';

export type JwsAlgorithm = 'RS256' | 'PS256' | 'ES256';

/** A key that an issuer published, and what it may verify. */
export interface VerificationKey {
  /** Null: it has none, as the only key of an issuer may. */
  readonly kid: string | null;
  readonly key: KeyObject;
  readonly algorithms: readonly JwsAlgorithm[];
}

const ALGORITHMS_BY_KEY_TYPE: ReadonlyMap<unknown, readonly JwsAlgorithm[]> = new Map([
  ['RSA', ['RS256', 'PS256']],
  ['EC', ['ES256']],
]);
const RSA_BITS = { min: 2048, max: 8192 };
const MAX_PUBLIC_EXPONENT = 2n ** 32n - 1n;
const MAX_KID_LENGTH = 256;

/**
 * Reads one entry of a JWKS; null where it is not a key that we would verify with. Guarantee: what comes out can only
 * verify, is of a strength and type that the allowed algorithms ask for, and serves no algorithm that its own `alg`
 * leaves out. A public exponent of 1 is refused since anybody can sign for it; very long keys and exponents, since each
 * check of a signature costs us by their length: an issuer that a tenant chose could make every request a hundred times
 * dearer.
 */
export function parseVerificationKey(jwk: unknown, allowed: readonly JwsAlgorithm[]): VerificationKey | null {
  if (typeof jwk !== 'object' || jwk === null) return null;
  const { kid, kty, use, alg, key_ops: operations, n, e, crv, x, y } = jwk as Record<string, unknown>;
  if (kid !== undefined && !isKid(kid)) return null;
  if (use !== undefined && use !== 'sig') return null;
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes('verify'))) return null;

  const algorithms = (ALGORITHMS_BY_KEY_TYPE.get(kty) ?? []).filter(
    (name) => allowed.includes(name) && (alg === undefined || alg === name),
  );
  if (algorithms.length === 0) return null;
  // Public members alone: a document that leaks a private key does not put one into our hands.
  const key = readPublicKey(kty === 'RSA' ? { kty, n, e } : { kty, crv, x, y });
  return key !== null && isStrong(key) ? { kid: kid ?? null, key, algorithms } : null;
}

function isKid(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= MAX_KID_LENGTH;
}

function readPublicKey(jwk: Record<string, unknown>): KeyObject | null {
  try {
    return createPublicKey({ format: 'jwk', key: jwk });
  } catch {
    return null;
  }
}

function isStrong({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): boolean {
  if (asymmetricKeyType === 'ec') return asymmetricKeyDetails?.namedCurve === 'prime256v1';
  const { modulusLength = 0, publicExponent = 0n } = asymmetricKeyDetails ?? {};
  return (
    asymmetricKeyType === 'rsa' &&
    modulusLength >= RSA_BITS.min &&
    modulusLength <= RSA_BITS.max &&
    publicExponent >= 3n &&
    publicExponent <= MAX_PUBLIC_EXPONENT &&
    publicExponent % 2n === 1n
  );
}
