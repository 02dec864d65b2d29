/**
 * A real OpenID Connect issuer on loopback: the certified `oidc-provider`, with its own pages for login, consent and sign-out.
 * Any name signs in; its user's e-mail address is `<name>@example.com`.
 */
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { mock } from 'node:test';
import Provider, { type Configuration } from 'oidc-provider';
import type { Page } from 'playwright-core';

export const CLIENT_ID = 'gatehouse';

export class OidcIssuer {
  /** Grant types that the token endpoint was asked for, in order. */
  readonly grants: string[] = [];
  /** How long ID tokens that are issued from now on are valid. */
  idTokenSeconds = 3600;
  givesRefreshTokens = true;
  private readonly server = http.createServer();

  /** @param audience the API's own audience, for which access tokens are JWTs; null: they are opaque, and the API takes ID tokens */
  private constructor(private readonly audience: string | null) {}

  static async start(audience: string | null = null): Promise<OidcIssuer> {
    const issuer = new OidcIssuer(audience);
    // It warns that it is set up for development.
    for (const level of ['info', 'warn'] as const) mock.method(console, level, () => undefined);
    issuer.server.listen(0, '127.0.0.1');
    await once(issuer.server, 'listening');
    return issuer;
  }

  async stop(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
    mock.restoreAll();
  }

  get issuer(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  get environment(): Record<string, string> {
    return {
      FIREBASE_PROJECT_ID: '',
      DASHBOARD_OIDC_ISSUER: this.issuer,
      DASHBOARD_OIDC_AUDIENCE: this.audience ?? CLIENT_ID,
      DASHBOARD_OIDC_CLIENT_ID: CLIENT_ID,
    };
  }

  /** Registers the dashboard at this address as a public client, and begins to answer. */
  open(dashboard: string): void {
    const provider = new Provider(this.issuer, this.configuration(dashboard));
    provider.on('grant.success', ({ oidc }) => this.grants.push(String(oidc.params?.['grant_type'])));
    const answer = provider.callback();
    this.server.on('request', (request, response) => void answer(request, response));
  }

  private resources(): NonNullable<NonNullable<Configuration['features']>['resourceIndicators']> {
    const { audience } = this;
    if (audience === null) return { enabled: false };
    return {
      enabled: true,
      defaultResource: () => audience,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        audience,
        scope: '',
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: 'RS256' } },
      }),
    };
  }

  private configuration(dashboard: string): Configuration {
    return {
      clients: [
        {
          client_id: CLIENT_ID,
          token_endpoint_auth_method: 'none',
          grant_types: ['authorization_code', 'refresh_token'],
          response_types: ['code'],
          redirect_uris: [`${dashboard}/dashboard/oidc`],
          post_logout_redirect_uris: [`${dashboard}/dashboard/`],
        },
      ],
      clientBasedCORS: (_context, origin) => origin === dashboard,
      claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
      conformIdTokenClaims: false,
      findAccount: (_context, sub) => ({ accountId: sub, claims: () => ({ sub, ...emailOf(sub) }) }),
      extraTokenClaims: (_context, token) => (token.kind === 'AccessToken' ? emailOf(token.accountId) : {}),
      features: {
        rpInitiatedLogout: { enabled: true },
        revocation: { enabled: true },
        resourceIndicators: this.resources(),
      },
      issueRefreshToken: () => this.givesRefreshTokens,
      ttl: { IdToken: () => this.idTokenSeconds },
      cookies: { keys: ['tests'] },
    };
  }
}

const emailOf = (user: string) => ({ email: `${user}@example.com`, email_verified: true });

/** Signs in from the dashboard's button on. */
export async function signInAs(page: Page, user: string): Promise<void> {
  await page.getByRole('button', { name: /^Sign in with 127\.0\.0\.1/ }).click();
  await fillIn(page, user);
}

/** Fills the issuer's own pages: who, and the consent. */
export async function fillIn(page: Page, user: string): Promise<void> {
  await page.getByPlaceholder('Enter any login').fill(user);
  await page.getByPlaceholder('and password').fill('any');
  await page.getByRole('button', { name: 'Sign-in' }).click();
  await page.getByRole('button', { name: 'Continue' }).click();
}
