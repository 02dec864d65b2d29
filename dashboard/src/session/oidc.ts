import {
  allowInsecureRequests,
  authorizationCodeGrantRequest,
  AuthorizationResponseError,
  calculatePKCECodeChallenge,
  generateRandomCodeVerifier,
  generateRandomNonce,
  generateRandomState,
  None,
  OperationProcessingError,
  processAuthorizationCodeResponse,
  processRefreshTokenResponse,
  refreshTokenGrantRequest,
  ResponseBodyError,
  revocationRequest,
  validateAuthResponse,
  type AuthorizationServer,
  type Client,
  type TokenEndpointResponse,
} from 'oauth4webapi';
import { apiErrorOf, UnreachableError } from '../api/api-error.js';
import type { Me } from '../api/types.js';
import type { OidcConfig } from './config.js';
import type { SignInWay } from './session.js';
import { SignInEndedError, SignInError } from './sign-in-error.js';
import { lives, readToken } from './token.js';

/** What a redirect to the issuer needs afterwards; in the tab's storage until the answer comes. */
const WAITING = 'gatehouse.oidc';
/** The tokens, where the operator allows the tab to keep them over a reload. */
const KEPT = 'gatehouse.oidc.tokens';
const CHANNEL = 'gatehouse.oidc';
const RETURN_PATH = '/dashboard/oidc';
const REVOCATION_TIMEOUT_MS = 3000;

interface Waiting {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
  readonly returnTo: string;
}

interface Tokens {
  /** The one that the API takes. */
  readonly text: string;
  readonly refresh: string | null;
}

/** An answer of the issuer's that came to this page's address, and where to go next. */
export interface Answered {
  readonly returnTo: string;
  readonly way: Promise<SignInWay>;
}

/**
 * Signs in at any OpenID Connect issuer: authorization code flow with PKCE, as a public client. The tokens are in this object,
 * and in the tab's storage only where the operator allows it.
 */
export class OidcSignIn {
  private readonly server: AuthorizationServer;
  private readonly client: Client;
  private readonly redirect = `${location.origin}${RETURN_PATH}`;

  constructor(private readonly config: OidcConfig) {
    const { issuer, clientId, authorizationEndpoint, tokenEndpoint, revocationEndpoint, namesIssuer } = config;
    this.server = {
      issuer,
      authorization_endpoint: authorizationEndpoint,
      token_endpoint: tokenEndpoint,
      ...(revocationEndpoint === undefined ? {} : { revocation_endpoint: revocationEndpoint }),
      authorization_response_iss_parameter_supported: namesIssuer,
      // Those that the API takes.
      id_token_signing_alg_values_supported: ['RS256', 'PS256', 'ES256'],
    };
    this.client = { client_id: clientId };
  }

  /** Leaves this page for the issuer's. */
  async leave(returnTo: string): Promise<void> {
    const waiting = newWaiting(returnTo);
    sessionStorage.setItem(WAITING, JSON.stringify(waiting));
    location.assign(await this.address(waiting));
  }

  /** Null: this page has no answer of the issuer's. Takes the answer out of the address and the storage at once. */
  answer(): Answered | null {
    if (location.pathname !== RETURN_PATH) return null;
    const params = new URLSearchParams(location.search);
    history.replaceState(null, '', RETURN_PATH);
    const kept = sessionStorage.getItem(WAITING);
    sessionStorage.removeItem(WAITING);
    if (kept === null) {
      // This is the window beside a page, which waits for it.
      new BroadcastChannel(CHANNEL).postMessage(params.toString());
      window.close();
      return { returnTo: '/', way: Promise.reject(new SignInError('elsewhere')) };
    }
    const waiting = JSON.parse(kept) as Waiting;
    return { returnTo: waiting.returnTo, way: this.exchange(params, waiting).then((tokens) => this.way(tokens)) };
  }

  /** The sign-in that the tab kept over a reload, where the operator allows that; null: no sign-in was kept. */
  kept(): SignInWay | null {
    const kept = this.config.session === 'tab' ? sessionStorage.getItem(KEPT) : null;
    return kept === null ? null : this.way(JSON.parse(kept) as Tokens);
  }

  private way(tokens: Tokens): SignInWay {
    let current = tokens;
    let renewing: Promise<Tokens> | null = null;
    const keep = (renewed: Tokens): Tokens => {
      current = renewed;
      if (this.config.session === 'tab') sessionStorage.setItem(KEPT, JSON.stringify(current));
      return current;
    };
    const forget = (): Promise<void> => {
      sessionStorage.removeItem(KEPT);
      return Promise.resolve();
    };
    keep(tokens);
    return {
      token: async () => {
        if (lives(readToken(current.text))) return current.text;
        renewing ??= this.renew(current)
          .then(keep)
          .finally(() => {
            renewing = null;
          });
        return (await renewing).text;
      },
      tenant: tenantOf,
      again: async () => {
        keep(await this.askBeside());
      },
      forget,
      signOut: async () => {
        await forget();
        await this.endAtIssuer(current);
      },
    };
  }

