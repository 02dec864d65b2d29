import { Fault } from '../platform/errors/index.js';
import { ExpiredCredentialFault, refusedCredential, type RefusalReason } from './refused-credential.js';

/** The library tells its errors apart by their texts alone. */
const REASONS: readonly (readonly [RegExp, RefusalReason])[] = [
  [/^(?:jwt malformed|jwt must be|invalid token)/, 'malformed_jwt'],
  [/^(?:invalid signature|jwt signature is required)/, 'bad_signature'],
  [/^invalid algorithm/, 'unsupported_header'],
  [/^jwt audience invalid/, 'wrong_audience'],
  [/^jwt issuer invalid/, 'wrong_issuer'],
  [/^invalid (?:exp|nbf) value/, 'bad_claims'],
];

/**
 * What a strategy's failure says. passport-jwt hands on the error of jsonwebtoken, or what its provider of keys threw.
 * jsonwebtoken looks at the expiry only once the signature holds.
 */
export function refusalOfFailure(info: unknown): Fault {
  if (info instanceof Fault) return info;
  if (!(info instanceof Error)) return refusedCredential('other');
  if (info.name === 'TokenExpiredError') return new ExpiredCredentialFault('expired_token');
  if (info.name === 'NotBeforeError') return refusedCredential('not_yet_valid');
  // The library hands on what JSON.parse threw, whose text has a piece of the token: it goes no further.
  if (info.name === 'SyntaxError') return refusedCredential('malformed_jwt');
  return refusedCredential(REASONS.find(([text]) => text.test(info.message))?.[1] ?? 'other');
}
