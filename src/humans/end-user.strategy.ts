import { Injectable } from '@nestjs/common';
import { Strategy } from 'passport';
import {
  CredentialStrategies,
  END_USER_STRATEGY,
  ExpiredCredentialFault,
  OIDC_ALGORITHMS,
  refusedCredential,
  unverifiedIssuer,
  verifyUserToken,
  type EndUserPrincipal,
  type OidcConfig,
  type PresentedRequest,
  type PublishableKey,
  type VerifiedToken,
} from '../identity/index.js';
import { Fault } from '../platform/errors/index.js';
import { OidcIssuers } from './oidc-issuers.js';
import { PlatformIssuer } from './platform-issuer.js';

const MAX_HUMAN_CHARACTERS = 256;

/**
 * Verifies the user's JWT beside a publishable key, which another strategy has verified before. Guarantee: success means that
 * the key's issuer signed the token for the key's audience, and that it is good now. The tenant is the key's: a token that
 * names another tenant is refused, and so is a page of an origin that the key does not allow, before its token is looked at.
 */
@Injectable()
export class EndUserStrategy extends Strategy {
  constructor(
    private readonly oidcIssuers: OidcIssuers,
    private readonly platformIssuer: PlatformIssuer,
    strategies: CredentialStrategies,
  ) {
    super();
    strategies.register(END_USER_STRATEGY, this);
  }

  override authenticate(request: unknown): void {
    this.identify(request as PresentedRequest).then(
      (principal) => this.success(principal),
      (error: unknown) => this.error(error),
    );
  }

  private async identify({ headers, publishableKey: key }: PresentedRequest): Promise<EndUserPrincipal> {
    if (key === null) throw new TypeError('An end user is verified beside a publishable key.');
    const origin = headers['origin'] ?? null;
    assertOriginAllowed(key, origin);
    const token = (headers['authorization'] ?? '').replace(/^Bearer /, '');
    const { claims, expired } = await (key.oidc === null
      ? this.platformIssuer.verify(token)
      : this.verifyOwn(token, key.oidc));

    const human = humanOf(claims.sub, key);
    const { tenant_id: namedTenant = null } = claims;
    const isOthers = namedTenant !== null && namedTenant !== key.tenantId;
    if (human === null) throw refusedCredential('bad_claims');
    if (expired) throw isOthers ? refusedCredential('wrong_tenant') : new ExpiredCredentialFault('expired_token');
    if (isOthers)
      throw new Fault(
        'permission_denied',
        'The token is for another tenant than the key. Use a publishable key of the tenant in its tenant_id.',
      );
    const { tenantId, keyId, scopes, requestsPerMinute, requestsPerMinutePerHuman } = key;
    return Object.freeze({
      kind: 'endUser',
      tenantId,
      keyId,
      scopes,
      requestsPerMinute,
      requestsPerMinutePerHuman,
      human,
      origin,
    });
  }

  private async verifyOwn(token: string, oidc: OidcConfig): Promise<VerifiedToken> {
    // It would be refused anyway, so its keys are not fetched first.
    if (unverifiedIssuer(token) !== oidc.issuer) throw refusedCredential('wrong_issuer');
    const { issuer, audience } = oidc;
    const keys = this.oidcIssuers.keysOf(oidc);
    return verifyUserToken(token, { issuer, audience, keys, algorithms: OIDC_ALGORITHMS, kidOptional: true });
  }
}

/**
 * Browsers send a page's true origin; a program can send any, or none. So this keeps other people's pages from using a key
 * that is readable in an app's source, and does not defend against a program.
 */
function assertOriginAllowed({ allowedOrigins }: PublishableKey, origin: string | null): void {
  if (origin === null || allowedOrigins.length === 0 || allowedOrigins.includes(origin)) return;
  throw new Fault(
    'permission_denied',
    "origin: is not one of the key's allowedOrigins. Add it with /api/v1/api-keys/update.",
  );
}

/**
 * The human that a subject stands for; null: none. Nothing is trimmed, folded or normalised: two subjects are one human only
 * if they are equal. A tenant's issuers share its humans, and a user who may choose their `sub` could put another issuer's
 * prefix into it: such a subject is refused. Of prefixes that begin alike the longest one decides, so that a human has one
 * issuer.
 */
function humanOf(subject: unknown, { oidc, otherHumanPrefixes }: PublishableKey): string | null {
  if (typeof subject !== 'string' || subject === '' || subject.includes('\0') || !subject.isWellFormed()) return null;
  const prefix = oidc?.humanPrefix ?? '';
  const human = prefix + subject;
  if ([...human].length > MAX_HUMAN_CHARACTERS) return null;
  const isOthers = otherHumanPrefixes.some((other) => other.length > prefix.length && human.startsWith(other));
  return isOthers ? null : human;
}