  private async address({ state, nonce, verifier }: Waiting): Promise<string> {
    const address = new URL(this.config.authorizationEndpoint);
    const parameters = {
      client_id: this.config.clientId,
      redirect_uri: this.redirect,
      response_type: 'code',
      scope: this.config.scopes,
      code_challenge: await calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      state,
      nonce,
    };
    for (const [name, value] of Object.entries(parameters)) address.searchParams.set(name, value);
    return address.href;
  }

  /** Asks in a window of its own, so that this page and what is typed in it stay. */
  private async askBeside(): Promise<Tokens> {
    const waiting = newWaiting('');
    const channel = new BroadcastChannel(CHANNEL);
    try {
      const answering = new Promise<URLSearchParams>((resolve) => {
        channel.addEventListener('message', ({ data }: MessageEvent<string>) => {
          const params = new URLSearchParams(data);
          if (params.get('state') === waiting.state) resolve(params);
        });
      });
      const opened = window.open(await this.address(waiting), '_blank', 'popup,width=480,height=640');
      if (opened === null) throw new SignInError('blocked');
      return await this.exchange(await answering, waiting);
    } finally {
      channel.close();
    }
  }

  /** An answer that this page did not ask for is refused: it could sign the user in to an attacker's account. */
  private async exchange(params: URLSearchParams, { state, nonce, verifier }: Waiting): Promise<Tokens> {
    try {
      const checked = validateAuthResponse(this.server, this.client, params, state);
      const options = this.requestOptions();
      const response = await reached(
        authorizationCodeGrantRequest(this.server, this.client, None(), checked, this.redirect, verifier, options),
      );
      const tokens = await processAuthorizationCodeResponse(this.server, this.client, response, {
        expectedNonce: nonce,
        requireIdToken: true,
      });
      return this.tokensOf(tokens, null);
    } catch (error) {
      throw failureOf(error);
    }
  }

  /** @throws SignInEndedError */
  private async renew({ refresh }: Tokens): Promise<Tokens> {
    if (refresh === null) throw new SignInEndedError();
    const response = await reached(
      refreshTokenGrantRequest(this.server, this.client, None(), refresh, this.requestOptions()),
    );
    // The issuer is busy or out of order, which says nothing of the sign-in.
    if (response.status === 429 || response.status >= 500) throw new UnreachableError();
    try {
      const tokens = await processRefreshTokenResponse(this.server, this.client, response);
      return this.tokensOf(tokens, refresh);
    } catch (error) {
      throw new SignInEndedError({ cause: error });
    }
  }

  private tokensOf(tokens: TokenEndpointResponse, refresh: string | null): Tokens {
    const text = this.config.token === 'id' ? tokens.id_token : tokens.access_token;
    // A renewal may come without an ID token.
    if (text === undefined) throw new SignInError('mismatch');
    return { text, refresh: tokens.refresh_token ?? refresh };
  }

  /** Whatever becomes of it, the user is signed out here. */
  private async endAtIssuer({ refresh }: Tokens): Promise<void> {
    const { endSessionEndpoint, revocationEndpoint, clientId } = this.config;
    if (refresh !== null && revocationEndpoint !== undefined) {
      const signal = AbortSignal.timeout(REVOCATION_TIMEOUT_MS);
      const options = { ...this.requestOptions(), signal };
      await revocationRequest(this.server, this.client, None(), refresh, options).catch(() => undefined);
    }
    if (endSessionEndpoint === undefined) return;
    const address = new URL(endSessionEndpoint);
    // Without the ID token as a hint: the API takes it, so it must be in no address.
    address.searchParams.set('client_id', clientId);
    address.searchParams.set('post_logout_redirect_uri', `${location.origin}/dashboard/`);
    location.assign(address.href);
  }

  private requestOptions(): { [allowInsecureRequests]: boolean } {
    // The service allows http:// only for an issuer on the same machine.
    return { [allowInsecureRequests]: true };
  }
}

function newWaiting(returnTo: string): Waiting {
  return {
    state: generateRandomState(),
    nonce: generateRandomNonce(),
    verifier: generateRandomCodeVerifier(),
    returnTo,
  };
}

/** The issuer's tokens name no tenant: the service keeps it. */
async function tenantOf(token: string): Promise<string | null> {
  const response = await reached(
    fetch('/api/v1/me/get', {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: '{}',
    }),
  );
  if (!response.ok) throw await apiErrorOf(response);
  const { tenantId } = (await response.json()) as Me;
  return tenantId ?? null;
}

function reached(answering: Promise<Response>): Promise<Response> {
  return answering.catch((error: unknown) => {
    // fetch rejects with a TypeError where no answer came at all.
    throw error instanceof TypeError ? new UnreachableError({ cause: error }) : error;
  });
}

function failureOf(error: unknown): unknown {
  if (error instanceof AuthorizationResponseError || error instanceof ResponseBodyError) {
    const failure = error.error === 'access_denied' ? 'denied' : 'refused';
    return new SignInError(failure, error.error_description ?? error.error, { cause: error });
  }
  if (error instanceof OperationProcessingError) return new SignInError('mismatch', '', { cause: error });
  return error;
}
