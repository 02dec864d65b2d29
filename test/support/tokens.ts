import {
  constants,
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomUUID,
  sign,
  type KeyObject,
} from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';

export type TestAlgorithm = 'RS256' | 'RS384' | 'PS256' | 'ES256' | 'HS256' | 'none';

export interface SignOptions {
  readonly alg?: TestAlgorithm;
  /** null: a header without a kid. */
  readonly kid?: string | null;
  /** A private key; for HS256 the secret. */
  readonly key?: KeyObject | string;
  /** Members that replace the header's own; undefined removes one. */
  readonly header?: Readonly<Record<string, unknown>>;
}

interface TestKey {
  readonly kid: string;
  readonly privateKey: KeyObject;
}

/** A signing key that another process or spec can reuse. */
export interface SigningKey {
  readonly kid: string;
  readonly pem: string;
}

const PROJECT_ID = 'demo-gatehouse-tests';

/**
 * An issuer of ID tokens like Firebase's: an RSA key, a JWKS on a loopback port with a Cache-Control, and really signed tokens,
 * good ones and every broken kind. Point FIREBASE_PROJECT_ID at `audience` and FIREBASE_JWKS_URL at `jwksUrl`.
 */
export class TestIssuer {
  /** The number of requests for the JWKS. */
  jwksRequests = 0;
  /** The status of the JWKS; any other than 200 is a broken issuer. */
  jwksStatus = 200;
  cacheControl = 'public, max-age=3600';
  private keys: readonly TestKey[];
  private readonly server: http.Server;
  private port = 0;

  private constructor(
    readonly audience: string,
    readonly issuer: string,
    key: TestKey,
  ) {
    this.keys = [key];
    this.server = http.createServer((_request, response) => {
      this.jwksRequests += 1;
      response.writeHead(this.jwksStatus, { 'content-type': 'application/json', 'cache-control': this.cacheControl });
      response.end(JSON.stringify(this.jwksStatus === 200 ? this.jwks() : { error: 'out of order' }));
    });
  }

  /** @param key of an earlier issuer, which this one replaces; absent: a new one */
  static async start(
    projectId = PROJECT_ID,
    issuer = `https://securetoken.google.com/${projectId}`,
    key?: SigningKey,
  ): Promise<TestIssuer> {
    const given = key && { kid: key.kid, privateKey: createPrivateKey(key.pem) };
    const started = new TestIssuer(projectId, issuer, given ?? newKey());
    started.server.listen(0, '127.0.0.1');
    await once(started.server, 'listening');
    started.port = (started.server.address() as AddressInfo).port;
    return started;
  }

  get jwksUrl(): string {
    return `http://127.0.0.1:${this.port}/jwks.json`;
  }

  get kid(): string {
    return this.current.kid;
  }

