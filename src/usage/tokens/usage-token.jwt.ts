import { sign, verify } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { refusedCredential } from '../../identity/index.js';
import { SigningKeyRing, randomBase62, type SigningKey } from '../../platform/crypto/index.js';

/** The issuer of usage tokens, the same in every installation: it chooses their verifier. */
export const USAGE_TOKEN_ISSUER = 'urn:gatehouse:usage-tokens';
const TYPE = 'usage+jwt';
const ALGORITHM = 'ES256';
const ID = /^ut_[0-9A-Za-z]{24}$/;
const MAX_LENGTH = 1024;

export function newUsageTokenId(): string {
  return `ut_${randomBase62(24)}`;
}

/**
 * Usage tokens as JWTs (ES256). They name their issuer and their record, but not their human: an app holds them, and a human's
 * name is personal data. They have no expiry either, since the record has it.
 */
@Injectable()
export class UsageTokenJwt {
  private readonly keys: ReadonlyMap<string, SigningKey>;

  constructor(private readonly ring: SigningKeyRing) {
    this.keys = new Map(ring.keys.map((key) => [key.kid, key]));
  }

  write(tokenId: string, issuedAt: Date): string {
    const [{ kid, privateKey }] = this.ring.keys;
    const iat = Math.floor(issuedAt.getTime() / 1000);
    const content = [
      { alg: ALGORITHM, typ: TYPE, kid },
      { iss: USAGE_TOKEN_ISSUER, jti: tokenId, iat },
    ]
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.');
    const signature = sign('sha256', Buffer.from(content), { key: privateKey, dsaEncoding: 'ieee-p1363' });
    return `${content}.${signature.toString('base64url')}`;
  }

  /**
   * The id of a token's record. Guarantee: one of the keys in use signed these bytes as a usage token. Algorithm and type are
   * fixed, whatever the token says, so that no unsigned text, and nothing else that our keys sign, passes for one.
   *
   * @throws Fault unauthenticated
   */
  read(token: string): string {
    const [header, payload, signature, ...more] = token.split('.');
    if (header === undefined || payload === undefined || signature === undefined || more.length > 0)
      throw refusedCredential('malformed_jwt');
    if (token.length > MAX_LENGTH) throw refusedCredential('malformed_jwt');
    const { alg, typ, kid, crit } = objectIn(header);
    if (alg !== ALGORITHM || typ !== TYPE || crit !== undefined) throw refusedCredential('unsupported_header');
    const key = typeof kid === 'string' ? this.keys.get(kid) : undefined;
    if (key === undefined) throw refusedCredential('unknown_signing_key');
    const bytes = Buffer.from(signature, 'base64url');
    const content = Buffer.from(`${header}.${payload}`);
    // Another spelling of the same bytes would be a second valid token.
    const isOneSpelling = bytes.toString('base64url') === signature;
    if (!isOneSpelling || !verify('sha256', content, { key: key.publicKey, dsaEncoding: 'ieee-p1363' }, bytes))
      throw refusedCredential('bad_signature');
    const { iss, jti } = objectIn(payload);
    if (iss !== USAGE_TOKEN_ISSUER || typeof jti !== 'string' || !ID.test(jti)) throw refusedCredential('bad_claims');
    return jti;
  }
}

function objectIn(part: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
