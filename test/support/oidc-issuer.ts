/**
 * An OpenID Connect issuer of a tenant's end users: discovery and JWKS over real HTTPS (or HTTP) on loopback, and really signed
 * tokens, good ones and every broken kind. It counts requests, its answers can be changed, and it can go down and come back.
 *
 * A service reaches it with its `settings`, a service's process with its `environment`; over HTTP only in development.
 */
import { constants, createHmac, createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import tls from 'node:tls';
import type { Settings } from '../../src/platform/config/index.js';
import { selfSignedCertificate } from './self-signed-certificate.js';

export type IssuerAlgorithm = 'RS256' | 'PS256' | 'ES256';

/** A key of the issuer; `kid` null: it is published without one. */
export interface IssuerKey {
  readonly kid: string | null;
  readonly alg: IssuerAlgorithm;
  readonly privateKey: KeyObject;
}

export interface TokenOptions {
  /** The signing key; absent: the issuer's first key. */
  readonly key?: IssuerKey;
  /** The algorithm, where it differs from the key's own. */
  readonly alg?: IssuerAlgorithm | 'RS384' | 'HS256' | 'none';
  /** Members that replace the header's own; undefined removes one. */
  readonly header?: Readonly<Record<string, unknown>>;
}

export interface UserIssuerOptions {
  readonly protocol?: 'https:' | 'http:';
  /** The path after the origin, such as `/realms/acme`. */
  readonly path?: string;
  readonly audience?: string;
  /** The algorithm of its first key. Creating RSA keys is slow. */
  readonly alg?: IssuerAlgorithm;
}

/** One for all issuers of a spec: of several authorities with the same name a client finds the wrong one. */
const certificate = selfSignedCertificate(['127.0.0.1', 'localhost']);
const running = new Set<UserIssuer>();

/** This process trusts the certificate while an issuer runs. */
function trust(issuer: UserIssuer): void {
  if (running.size === 0) tls.setDefaultCACertificates([...tls.getCACertificates('default'), certificate.cert]);
  running.add(issuer);
}

function distrust(issuer: UserIssuer): void {
  if (!running.delete(issuer) || running.size > 0) return;
  const own = certificate.cert.trim();
  tls.setDefaultCACertificates(tls.getCACertificates('default').filter((known) => known.trim() !== own));
}

type Respond = (response: http.ServerResponse) => void;

export class UserIssuer {
  /** The path of every request, in order. */
  readonly requests: string[] = [];
  /** The published keys; the first one signs. */
  keys: readonly IssuerKey[];
  cacheControl = 'public, max-age=3600';
  /** Other answers, by path. */
  readonly answers = new Map<string, Respond>();
  readonly audience: string;
  private readonly issuerPath: string;
  private readonly server: http.Server;
  private port = 0;
  private folder: string | null = null;

  private constructor(private readonly options: UserIssuerOptions) {
    this.audience = options.audience ?? 'app';
    this.keys = [newIssuerKey(options.alg ?? 'RS256')];
    this.issuerPath = options.path ?? '';
    const take = (request: http.IncomingMessage, response: http.ServerResponse): void =>
      this.take(request.url ?? '', response);
    this.server = this.isHttps ? https.createServer(certificate, take) : http.createServer(take);
  }

  static async start(options: UserIssuerOptions = {}): Promise<UserIssuer> {
    const issuer = new UserIssuer(options);
    if (issuer.isHttps) trust(issuer);
    await issuer.comeBack();
    return issuer;
  }

  async stop(): Promise<void> {
    await this.goDown();
    if (this.isHttps) distrust(this);
    if (this.folder !== null) rmSync(this.folder, { recursive: true, force: true });
  }

  /** From now on connections are refused, and open ones are cut. Tokens can still be signed. */
  async goDown(): Promise<void> {
    if (!this.server.listening) return;
    this.server.close();
    this.server.closeAllConnections();
    await once(this.server, 'close');
  }

  /** Listens again at the same address. */
  async comeBack(): Promise<void> {
    this.server.listen(this.port, '127.0.0.1');
    await once(this.server, 'listening');
    this.port = (this.server.address() as AddressInfo).port;
  }

  /** The settings with which a service in this process reaches it. */
  get settings(): Partial<Settings> {
    return { outboundAllowCidrs: ['127.0.0.0/8'] };
  }

  /** The environment for a service's own process; adds to the authorities that it already trusts. */
  get environment(): Record<string, string> {
    this.folder ??= mkdtempSync(path.join(os.tmpdir(), 'gatehouse-issuer-'));
    const file = path.join(this.folder, 'trust.mjs');
    writeFileSync(
      file,
      `import tls from 'node:tls';
      tls.setDefaultCACertificates([...tls.getCACertificates('default'), ${JSON.stringify(certificate.cert)}]);`,
    );
    return { OUTBOUND_ALLOW_CIDRS: '127.0.0.0/8', NODE_OPTIONS: `--import=${file}` };
  }

  /** Its configuration in a publishable key; its keys are found by discovery. */
  get oidcConfig(): { readonly issuer: string; readonly audience: string } {
    return { issuer: this.issuer, audience: this.audience };
  }

  get origin(): string {
    return `${this.isHttps ? 'https' : 'http'}://127.0.0.1:${this.port}`;
  }

  get issuer(): string {
    return this.origin + this.issuerPath;
  }

  get jwksUri(): string {
    return this.origin + this.jwksPath;
  }

  get discoveryPath(): string {
    return `${this.issuerPath.replace(/\/$/, '')}/.well-known/openid-configuration`;
  }

  get jwksPath(): string {
    return `${this.issuerPath.replace(/\/$/, '')}/jwks.json`;
  }

  /** The number of requests for the configuration and for the keys. */
  get fetches(): { readonly discovery: number; readonly jwks: number } {
    const count = (target: string): number => this.requests.filter((asked) => asked === target).length;
    return { discovery: count(this.discoveryPath), jwks: count(this.jwksPath) };
  }

  /** Signs with a new key from now on; the old ones stay published unless told otherwise. */
  rotate({ alg = 'RS256', keepOld = true }: { alg?: IssuerAlgorithm; keepOld?: boolean } = {}): IssuerKey {
    const key = newIssuerKey(alg);
    this.keys = [key, ...(keepOld ? this.keys : [])];
    return key;
  }

  configuration(): Record<string, unknown> {
    return {
      issuer: this.issuer,
      jwks_uri: this.jwksUri,
      authorization_endpoint: `${this.issuer}/authorize`,
      response_types_supported: ['id_token'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['RS256'],
    };
  }

  jwks(): { keys: object[] } {
    return { keys: this.keys.map(publicJwk) };
  }

  /** The current claims of a good token. */
  claims(): Record<string, unknown> {
    const now = Math.floor(Date.now() / 1000);
    return { iss: this.issuer, aud: this.audience, sub: 'user-1', iat: now - 10, exp: now + 3600 };
  }

  /** @param overrides replace claims of a good token; undefined removes one */
  token(overrides: Readonly<Record<string, unknown>> = {}, options: TokenOptions = {}): string {
    return this.signPayload(JSON.stringify({ ...this.claims(), ...overrides }), options);
  }

  /** Signs any text, or bytes, as if they were claims. */
  signPayload(
    payload: string | Buffer,
    { key = this.signingKey, alg = key.alg, header = {} }: TokenOptions = {},
  ): string {
    const head = JSON.stringify({ alg, typ: 'JWT', ...(key.kid === null ? {} : { kid: key.kid }), ...header });
    const signed = `${base64url(head)}.${base64url(payload)}`;
    return `${signed}.${signature(alg, Buffer.from(signed), key).toString('base64url')}`;
  }

  /** One token of every kind that must be refused with 401, by what is wrong with it. */
  brokenTokens(): Record<string, string> {
    const now = Math.floor(Date.now() / 1000);
    const signed = (overrides: object, options: TokenOptions = {}): string => this.token({ ...overrides }, options);
    const [head = '', payload = '', tail = ''] = signed({}).split('.');
    const flipped = Buffer.from(tail, 'base64url');
    flipped[20] = (flipped[20] ?? 0) ^ 1;
    const key = this.signingKey;
    const stranger = { ...newIssuerKey('RS256'), kid: key.kid };
    const others = base64url(JSON.stringify({ ...this.claims(), sub: 'somebody-else' }));
    return {
      'alg none': signed({}, { alg: 'none' }),
      'alg none in capitals': signed({}, { alg: 'none', header: { alg: 'NONE' } }),
      'HS256 with the public key as secret': signed({}, { alg: 'HS256' }),
      'RS256 in name, HMAC with the public key in fact': signed({}, { alg: 'HS256', header: { alg: 'RS256' } }),
      'RS256 in name, PS256 in fact': signed({}, { alg: 'PS256', header: { alg: 'RS256' } }),
      RS384: signed({}, { alg: 'RS384' }),
      'ES256 by the name of an RSA key': signed({}, { key: { ...newIssuerKey('ES256'), kid: key.kid } }),
      'no alg': signed({}, { header: { alg: undefined } }),
      'alg that is no text': signed({}, { header: { alg: ['RS256'] } }),
      'unknown kid': signed({}, { header: { kid: 'no-such-key' } }),
      'kid that is no text': signed({}, { header: { kid: 7 } }),
      'kid null': signed({}, { header: { kid: null } }),
      'empty kid': signed({}, { header: { kid: '' } }),
      'known kid, key of another': signed({}, { key: stranger }),
      'no kid, key of another': signed({}, { key: { ...stranger, kid: null } }),
      'key carried along in the header': signed({}, { key: stranger, header: { jwk: publicJwk(stranger) } }),
      'key of another issuer by its address': signed(
        {},
        { key: stranger, header: { jku: this.jwksUri, x5u: this.jwksUri } },
      ),
      'typ of a usage token': signed({}, { header: { typ: 'usage+jwt' } }),
      'typ of a logout token': signed({}, { header: { typ: 'logout+jwt' } }),
      'typ that is no text': signed({}, { header: { typ: 7 } }),
      'typ null': signed({}, { header: { typ: null } }),
      'crit extension': signed({}, { header: { crit: ['b64'], b64: true } }),
      'unknown crit extension': signed({}, { header: { crit: ['https://example.com/x'], 'https://example.com/x': 1 } }),
      'empty crit': signed({}, { header: { crit: [] } }),
      'wrong iss': signed({ iss: 'https://issuer.example.com' }),
      'iss with a slash more': signed({ iss: `${this.issuer}/` }),
      'iss among others': signed({ iss: [this.issuer] }),
      'no iss': signed({ iss: undefined }),
      'wrong aud': signed({ aud: 'another-app' }),
      'aud in capitals': signed({ aud: this.audience.toUpperCase() }),
      'aud not among others': signed({ aud: ['another-app', `${this.audience} `] }),
      'aud within another': signed({ aud: `${this.audience}s` }),
      'aud that is an object': signed({ aud: { 0: this.audience } }),
      'empty aud': signed({ aud: [] }),
      'no aud': signed({ aud: undefined }),
      'azp, but no aud': signed({ aud: undefined, azp: this.audience }),
      expired: signed({ exp: now - 1 }),
      'expired long ago': signed({ exp: now - 3600 }),
      'no exp': signed({ exp: undefined }),
      'exp null': signed({ exp: null }),
      'exp that is text': signed({ exp: String(now + 3600) }),
      'exp without end': this.signPayload(JSON.stringify(this.claims()).replace(/"exp":\d+/, '"exp":1e999')),
      'nbf in the future': signed({ nbf: now + 60 }),
      'nbf that is text': signed({ nbf: 'now' }),
      'iat in the future': signed({ iat: now + 60 }),
      'iat that is text': signed({ iat: String(now) }),
      'no sub': signed({ sub: undefined }),
      'sub null': signed({ sub: null }),
      'empty sub': signed({ sub: '' }),
      'sub that is a number': signed({ sub: 42 }),
      'sub that is a list': signed({ sub: ['user-1'] }),
      'sub of 257 characters': signed({ sub: 'x'.repeat(257) }),
      'sub with U+0000': signed({ sub: 'user\0' }),
      'sub with half a surrogate pair': signed({ sub: 'user\ud800' }),
      'sub that is not UTF-8': this.signPayload(
        Buffer.from(JSON.stringify({ ...this.claims(), sub: 'user-\u00ff' }), 'latin1'),
      ),
      'changed signature': `${head}.${payload}.${flipped.toString('base64url')}`,
      'no signature': `${head}.${payload}.`,
      'changed claims': `${head}.${others}.${tail}`,
      'claims that are a list': this.signPayload(JSON.stringify([this.claims()])),
    };
  }

  private get isHttps(): boolean {
    return this.options.protocol !== 'http:';
  }

  private get signingKey(): IssuerKey {
    const [key] = this.keys;
    if (key === undefined) throw new Error('The issuer has no key.');
    return key;
  }

  private take(target: string, response: http.ServerResponse): void {
    this.requests.push(target);
    const answer = this.answers.get(target);
    if (answer !== undefined) answer(response);
    else if (target === this.discoveryPath) answerJson(response, this.configuration());
    else if (target === this.jwksPath) answerJson(response, this.jwks(), { 'cache-control': this.cacheControl });
    else answerJson(response, { error: 'not_found' }, {}, 404);
  }
}

export function startUserIssuer(options?: UserIssuerOptions): Promise<UserIssuer> {
  return UserIssuer.start(options);
}

export function newIssuerKey(alg: IssuerAlgorithm, kid: string | null = `key-${(sequence += 1)}`): IssuerKey {
  const { privateKey } =
    alg === 'ES256'
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { kid, alg, privateKey };
}

let sequence = 0;

function publicJwk({ kid, alg, privateKey }: IssuerKey): object {
  const jwk = createPublicKey(privateKey).export({ format: 'jwk' });
  return { ...jwk, ...(kid === null ? {} : { kid }), use: 'sig', alg };
}

function answerJson(response: http.ServerResponse, body: object, headers = {}, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

function signature(alg: NonNullable<TokenOptions['alg']>, data: Buffer, { privateKey }: IssuerKey): Buffer {
  switch (alg) {
    case 'none':
      return Buffer.alloc(0);
    case 'HS256':
      return createHmac('sha256', createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }))
        .update(data)
        .digest();
    case 'RS256':
      return sign('sha256', data, privateKey);
    case 'RS384':
      return sign('sha384', data, privateKey);
    case 'PS256':
      return sign('sha256', data, { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 });
    case 'ES256':
      return sign('sha256', data, { key: privateKey, dsaEncoding: 'ieee-p1363' });
  }
}

function base64url(value: string | Buffer): string {
  return Buffer.from(value).toString('base64url');
}
