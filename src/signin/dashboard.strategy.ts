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

/** Whose tokens the dashboard's users present. */
export interface DashboardIssuer {
  /** Tells several issuers apart, in the names of their strategies. */
  readonly name: string;
  /** `iss` and `aud`, each exactly so. */
  readonly issuer: string;
  readonly audience: string;
  readonly keys: JwksKeyStore;
  /** Says who may no longer use a token that is otherwise good; absent: the issuer has no such users. */
  readonly accounts?: AccountCheck;
}

/** The injection token of the configured `readonly DashboardIssuer[]`. */
export const DASHBOARD_ISSUERS = Symbol('DashboardIssuers');

const ALGORITHM = 'RS256';
/**
 * How far an issuer's clock may be ahead of ours, for `iat` and `auth_time`. Expiry gets none: a token is refused from the
 * second that its `exp` names.
 */
const CLOCK_TOLERANCE_SECONDS = 5;

/**
 * Verifies one issuer's ID tokens and says who presents them. Guarantees: RS256 by a key that the issuer publishes under the
 * token's `kid` and no other algorithm, whatever the header says; issuer and audience exact; a token without an expiry, or
 * from the future, is refused, though common libraries take it. A bad token is 401 without a reason; an issuer whose keys
 * can't be had is 503. A role comes from our membership row, never from a claim: write access to claims gains nothing.
 * Whether the person may still sign in, the issuer is asked (AccountCheck).
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
   * Called with the claims of a token whose signature, issuer and audience hold. A user whom the issuer has disabled or
   * deleted, or whose sign-in it has revoked, is refused like a bad token, before anything else is looked up.
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

  /** Passport's own registry is the process's; ours is the application's (CredentialStrategies). */
  getPassportInstance(): InstanceType<typeof Passport> {
    return new Passport();
  }

  /** @returns when the person signed in */
  private assertCurrent({ aud, exp, iat, auth_time: authTime }: Readonly<Record<string, unknown>>): number {
    const now = Date.now() / 1000;
    // A list that holds our audience among others passes the library; an ID token for us names us alone.
    if (aud !== this.issuer.audience) throw refusedCredential('wrong_audience');
    if (!isNumericDate(exp) || !isNumericDate(iat) || !isNumericDate(authTime)) throw refusedCredential('bad_claims');
    if (Math.max(iat, authTime) > now + CLOCK_TOLERANCE_SECONDS) throw refusedCredential('not_yet_valid');
    if (exp <= now) throw new ExpiredCredentialFault('expired_token');
    return authTime;
  }
}

/** Puts one strategy for each issuer where the authentication guard finds it. */
@Injectable()
export class DashboardStrategies implements OnModuleInit {
  constructor(
    private readonly strategies: CredentialStrategies,
    private readonly memberships: MembershipDirectory,
    @Inject(DASHBOARD_ISSUERS) private readonly issuers: readonly DashboardIssuer[],
    @Inject(OIDC_DASHBOARD_ISSUER) private readonly oidc: OidcDashboardIssuer | null = null,
  ) {}

  /**
   * The unverified `iss` of a token leads to exactly one strategy, and that one takes no other issuer's tokens.
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

/** The library's types know keys as text alone; it takes a KeyObject, and would parse text anew for every token. */
type KeyCallback = (error: unknown, key?: string) => void;

function provideKey(keys: JwksKeyStore, token: string, done: KeyCallback): void {
  findKey(keys, token).then(
    (key) => settle(() => done(null, key as unknown as string), done),
    (error: unknown) => done(error),
  );
}

/** The library verifies inside the callback; what it throws there would otherwise be lost. */
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
    // Told below, like everything else that is not a header.
  }
  throw refusedCredential('malformed_jwt');
}

function isNumericDate(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}
