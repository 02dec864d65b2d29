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

  static async start(): Promise<OidcIssuer> {
    const issuer = new OidcIssuer();
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
      DASHBOARD_OIDC_AUDIENCE: CLIENT_ID,
      DASHBOARD_OIDC_CLIENT_ID: CLIENT_ID,
    };
  }

  /** Registers the dashboards at these addresses as one public client, and begins to answer. */
  open(addresses: readonly string[]): void {
    const provider = new Provider(this.issuer, this.configuration(addresses));
    provider.on('grant.success', ({ oidc }) => this.grants.push(String(oidc.params?.['grant_type'])));
    const answer = provider.callback();
    this.server.on('request', (request, response) => void answer(request, response));
  }

  private configuration(addresses: readonly string[]): Configuration {
    return {
      clients: [
        {
          client_id: CLIENT_ID,
          token_endpoint_auth_method: 'none',
          grant_types: ['authorization_code', 'refresh_token'],
          response_types: ['code'],
          redirect_uris: addresses.map((address) => `${address}/dashboard/oidc`),
          post_logout_redirect_uris: addresses.map((address) => `${address}/dashboard/`),
        },
      ],
      clientBasedCORS: (_context, origin) => addresses.includes(origin),
      claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
      conformIdTokenClaims: false,
      findAccount: (_context, sub) => ({
        accountId: sub,
        claims: () => ({ sub, email: `${sub}@example.com`, email_verified: true }),
      }),
      features: { rpInitiatedLogout: { enabled: true }, revocation: { enabled: true } },
      issueRefreshToken: () => this.givesRefreshTokens,
      ttl: { IdToken: () => this.idTokenSeconds },
      cookies: { keys: ['tests'] },
    };
  }
}

/** Fills the issuer's own pages, from the dashboard's button on: who, and the consent. */
export async function signInAs(page: Page, user: string): Promise<void> {
  await page.getByRole('button', { name: /^Sign in with 127\.0\.0\.1/ }).click();
  await page.getByPlaceholder('Enter any login').fill(user);
  await page.getByPlaceholder('and password').fill('any');
  await page.getByRole('button', { name: 'Sign-in' }).click();
  await page.getByRole('button', { name: 'Continue' }).click();
}