  get signingKey(): SigningKey {
    const { kid, privateKey } = this.current;
    return { kid, pem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
  }

  get publicKeyPem(): string {
    return createPublicKey(this.current.privateKey).export({ type: 'spki', format: 'pem' }).toString();
  }

  jwks(): { keys: object[] } {
    return {
      keys: this.keys.map(({ kid, privateKey }) => {
        const { kty, n, e } = createPublicKey(privateKey).export({ format: 'jwk' });
        return { kty, n, e, kid, use: 'sig', alg: 'RS256' };
      }),
    };
  }

  /** Signs with a new key from now on; the old ones stay published unless told otherwise. */
  rotate(options: { readonly keepOld: boolean } = { keepOld: true }): void {
    this.keys = [newKey(), ...(options.keepOld ? this.keys : [])];
  }

  /** The current claims of a good ID token. */
  claims(): Record<string, unknown> {
    const now = Math.floor(Date.now() / 1000);
    return {
      iss: this.issuer,
      aud: this.audience,
      auth_time: now - 60,
      user_id: 'user-1',
      sub: 'user-1',
      iat: now - 10,
      exp: now + 3600,
      email: 'user-1@example.com',
      email_verified: true,
      firebase: { identities: { email: ['user-1@example.com'] }, sign_in_provider: 'password' },
    };
  }

  /** @param overrides replace claims of a good token; undefined removes one */
  sign(overrides: Readonly<Record<string, unknown>> = {}, options: SignOptions = {}): string {
    return this.signPayload(JSON.stringify({ ...this.claims(), ...overrides }), options);
  }

  /** Signs any text as if it were claims. */
  signPayload(payload: string, { alg = 'RS256', kid = this.kid, key, header = {} }: SignOptions = {}): string {
    const head = JSON.stringify({ alg, typ: 'JWT', ...(kid === null ? {} : { kid }), ...header });
    const signed = `${base64url(head)}.${base64url(payload)}`;
    return `${signed}.${this.signature(alg, signed, key).toString('base64url')}`;
  }

  /**
   * One token of every kind that must be refused with 401, by its mistake.
   *
   * @param claims replace those of a good token, e.g. with a tenant, so that accepting the token would give access
   */
  brokenTokens(claims: Readonly<Record<string, unknown>> = {}): Record<string, string> {
    const now = Math.floor(Date.now() / 1000);
    const signed = (overrides: object, options: SignOptions = {}): string =>
      this.sign({ ...claims, ...overrides }, options);
    const good = signed({});
    const [head = '', payload = '', signature = ''] = good.split('.');
    const flipped = Buffer.from(signature, 'base64url');
    flipped[20] = (flipped[20] ?? 0) ^ 1;
    const othersClaims = base64url(JSON.stringify({ ...this.claims(), ...claims, sub: 'somebody-else' }));
    return {
      'alg none': signed({}, { alg: 'none' }),
      'alg none in capitals': signed({}, { alg: 'none', header: { alg: 'NONE' } }),
      'HS256 with the public key as secret': signed({}, { alg: 'HS256' }),
      'RS256 in name, HMAC in fact': signed({}, { alg: 'HS256', header: { alg: 'RS256' } }),
      RS384: signed({}, { alg: 'RS384' }),
      PS256: signed({}, { alg: 'PS256' }),
      'no alg': signed({}, { header: { alg: undefined } }),
      'unknown kid': signed({}, { kid: 'no-such-key' }),
      'no kid': signed({}, { kid: null }),
      'kid that is no text': signed({}, { header: { kid: 7 } }),
      'known kid, key of another': signed({}, { key: newKey().privateKey }),
      'key carried along in the header': signed({}, { key: newKey().privateKey, header: { jwk: this.jwks().keys[0] } }),
      'another typ': signed({}, { header: { typ: 'usage+jwt' } }),
      'crit extension': signed({}, { header: { crit: ['b64'], b64: true } }),
      'wrong iss': signed({ iss: 'https://securetoken.google.com/another-project' }),
      'no iss': signed({ iss: undefined }),
      'wrong aud': signed({ aud: 'another-project' }),
      'aud among others': signed({ aud: [this.audience, 'another-project'] }),
      'no aud': signed({ aud: undefined }),
      expired: signed({ exp: now - 1 }),
      'no exp': signed({ exp: undefined }),
      'exp that is text': signed({ exp: String(now + 3600) }),
      'exp null': signed({ exp: null }),
      'iat in the future': signed({ iat: now + 600 }),
      'no iat': signed({ iat: undefined }),
      'auth_time in the future': signed({ auth_time: now + 600 }),
      'no auth_time': signed({ auth_time: undefined }),
      'auth_time that is text': signed({ auth_time: String(now) }),
      'nbf in the future': signed({ nbf: now + 600 }),
      'no sub': signed({ sub: undefined }),
      'empty sub': signed({ sub: '' }),
      'sub that is a number': signed({ sub: 42 }),
      'sub of 129 characters': signed({ sub: 'x'.repeat(129) }),
      'sub with U+0000': signed({ sub: 'user\0' }),
      'sub with half a surrogate pair': signed({ sub: 'user\ud800' }),
      'changed signature': `${head}.${payload}.${flipped.toString('base64url')}`,
      'no signature': `${head}.${payload}.`,
      'changed claims': `${head}.${othersClaims}.${signature}`,
      'claims that are null': this.signPayload('null'),
      'claims that are no JSON': this.signPayload('{'),
      garbage: 'garbage',
      'three parts of garbage': 'a.b.c',
      'header that is no JSON': `${base64url('{')}.${payload}.${signature}`,
      'header that is null': `${base64url('null')}.${payload}.${signature}`,
    };
  }

  /** Stops the JWKS server, so that the issuer is down. Tokens can still be signed. */
  async stop(): Promise<void> {
    if (!this.server.listening) return;
    this.server.close();
    this.server.closeAllConnections();
    await once(this.server, 'close');
  }

  private get current(): TestKey {
    const [current] = this.keys;
    if (current === undefined) throw new Error('The issuer has no key.');
    return current;
  }

  private signature(alg: TestAlgorithm, signed: string, key: KeyObject | string | undefined): Buffer {
    const data = Buffer.from(signed);
    if (alg === 'none') return Buffer.alloc(0);
    if (alg === 'HS256')
      return createHmac('sha256', key ?? this.publicKeyPem)
        .update(data)
        .digest();
    if (typeof key === 'string') throw new TypeError('A secret signs HS256 alone.');
    const privateKey = key ?? this.current.privateKey;
    switch (alg) {
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
}

function newKey(): TestKey {
  return { kid: randomUUID(), privateKey: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey };
}

function base64url(text: string): string {
  return Buffer.from(text).toString('base64url');
}
