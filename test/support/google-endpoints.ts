/**
 * A local stand-in for the endpoints of Google that the service calls, for tests that can't reach the real ones: a real
 * HTTPS server on loopback under a certificate authority of its own. It speaks the published wire formats of the OAuth 2.0
 * token endpoint (and verifies the service account's signed assertion), of Identity Toolkit's accounts:lookup and
 * accounts:update, and of the JWKS of Firebase's ID tokens.
 */
import { createHmac, createPrivateKey, createPublicKey, generateKeyPairSync, randomUUID, verify } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import https from 'node:https';
import net, { type AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import tls from 'node:tls';
import { serverCertificate, type ServerCertificate } from './certificates.js';

const HOSTS = ['identitytoolkit.googleapis.com', 'oauth2.googleapis.com', 'www.googleapis.com', '127.0.0.1'];
const JWKS_PATH = '/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com';
const TOKEN_URL = 'https://oauth2.googleapis.com/token';
const IDENTITY_SCOPE = 'https://www.googleapis.com/auth/identitytoolkit';
const USERS_PER_LOOKUP = 100;
const MAX_CLAIMS_LENGTH = 1000;

/** Generated once for a spec file: creating RSA keys is slow. */
let accountKeys: ReturnType<typeof newAccountKeys> | undefined;

/** The identity by which a service knows these endpoints. Others with the same identity can replace them unnoticed. */
export interface GoogleIdentity {
  readonly certificate: ServerCertificate;
  /** The service account's private key, as PEM. */
  readonly accountKey: string;
}

export interface GoogleOptions {
  /** Absent: a new one. */
  readonly identity?: GoogleIdentity;
  readonly projectId?: string;
  /** Publishes its keys at Google's address too. */
  readonly issuer?: { jwks(): object; readonly cacheControl: string };
}

interface GoogleAnswer {
  readonly status: number;
  readonly body: object;
  readonly headers?: Readonly<Record<string, string>>;
}

export class GoogleEndpoints {
  /** Users' custom claims. */
  readonly claims = new Map<string, Record<string, unknown>>();
  readonly disabled = new Set<string>();
  readonly deleted = new Set<string>();
  /** The second before which users' sign-ins are revoked. */
  readonly validSince = new Map<string, number>();
  /** Whether users exist that a test has not mentioned. */
  everyoneExists = true;
  /** Host and path of every request. */
  readonly requests: string[] = [];
  /** The users of every accounts:lookup. */
  readonly lookUps: (readonly string[])[] = [];
  /** While true, requests are accepted and not answered. */
  silent = false;
  /** The error status of a method, e.g. `accounts:update`, 500. */
  readonly failures = new Map<string, number>();
  /** The durations of the next updates, one each. */
  readonly updateDelaysMs: number[] = [];

  private readonly certificate: ServerCertificate;
  private readonly account: ReturnType<typeof newAccountKeys>;
  private readonly projectId: string;
  private readonly server: https.Server;
  private readonly proxy = http.createServer();
  private port = 0;
  private folder = '';

  private constructor(private readonly options: GoogleOptions) {
    this.projectId = options.projectId ?? 'demo-gatehouse-tests';
    this.certificate = options.identity?.certificate ?? serverCertificate(HOSTS);
    this.account = accountOf(options.identity) ?? (accountKeys ??= newAccountKeys());
    const { key, cert } = this.certificate;
    this.server = https.createServer({ key, cert }, (request, response) => this.take(request, response));
    this.proxy.on('connect', (_request, client: net.Socket, head: Buffer) => this.tunnel(client, head));
  }

  static async start(options: GoogleOptions = {}): Promise<GoogleEndpoints> {
    const google = new GoogleEndpoints(options);
    await google.comeBack();
    google.proxy.listen(0, '127.0.0.1');
    await once(google.proxy, 'listening');
    google.folder = await mkdtemp(path.join(os.tmpdir(), 'gatehouse-google-'));
    await writeFile(google.accountFile, JSON.stringify(google.serviceAccount()), { mode: 0o600 });
    await writeFile(google.authorityFile, google.certificate.ca);
    return google;
  }

  async stop(): Promise<void> {
    await this.goDown();
    this.proxy.close();
    this.proxy.closeAllConnections();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** From now on connections are refused, and open ones are cut. */
  async goDown(): Promise<void> {
    if (!this.server.listening) return;
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }

  async comeBack(): Promise<void> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    this.port = (this.server.address() as AddressInfo).port;
  }

  get accountFile(): string {
    return path.join(this.folder, 'account.json');
  }

  /** The certificate of the authority that signed these endpoints' certificate. */
  get authorityFile(): string {
    return path.join(this.folder, 'authority.pem');
  }

  get authority(): string {
    return this.certificate.ca;
  }

  get identity(): GoogleIdentity {
    return { certificate: this.certificate, accountKey: this.serviceAccount().private_key };
  }

  get jwksUrl(): string {
    return `https://127.0.0.1:${this.port}${JWKS_PATH}`;
  }

  serviceAccount(): { readonly client_email: string; readonly private_key: string; readonly [name: string]: string } {
    return {
      type: 'service_account',
      project_id: this.projectId,
      client_email: `writer@${this.projectId}.iam.gserviceaccount.com`,
      private_key: this.account.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    };
  }

  /** Routes every connection here, and still verifies the server. */
  agent(authority = this.certificate.ca): https.Agent {
    const agent = new https.Agent();
    agent.createConnection = ({ host, servername }) =>
      tls.connect({ host: '127.0.0.1', port: this.port, servername: servername || (host ?? ''), ca: authority });
    return agent;
  }

  /** With this environment a process reaches Google's addresses here: through a proxy, as behind a company's firewall. */
  environment(): Record<string, string> {
    return {
      FIREBASE_SERVICE_ACCOUNT: this.accountFile,
      NODE_EXTRA_CA_CERTS: this.authorityFile,
      NODE_USE_ENV_PROXY: '1',
      HTTPS_PROXY: `http://127.0.0.1:${(this.proxy.address() as AddressInfo).port}`,
    };
  }

  private tunnel(client: net.Socket, head: Buffer): void {
    const inner = net.connect(this.port, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      inner.write(head);
      client.pipe(inner).pipe(client);
    });
    inner.on('error', () => client.destroy());
    client.on('error', () => inner.destroy());
  }

  private take(request: http.IncomingMessage, response: http.ServerResponse): void {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const address = `${request.headers.host ?? ''}${request.url ?? ''}`;
      this.requests.push(address);
      if (this.silent) return;
      const respond = (): void => {
        const { status, body, headers } = this.answer(address, Buffer.concat(chunks).toString(), request.headers);
        response.writeHead(status, { 'content-type': 'application/json; charset=UTF-8', ...headers });
        response.end(JSON.stringify(body));
      };
      const delayMs = address.endsWith(':update') ? this.updateDelaysMs.shift() : undefined;
      if (delayMs === undefined) respond();
      else setTimeout(respond, delayMs).unref();
    });
  }

  private answer(address: string, body: string, headers: http.IncomingHttpHeaders): GoogleAnswer {
    for (const [method, status] of this.failures) if (address.endsWith(method)) return refusal(status, 'INTERNAL');
    if (address.endsWith(JWKS_PATH)) return this.publishedKeys();
    if (`https://${address}` === TOKEN_URL) return this.accessToken(new URLSearchParams(body));
    const token = /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1] ?? '';
    if (!this.isGenuine(token)) return refusal(401, 'UNAUTHENTICATED');
    const accounts = `identitytoolkit.googleapis.com/v1/projects/${this.projectId}/accounts`;
    if (address === `${accounts}:lookup`) return this.lookUp(JSON.parse(body) as { localId?: string[] });
    if (address === `${accounts}:update`) return this.update(JSON.parse(body) as Record<string, unknown>);
    return refusal(404, 'NOT_FOUND');
  }

  private publishedKeys(): GoogleAnswer {
    const { issuer } = this.options;
    if (issuer === undefined) return refusal(404, 'NOT_FOUND');
    return { status: 200, body: issuer.jwks(), headers: { 'cache-control': issuer.cacheControl } };
  }

  /** RFC 7523, as Google describes it for service accounts. */
  private accessToken(form: URLSearchParams): GoogleAnswer {
    const [header = '', claims = '', signature = ''] = form.get('assertion')?.split('.') ?? [];
    const { alg } = parsed(header);
    const { iss, aud, scope, iat, exp } = parsed(claims);
    const now = Date.now() / 1000;
    const genuine =
      form.get('grant_type') === 'urn:ietf:params:oauth:grant-type:jwt-bearer' &&
      alg === 'RS256' &&
      verify(
        'sha256',
        Buffer.from(`${header}.${claims}`),
        this.account.publicKey,
        Buffer.from(signature, 'base64url'),
      ) &&
      iss === this.serviceAccount().client_email &&
      aud === TOKEN_URL &&
      String(scope).split(' ').includes(IDENTITY_SCOPE) &&
      Number(iat) <= now + 5 &&
      Number(exp) > now &&
      Number(exp) - Number(iat) <= 3600;
    if (!genuine) {
      return { status: 400, body: { error: 'invalid_grant', error_description: 'Invalid JWT Signature.' } };
    }
    const token = this.accessTokenOf(randomUUID());
    return { status: 200, body: { access_token: token, expires_in: 3599, token_type: 'Bearer' } };
  }

  /** A token that proves itself, so that endpoints with the same identity accept it too. */
  private accessTokenOf(id: string): string {
    return `ya29.${id}.${createHmac('sha256', this.serviceAccount().private_key).update(id).digest('hex')}`;
  }

  private isGenuine(token: string): boolean {
    return token === this.accessTokenOf(token.split('.')[1] ?? '');
  }

  private lookUp({ localId }: { localId?: string[] }): GoogleAnswer {
    if (!Array.isArray(localId) || localId.length === 0 || localId.length > USERS_PER_LOOKUP) {
      return refusal(400, 'INVALID_ARGUMENT');
    }
    this.lookUps.push(localId);
    const users = localId.filter((userId) => this.exists(userId)).map((userId) => this.userInfo(userId));
    const kind = 'identitytoolkit#GetAccountInfoResponse';
    return { status: 200, body: users.length === 0 ? { kind } : { kind, users } };
  }

  private update({ localId, customAttributes }: Record<string, unknown>): GoogleAnswer {
    const userId = String(localId);
    if (!this.exists(userId)) return refusal(400, 'USER_NOT_FOUND');
    if (typeof customAttributes === 'string') {
      if (customAttributes.length > MAX_CLAIMS_LENGTH) return refusal(400, 'CLAIMS_TOO_LARGE');
      this.claims.set(userId, JSON.parse(customAttributes) as Record<string, unknown>);
    }
    return { status: 200, body: { kind: 'identitytoolkit#SetAccountInfoResponse', localId: userId } };
  }

  private exists(userId: string): boolean {
    return !this.deleted.has(userId) && (this.everyoneExists || this.claims.has(userId));
  }

  /** int64s are text, and false or unset fields are left out. */
  private userInfo(localId: string): object {
    const claims = this.claims.get(localId);
    return {
      localId,
      email: 'somebody@example.com',
      emailVerified: true,
      validSince: String(this.validSince.get(localId) ?? 1_700_000_000),
      ...(this.disabled.has(localId) ? { disabled: true } : {}),
      lastLoginAt: '1700000000000',
      createdAt: '1700000000000',
      ...(claims === undefined ? {} : { customAttributes: JSON.stringify(claims) }),
    };
  }
}

function newAccountKeys() {
  return generateKeyPairSync('rsa', { modulusLength: 2048 });
}

function accountOf(identity: GoogleIdentity | undefined): ReturnType<typeof newAccountKeys> | undefined {
  if (identity === undefined) return undefined;
  const privateKey = createPrivateKey(identity.accountKey);
  return { privateKey, publicKey: createPublicKey(privateKey) };
}

function parsed(part: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(part, 'base64url').toString() || '{}') as Record<string, unknown>;
}

function refusal(code: number, message: string): GoogleAnswer {
  return {
    status: code,
    body: { error: { code, message, errors: [{ message, domain: 'global', reason: 'invalid' }] } },
  };
}
