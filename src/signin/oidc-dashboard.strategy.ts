import { Strategy } from 'passport';
import {
  ExpiredCredentialFault,
  fetchIssuerKeys,
  OIDC_ALGORITHMS,
  refusedCredential,
  verifyUserToken,
  type AccountPrincipal,
  type DashboardUserPrincipal,
  type PresentedRequest,
  type TokenIssuer,
} from '../identity/index.js';
import { JwksKeyStore } from '../platform/crypto/index.js';
import { logger } from '../platform/logging/index.js';
import type { OutboundHttp } from '../platform/outbound/index.js';
import { isSubject, principalOf } from './dashboard-person.js';
import type { MembershipDirectory } from './membership-directory.js';

/** The dashboard's issuer that the operator named, if it is not Firebase. */
export type OidcDashboardIssuer = Omit<TokenIssuer, 'algorithms' | 'kidOptional'>;

/** The injection token of `OidcDashboardIssuer | null`. */
export const OIDC_DASHBOARD_ISSUER = Symbol('OidcDashboardIssuer');

export function oidcDashboardIssuer(
  {
    issuer,
    audience,
    jwksUri,
  }: { readonly issuer: string; readonly audience: string; readonly jwksUri: string | null },
  outbound: Pick<OutboundHttp, 'fetchJson'>,
): OidcDashboardIssuer {
  return {
    issuer,
    audience,
    keys: new JwksKeyStore({
      fetchJwks: () => fetchIssuerKeys({ issuer, jwksUri }, outbound, 'operator'),
      allowedAlgorithms: OIDC_ALGORITHMS,
      onFetchFailed: (error) => logger.warn({ err: error }, "The dashboard issuer's public keys could not be fetched."),
    }),
  };
}

/**
 * Verifies tokens of any OpenID Connect issuer and says who presents them. Such a token names no tenant of ours and no role:
 * our row of the person names the tenant (`tenants/switch` writes it), and the membership's row the role. Groups and roles in
 * the token mean nothing here.
 */
export class OidcDashboardStrategy extends Strategy {
  constructor(
    private readonly issuer: OidcDashboardIssuer,
    private readonly memberships: MembershipDirectory,
  ) {
    super();
  }

  override authenticate(request: unknown): void {
    this.identify(request as PresentedRequest).then(
      (principal) => this.success(principal),
      (error: unknown) => this.error(error),
    );
  }

  private async identify({ headers }: PresentedRequest): Promise<AccountPrincipal | DashboardUserPrincipal> {
    const token = (headers['authorization'] ?? '').replace(/^Bearer /, '');
    const { claims, expired } = await verifyUserToken(token, {
      ...this.issuer,
      algorithms: OIDC_ALGORITHMS,
      kidOptional: true,
    });
    const { sub } = claims;
    if (!isSubject(sub)) throw refusedCredential('bad_claims');
    if (expired) throw new ExpiredCredentialFault('expired_token');
    return principalOf(sub, claims, await this.memberships.currentTenantOf(sub), this.memberships);
  }
}
