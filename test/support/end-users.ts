/** Helpers for specs of end users: keys after their verification, and the strategy with a real issuer. */
import {
  CredentialStrategies,
  END_USER_STRATEGY,
  type EndUserPrincipal,
  type OidcConfig,
  type PublishableKey,
} from '../../src/identity/index.js';
import { EndUserStrategy } from '../../src/humans/end-user.strategy.js';
import { OidcIssuers } from '../../src/humans/oidc-issuers.js';
import { PlatformIssuer } from '../../src/humans/platform-issuer.js';
import type { OutboundHttp } from '../../src/platform/outbound/index.js';
import type { DashboardIssuer } from '../../src/signin/index.js';

export interface KeyWishes extends Partial<Omit<PublishableKey, 'oidc'>> {
  readonly oidc?: Partial<OidcConfig>;
}

/** A key of the tenant acme-1 that accepts the issuer's tokens; null: a key without an issuer. */
export function publishableKey(
  issuer: { readonly issuer: string; readonly audience: string } | null,
  { oidc, ...over }: KeyWishes = {},
): PublishableKey {
  return {
    tenantId: 'acme-1',
    keyId: 'key_1',
    scopes: new Set(['chat:write']),
    requestsPerMinute: 1000,
    requestsPerMinutePerHuman: 60,
    allowedOrigins: [],
    oidc:
      issuer === null
        ? null
        : { issuer: issuer.issuer, audience: issuer.audience, jwksUri: null, humanPrefix: '', ...oidc },
    otherHumanPrefixes: [],
    ...over,
  };
}

export class EndUsers {
  private readonly strategies = new CredentialStrategies();

  /** @param platform the platform's own issuers, and whether the operator lends them */
  constructor(
    outbound: Pick<OutboundHttp, 'fetchJson'>,
    platform: { readonly issuers: readonly DashboardIssuer[]; readonly lent: boolean } = { issuers: [], lent: false },
  ) {
    const publishableDefaultIssuer = platform.lent ? 'platform' : 'none';
    const platformIssuer = new PlatformIssuer({ publishableDefaultIssuer }, platform.issuers);
    new EndUserStrategy(new OidcIssuers(outbound), platformIssuer, this.strategies);
  }

  present(key: PublishableKey, token: string, origin?: string): Promise<EndUserPrincipal> {
    const headers = { authorization: `Bearer ${token}`, ...(origin === undefined ? {} : { origin }) };
    return this.strategies.verify<EndUserPrincipal>(END_USER_STRATEGY, headers, { publishableKey: key });
  }

  /** The error of a refused token; null: it is accepted. */
  refusal(key: PublishableKey, token: string, origin?: string): Promise<unknown> {
    return this.present(key, token, origin).then(
      () => null,
      (error: unknown) => error,
    );
  }
}
