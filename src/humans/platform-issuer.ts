import { Inject, Injectable } from '@nestjs/common';
import { refusedCredential, unverifiedIssuer, verifyUserToken, type VerifiedToken } from '../identity/index.js';
import { SETTINGS_TOKEN, type Settings } from '../platform/config/index.js';
import { DASHBOARD_ISSUERS, type DashboardIssuer } from '../signin/index.js';

const CLOCK_TOLERANCE_SECONDS = 5;

/**
 * The platform's own issuers as those of end users, for publishable keys without an issuer of their own. Guarantee: no token
 * is taken unless the operator said so (`PUBLISHABLE_DEFAULT_ISSUER=platform`), and then by the dashboard's rules: RS256, our
 * audience alone, `iat` and `auth_time` present and past, and not of a user whom the issuer has disabled or revoked. Every
 * dashboard user has such a token; only its tenant says which app it is for, so that a token without a tenant is refused.
 */
@Injectable()
export class PlatformIssuer {
  constructor(
    @Inject(SETTINGS_TOKEN) private readonly settings: Pick<Settings, 'publishableDefaultIssuer'>,
    @Inject(DASHBOARD_ISSUERS) private readonly issuers: readonly DashboardIssuer[],
  ) {}

  /** @throws Fault unauthenticated, or whatever the account check threw */
  async verify(token: string): Promise<VerifiedToken> {
    const trusted = this.trusted(unverifiedIssuer(token));
    if (trusted === undefined) throw refusedCredential('unknown_issuer');
    const { issuer, audience, keys, accounts } = trusted;
    const verified = await verifyUserToken(token, {
      issuer,
      audience,
      keys,
      algorithms: ['RS256'],
      kidOptional: false,
    });
    const { sub, aud, iat, auth_time: signedInAt, tenant_id: tenantId } = verified.claims;
    const isComplete = typeof sub === 'string' && iat !== undefined && isPast(signedInAt) && aud === audience;
    if (!isComplete || typeof tenantId !== 'string') throw refusedCredential('bad_claims');
    if (!verified.expired) await accounts?.assertActive(sub, signedInAt);
    return verified;
  }

  private trusted(issuer: string | null): DashboardIssuer | undefined {
    if (this.settings.publishableDefaultIssuer !== 'platform') return undefined;
    return this.issuers.find((candidate) => candidate.issuer === issuer);
  }
}

function isPast(time: unknown): time is number {
  return typeof time === 'number' && time <= Date.now() / 1000 + CLOCK_TOLERANCE_SECONDS;
}
