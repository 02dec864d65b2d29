/**
 * A local stand-in for the addresses of Google that a browser calls when a person signs in: Identity Toolkit's and Secure
 * Token's REST methods as Firebase's SDK calls them, and Google's OpenID Connect page. It is a real HTTPS server on loopback.
 * Chromium resolves the real names to it, so that the page's policy is tested with them.
 */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { serverCertificate } from '../support/certificates.js';
import type { GoogleEndpoints } from '../support/google-endpoints.js';
import type { TestIssuer } from '../support/tokens.js';

const HOSTS = ['identitytoolkit.googleapis.com', 'securetoken.googleapis.com', 'accounts.google.com'];

interface Account {
  readonly userId: string;
  readonly email: string;
  readonly password: string | null;
}
interface Answer {
  readonly status: number;
  readonly body: object;
}

export class GoogleSignIn {
  /** Host, path and method of every request except preflights. */
  readonly requests: string[] = [];
  /** Addresses that got a mail. */
  readonly mails: string[] = [];
  private readonly accounts: Account[] = [];
  private readonly refreshTokens = new Map<string, Account>();
  private readonly server: https.Server;

  private constructor(
    private readonly issuer: TestIssuer,
    /** The endpoints where the service writes users' claims. */
    private readonly google: GoogleEndpoints,
    /** The user's e-mail address on Google's page. */
    private readonly googleEmail: string,
  ) {
    const { key, cert } = serverCertificate(HOSTS);
    this.server = https.createServer({ key, cert }, (request, response) => {
      void this.take(request, response);
    });
  }

  static async start(issuer: TestIssuer, google: GoogleEndpoints, googleEmail: string): Promise<GoogleSignIn> {
    const started = new GoogleSignIn(issuer, google, googleEmail);
    started.server.listen(0, '127.0.0.1');
    await once(started.server, 'listening');
    return started;
  }

  async stop(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }

  /** Makes Chromium resolve these hosts, and no others, to this server. */
  get chromiumArguments(): string[] {
    const { port } = this.server.address() as AddressInfo;
    return [`--host-resolver-rules=${HOSTS.map((host) => `MAP ${host} 127.0.0.1:${port}`).join(', ')}`];
  }

  addAccount(userId: string, email: string, password: string): void {
    this.accounts.push({ userId, email, password });
  }

  private async take(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { pathname, searchParams } = new URL(request.url ?? '', `https://${request.headers.host ?? ''}`);
    const cors = {
      'access-control-allow-origin': request.headers.origin ?? '*',
      'access-control-allow-headers': request.headers['access-control-request-headers'] ?? '*',
      'access-control-allow-methods': 'GET, POST',
    };
    if (request.method === 'OPTIONS') {
      response.writeHead(200, cors).end();
      return;
    }
    const host = (request.headers.host ?? '').split(':')[0] ?? '';
    this.requests.push(`${request.method ?? ''} ${host}${pathname}`);
    if (host === 'accounts.google.com') {
      response.writeHead(302, { location: this.authorized(searchParams) }).end();
      return;
    }
    const text = Buffer.concat(chunks).toString();
    const { status, body } = host.startsWith('securetoken')
      ? this.refreshed(new URLSearchParams(text))
      : this.called(pathname.replace('/v1/accounts:', ''), JSON.parse(text) as Record<string, string>);
    response.writeHead(status, { ...cors, 'content-type': 'application/json; charset=UTF-8' });
    response.end(JSON.stringify(body));
  }

  /** OpenID Connect's implicit answer: the ID token is in the fragment. */
  private authorized(asked: URLSearchParams): string {
    const idToken = this.issuer.sign({ sub: 'google-1', email: this.googleEmail, nonce: asked.get('nonce') });
    const answer = new URLSearchParams({ id_token: idToken, state: asked.get('state') ?? '' });
    return `${asked.get('redirect_uri') ?? ''}#${answer.toString()}`;
  }

  private called(method: string, body: Record<string, string>): Answer {
    const { email = '', password = '' } = body;
    const known = this.accounts.find((account) => account.email === email);
    switch (method) {
      case 'signInWithPassword':
        return known?.password === password ? this.signedIn(known) : refusal('INVALID_LOGIN_CREDENTIALS');
      case 'signUp':
        if (known !== undefined) return refusal('EMAIL_EXISTS');
        this.addAccount(`fb-${randomUUID()}`, email, password);
        return this.called('signInWithPassword', body);
      case 'signInWithIdp': {
        const idToken = new URLSearchParams(body['postBody']).get('id_token') ?? '';
        const claims = claimsOf(idToken);
        return this.signedIn({ userId: `fb-${String(claims['sub'])}`, email: String(claims['email']), password: null });
      }
      case 'sendOobCode':
        this.mails.push(`${body['requestType'] ?? ''} ${email}`);
        return { status: 200, body: { kind: 'identitytoolkit#GetOobConfirmationCodeResponse', email } };
      case 'lookup': {
        const { sub, email: address } = claimsOf(body['idToken'] ?? '');
        const user = {
          localId: sub,
          email: address,
          emailVerified: true,
          validSince: '1700000000',
          providerUserInfo: [],
        };
        return { status: 200, body: { kind: 'identitytoolkit#GetAccountInfoResponse', users: [user] } };
      }
      default:
        return refusal('OPERATION_NOT_ALLOWED');
    }
  }

  private signedIn(account: Account): Answer {
    const refreshToken = randomUUID();
    this.refreshTokens.set(refreshToken, account);
    const { userId: localId, email } = account;
    return { status: 200, body: { localId, email, idToken: this.idToken(account), refreshToken, expiresIn: '3600' } };
  }

  private refreshed(form: URLSearchParams): Answer {
    const refreshToken = form.get('refresh_token') ?? '';
    const account = this.refreshTokens.get(refreshToken);
    if (account === undefined) return refusal('INVALID_REFRESH_TOKEN');
    const idToken = this.idToken(account);
    const token = { access_token: idToken, id_token: idToken, refresh_token: refreshToken };
    return { status: 200, body: { ...token, expires_in: '3600', token_type: 'Bearer', user_id: account.userId } };
  }

  /** An ID token with the claims that the service has written. */
  private idToken({ userId, email }: Account): string {
    const claims = this.google.claims.get(userId) ?? {};
    return this.issuer.sign({ ...claims, sub: userId, user_id: userId, email, email_verified: true });
  }
}

function claimsOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>;
}

function refusal(message: string): Answer {
  return {
    status: 400,
    body: { error: { code: 400, message, errors: [{ message, domain: 'global', reason: 'invalid' }] } },
  };
}
