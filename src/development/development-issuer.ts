import { createHash, createPrivateKey, createPublicKey, sign, type KeyObject } from 'node:crypto';
import { DevelopmentClaims, type Claims } from './development-claims.js';

/** A URN: no issuer that serves https can have it, and nothing can be fetched from it. */
export const DEVELOPMENT_ISSUER = 'urn:gatehouse:development-only';
export const DEVELOPMENT_AUDIENCE = 'gatehouse-development';

export const DEFAULT_TOKEN_SECONDS = 3600;

/** What a token shall say; what is left out comes from what is remembered about the user. */
export interface TokenWishes {
  readonly userId: string;
  readonly email?: string | undefined;
  /** null: none, although one is remembered. */
  readonly tenantId?: string | null | undefined;
  readonly role?: string | undefined;
  readonly expiresInSeconds?: number | undefined;
}

export interface EndUserWishes {
  /** The address that the service serves the issuer at, which the publishable key names. */
  readonly issuer: string;
  readonly audience: string;
  readonly subject: string;
  readonly expiresInSeconds?: number | undefined;
}

export interface DevelopmentJwk {
  readonly kty: 'RSA';
  readonly n: string;
  readonly e: string;
  readonly kid: string;
  readonly use: 'sig';
  readonly alg: 'RS256';
}

/**
 * Signs dashboard tokens on a developer's machine. They are real: RS256, verified by the code that verifies Firebase's,
 * with keys from a JWKS. What makes them harmless is that production loads neither this nor the trust in it.
 */
export class DevelopmentIssuer {
  private readonly privateKey: KeyObject;
  private readonly jwk: DevelopmentJwk;
  private readonly claims: DevelopmentClaims;

  constructor(home: string, issuerKeyPem: string) {
    this.privateKey = createPrivateKey(issuerKeyPem);
    const { n = '', e = '' } = createPublicKey(this.privateKey).export({ format: 'jwk' });
    const kid = createHash('sha256')
      .update(JSON.stringify({ e, kty: 'RSA', n }))
      .digest('base64url');
    this.jwk = { kty: 'RSA', n, e, kid, use: 'sig', alg: 'RS256' };
    this.claims = new DevelopmentClaims(home);
  }

  jwks(): { readonly keys: readonly DevelopmentJwk[] } {
    return { keys: [this.jwk] };
  }

  /** What is remembered about a user. */
  claimsOf(userId: string): Promise<Claims> {
    return this.claims.of(userId);
  }

  /** Changes what is remembered about a user, in one step. */
  changeClaims(userId: string, edit: (claims: Claims) => Claims): Promise<void> {
    return this.claims.change(userId, edit);
  }

  /** A token with the form of a Firebase ID token. */
  async issue({
    userId,
    email,
    tenantId,
    role,
    expiresInSeconds = DEFAULT_TOKEN_SECONDS,
  }: TokenWishes): Promise<string> {
    const { tenant_id: knownTenantId, role: knownRole, ...others } = await this.claimsOf(userId);
    const named = {
      tenant_id: tenantId === undefined ? knownTenantId : tenantId,
      // A role belongs to a tenant: without one, only a role that was asked for is said.
      role: role ?? (tenantId === null ? null : knownRole),
    };
    const now = Math.floor(Date.now() / 1000);
    return this.sign({
      ...others,
      ...Object.fromEntries(Object.entries(named).filter(([, value]) => value !== null && value !== undefined)),
      ...(email === undefined ? {} : { email, email_verified: true }),
      auth_time: now,
      user_id: userId,
      sub: userId,
      iat: now,
      exp: now + expiresInSeconds,
      firebase: { identities: email === undefined ? {} : { email: [email] }, sign_in_provider: 'custom' },
    });
  }

  /** A token of a user of an app, as the issuer in a publishable key's `oidc_config` would sign it. */
  issueToEndUser({ issuer, audience, subject, expiresInSeconds = DEFAULT_TOKEN_SECONDS }: EndUserWishes): string {
    const now = Math.floor(Date.now() / 1000);
    return this.signAll({ iss: issuer, aud: audience, sub: subject, iat: now, exp: now + expiresInSeconds });
  }

  /** Signs claims as they are, under this issuer's name. */
  sign(claims: Claims): string {
    return this.signAll({ ...claims, iss: DEVELOPMENT_ISSUER, aud: DEVELOPMENT_AUDIENCE });
  }

  private signAll(claims: Claims): string {
    const header = { alg: 'RS256', kid: this.jwk.kid, typ: 'JWT' };
    const signed = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
    return `${signed}.${sign('RSA-SHA256', Buffer.from(signed), this.privateKey).toString('base64url')}`;
  }
}
