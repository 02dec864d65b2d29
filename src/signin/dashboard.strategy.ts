import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import { Passport } from 'passport';
import { ExtractJwt, Strategy } from 'passport-jwt';
import {
  CredentialStrategies,
  DASHBOARD_STRATEGY,
  ExpiredCredentialFault,
  refusedCredential,
  type AccountPrincipal,
  type DashboardUserPrincipal,
} from '../identity/index.js';
import type { JwksKeyStore } from '../platform/crypto/index.js';
import type { AccountCheck } from './account-status.js';
import { isSubject, principalOf } from './dashboard-person.js';
import { MembershipDirectory } from './membership-directory.js';
import { OIDC_DASHBOARD_ISSUER, OidcDashboardStrategy, type OidcDashboardIssuer } from './oidc-dashboard.strategy.js';

/** An issuer of the tokens that the dashboard's users present. */
export interface DashboardIssuer {
  /** Distinguishes several issuers in the names of their strategies. */
  readonly name: string;
  /** `iss` and `aud`, which must match exactly. */
  readonly issuer: string;
  readonly audience: string;
  readonly keys: JwksKeyStore;
  /** Says which users may no longer use an otherwise good token; absent: the issuer has no such users. */
  readonly accounts?: AccountCheck;
}

/** The injection token of the configured `readonly DashboardIssuer[]`. */
export const DASHBOARD_ISSUERS = Symbol('DashboardIssuers');

const ALGORITHM = 'RS256';
/**
 * How far an issuer's clock may be ahead of ours, for `iat` and `auth_time`. Expiry has no tolerance: a token is refused from
 * the second of its `exp` on.
 */
const CLOCK_TOLERANCE_SECONDS = 5;

/**
 * Verifies one issuer's ID tokens and says who presents them. The role comes from our membership row, never from a claim.
 *
 * - RS256 by the key that the issuer publishes under the token's `kid`, whatever the header says; issuer
 *   and audience match exactly.
 * - A token without an expiry, or from the future, is refused, though common libraries accept it.
 * - A bad token is 401 without a reason; unreachable keys of the issuer are 503.
 * - AccountCheck asks the issuer whether the person may still sign in.
 */
class DashboardStrategy extends PassportStrategy(Strategy) {
  constructor(
    private readonly issuer: DashboardIssuer,
    private readonly memberships: MembershipDirectory,
  ) {
    super({
      jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(),
      secretOrKeyProvider: (_request: unknown, token: string, done: KeyCallback) =>
        provideKey(issuer.keys, token, done),
      algorithms: [ALGORITHM],
      issuer: issuer.issuer,
      audience: issuer.audience,
    });
  }

  /**
   * Called with the claims of a token whose signature, issuer and audience are good. A user who is disabled or deleted, or
   * whose sign-in is revoked, is refused like a bad token, before any other look-up.
   *
   * @throws Fault unauthenticated, or whatever the account check or the membership look-up threw
   */
  async validate(claims: Readonly<Record<string, unknown>>): Promise<AccountPrincipal | DashboardUserPrincipal> {
    const { sub, tenant_id: tenantId } = claims;
    const signedInAt = this.assertCurrent(claims);
    if (!isSubject(sub)) throw refusedCredential('bad_claims');
    await this.issuer.accounts?.assertActive(sub, signedInAt);
    return principalOf(sub, claims, tenantId, this.memberships);
  }

  /** Passport's default registry is shared by the process; ours belongs to the application (CredentialStrategies). */
  getPassportInstance(): InstanceType<typeof Passport> {
    return new Passport();
  }

  /** @returns when the person signed in */
  private assertCurrent({ aud, exp, iat, auth_time: authTime }: Readonly<Record<string, unknown>>): number {
    const now = Date.now() / 1000;
    // The library accepts a list with our audience among others; an ID token for us names us alone.
    if (aud !== this.issuer.audience) throw refusedCredential('wrong_audience');
    if (!isNumericDate(exp) || !isNumericDate(iat) || !isNumericDate(authTime)) throw refusedCredential('bad_claims');
    if (Math.max(iat, authTime) > now + CLOCK_TOLERANCE_SECONDS) throw refusedCredential('not_yet_valid');
    if (exp <= now) throw new ExpiredCredentialFault('expired_token');
    return authTime;
  }
}

/** Registers one strategy for each issuer with the authentication guard. */
@Injectable()
export class DashboardStrategies implements OnModuleInit {
  constructor(
    private readonly strategies: CredentialStrategies,
    private readonly memberships: MembershipDirectory,
    @Inject(DASHBOARD_ISSUERS) private readonly issuers: readonly DashboardIssuer[],
    @Inject(OIDC_DASHBOARD_ISSUER) private readonly oidc: OidcDashboardIssuer | null = null,
  ) {}

  /**
   * The unverified `iss` of a token chooses one strategy, which accepts no other issuer's tokens.
   *
   * @throws Error where two issuers are the same
   */
  onModuleInit(): void {
    if (this.oidc !== null) {
      this.strategies.register(DASHBOARD_STRATEGY, new OidcDashboardStrategy(this.oidc, this.memberships));
      this.strategies.registerIssuer(this.oidc.issuer, DASHBOARD_STRATEGY);
    }
    for (const [index, issuer] of this.issuers.entries()) {
      if (this.strategies.strategyOfIssuer(issuer.issuer) !== null) {
        throw new Error(`Two verifiers for the issuer ${issuer.issuer}.`);
      }
      const name = index === 0 ? DASHBOARD_STRATEGY : `${DASHBOARD_STRATEGY}:${issuer.name}`;
      this.strategies.register(name, new DashboardStrategy(issuer, this.memberships));
      this.strategies.registerIssuer(issuer.issuer, name);
    }
  }
}

/** The library's types allow only text as a key. It also takes a KeyObject, and would parse text again for every token. */
type KeyCallback = (error: unknown, key?: string) => void;

function provideKey(keys: JwksKeyStore, token: string, done: KeyCallback): void {
  findKey(keys, token).then(
    (key) => settle(() => done(null, key as unknown as string), done),
    (error: unknown) => done(error),
  );
}

/** The library verifies inside the callback; an error thrown there would otherwise be lost. */
function settle(verify: () => void, done: KeyCallback): void {
  try {
    verify();
  } catch {
    done(refusedCredential('malformed_jwt'));
  }
}

async function findKey(keys: JwksKeyStore, token: string): Promise<object> {
  const { alg, kid, typ, crit } = readHeader(token);
  // `crit` names extensions that a verifier must understand or refuse; the library knows none and ignores it.
  const served = alg === ALGORITHM && crit === undefined && (typ === undefined || typ === 'JWT');
  if (!served || typeof kid !== 'string' || kid === '') throw refusedCredential('unsupported_header');
  const key = await keys.find(kid, ALGORITHM);
  if (key === null) throw refusedCredential('unknown_signing_key');
  return key;
}

function readHeader(token: string): Readonly<Record<string, unknown>> {
  try {
    const header: unknown = JSON.parse(Buffer.from(token.slice(0, token.indexOf('.')), 'base64url').toString('utf8'));
    if (typeof header === 'object' && header !== null) return header as Record<string, unknown>;
  } catch {
    // The error below covers this case, like every other text that is not a header.
  }
  throw refusedCredential('malformed_jwt');
}

function isNumericDate(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}
