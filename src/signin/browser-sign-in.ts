import { discoverIssuer } from '../identity/index.js';
import { isLoopback, type Settings } from '../platform/config/index.js';
import { Fault } from '../platform/errors/index.js';
import { logger } from '../platform/logging/index.js';
import type { OutboundHttp } from '../platform/outbound/index.js';

/** What a browser needs in order to sign in at the issuer; all of it is public. Addresses are absolute URLs. */
export interface BrowserSignInSettings {
  readonly issuer: string;
  readonly clientId: string;
  readonly scopes: string;
  /** Which token the API takes: the ID token, or the access token where the audience is not the client. */
  readonly token: 'id' | 'access';
  readonly authorizationEndpoint: string;
  readonly tokenEndpoint: string;
  /** Absent: the issuer's own sign-in can't be ended from here. */
  readonly endSessionEndpoint?: string;
  /** Absent: refresh tokens can't be revoked. */
  readonly revocationEndpoint?: string;
  /** Whether the issuer's answers to the browser name the issuer (RFC 9207). */
  readonly namesIssuer: boolean;
}

const MAX_AGE_MS = 60 * 60_000;
const RETRY_AFTER_FAILURE_MS = 5_000;
/** Such a host can stand in a content security policy; a `;` in one would begin another directive. */
const HOST = /^[a-z\d.-]+(?::\d+)?$/;

/**
 * Where browsers sign in at the dashboard's issuer, by its own configuration. It is fetched when a browser first asks, kept for
 * an hour, and used for longer while the issuer can't be reached. One fetch at a time, which all callers wait for.
 */
export class BrowserSignIn {
  private known: BrowserSignInSettings | null = null;
  private mayAskAgainAtMs = -Infinity;
  private asking: Promise<void> | null = null;

  constructor(
    private readonly client: Pick<BrowserSignInSettings, 'issuer' | 'clientId' | 'scopes' | 'token'>,
    private readonly outbound: Pick<OutboundHttp, 'fetchJson'>,
    private readonly nowMs: () => number = () => performance.now(),
  ) {}

  /** @throws Fault unavailable */
  async settings(): Promise<BrowserSignInSettings> {
    if (this.nowMs() >= this.mayAskAgainAtMs) {
      this.asking ??= this.ask().finally(() => {
        this.asking = null;
      });
    }
    if (this.known === null) await this.asking;
    if (this.known !== null) return this.known;
    throw new Fault(
      'unavailable',
      "The issuer's configuration (`DASHBOARD_OIDC_ISSUER`) can't be read right now; try again.",
      {
        retryAfterSeconds: RETRY_AFTER_FAILURE_MS / 1000,
      },
    );
  }

  /** The origins that pages send requests to; none while the issuer's configuration is unknown. */
  async origins(): Promise<readonly string[]> {
    const settings = await this.settings().catch(() => null);
    if (settings === null) return [];
    const { tokenEndpoint, revocationEndpoint } = settings;
    const asked = revocationEndpoint === undefined ? [tokenEndpoint] : [tokenEndpoint, revocationEndpoint];
    return [...new Set(asked.map((address) => new URL(address).origin))];
  }

  private async ask(): Promise<void> {
    try {
      this.known = {
        ...this.client,
        ...endpointsOf(await discoverIssuer(this.client.issuer, this.outbound, 'operator')),
      };
      this.mayAskAgainAtMs = this.nowMs() + MAX_AGE_MS;
    } catch (error) {
      this.mayAskAgainAtMs = this.nowMs() + RETRY_AFTER_FAILURE_MS;
      logger.warn({ err: error }, "The dashboard issuer's configuration could not be read.");
    }
  }
}

/** Null: no issuer or no client is set. */
export function browserSignIn(
  {
    dashboardOidcIssuer: issuer,
    dashboardOidcAudience: audience,
    dashboardOidcClientId: clientId,
    dashboardOidcScopes: scopes,
  }: Pick<Settings, 'dashboardOidcIssuer' | 'dashboardOidcAudience' | 'dashboardOidcClientId' | 'dashboardOidcScopes'>,
  outbound: Pick<OutboundHttp, 'fetchJson'>,
): BrowserSignIn | null {
  if (issuer === undefined || clientId === undefined) return null;
  return new BrowserSignIn({ issuer, clientId, scopes, token: audience === clientId ? 'id' : 'access' }, outbound);
}

type Endpoints = Omit<BrowserSignInSettings, 'issuer' | 'clientId' | 'scopes' | 'token'>;

function endpointsOf(configuration: Readonly<Record<string, unknown>>): Endpoints {
  const authorizationEndpoint = addressOf(configuration, 'authorization_endpoint');
  const tokenEndpoint = addressOf(configuration, 'token_endpoint');
  if (authorizationEndpoint === undefined || tokenEndpoint === undefined)
    throw new Error("The issuer's configuration lacks authorization_endpoint or token_endpoint.");
  const endSessionEndpoint = addressOf(configuration, 'end_session_endpoint');
  const revocationEndpoint = addressOf(configuration, 'revocation_endpoint');
  return {
    authorizationEndpoint,
    tokenEndpoint,
    ...(endSessionEndpoint === undefined ? {} : { endSessionEndpoint }),
    ...(revocationEndpoint === undefined ? {} : { revocationEndpoint }),
    namesIssuer: configuration['authorization_response_iss_parameter_supported'] === true,
  };
}

/** Undefined: the configuration lacks it. */
function addressOf(configuration: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const value = configuration[name];
  if (value === undefined || value === null) return undefined;
  const address = typeof value === 'string' && URL.canParse(value) ? new URL(value) : null;
  const isSecure = address?.protocol === 'https:' || (address?.protocol === 'http:' && isLoopback(address.hostname));
  if (address === null || !isSecure || !HOST.test(address.host))
    throw new Error(`The ${name} of the issuer's configuration is not an https:// URL of a named host.`);
  return address.href;
}
