import type { Scope } from './scope.js';

/** Whose JWTs a publishable key takes. */
export interface OidcConfig {
  readonly issuer: string;
  readonly audience: string;
  /** Null: found by discovery. */
  readonly jwksUri: string | null;
  /** Stands before the JWT's `sub` in the human's id, so that two issuers' subjects never meet. */
  readonly humanPrefix: string;
}

/**
 * A verified `pk_` key: half of an identity. It says which tenant and which issuer; who asks, only the user's JWT beside
 * it says.
 */
export interface PublishableKey {
  readonly tenantId: string;
  readonly keyId: string;
  readonly scopes: ReadonlySet<Scope>;
  readonly requestsPerMinute: number;
  readonly requestsPerMinutePerHuman: number;
  /** Empty: any. */
  readonly allowedOrigins: readonly string[];
  /** Null: the platform's own issuer, where the operator allows it. */
  readonly oidc: OidcConfig | null;
  /** Prefixes of the tenant's other issuers: no human of this key's issuer may begin with one. */
  readonly otherHumanPrefixes: readonly string[];
}
