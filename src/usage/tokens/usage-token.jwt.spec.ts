import { generateKeyPairSync, sign } from 'node:crypto';
import { createLocalJWKSet, jwtVerify } from 'jose';
import { RefusedCredential } from '../../identity/index.js';
import { SigningKeyRing, parseSigningKeys } from '../../platform/crypto/index.js';
import { USAGE_TOKEN_ISSUER, UsageTokenJwt, newUsageTokenId } from './usage-token.jwt.js';

const pem = (): string =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const [OLD, NEW] = [pem(), pem()];
const ringOf = (...pems: string[]): SigningKeyRing => new SigningKeyRing(parseSigningKeys(pems.join('\n')));
const NOW = new Date('2030-01-31T12:00:00.900Z');
const ID = newUsageTokenId();

/** The id that is read from a token, or the reason of its refusal. */
function outcomeOf(jwt: UsageTokenJwt, token: string): string {
  try {
    return jwt.read(token);
  } catch (error) {
    if (!(error instanceof RefusedCredential)) throw error;
    return error.reason;
  }
}

it('is a JWT that any verifier accepts by our JWKS, without a name in it', async () => {
  const ring = ringOf(NEW, OLD);
  const { payload, protectedHeader } = await jwtVerify(
    new UsageTokenJwt(ring).write(ID, NOW),
    createLocalJWKSet({ keys: ring.publicJwks().keys.map((key) => ({ ...key })) }),
    { issuer: USAGE_TOKEN_ISSUER, typ: 'usage+jwt', algorithms: ['ES256'], currentDate: NOW },
  );
  expect(protectedHeader).toEqual({ alg: 'ES256', typ: 'usage+jwt', kid: ring.keys[0].kid });
  expect(payload).toEqual({ iss: USAGE_TOKEN_ISSUER, jti: ID, iat: 1_896_091_200 });
});

it('is signed by the first key, and read by all that are in use', () => {
  const old = new UsageTokenJwt(ringOf(OLD)).write(ID, NOW);
  expect(new UsageTokenJwt(ringOf(NEW, OLD)).read(old)).toBe(ID);
  expect(outcomeOf(new UsageTokenJwt(ringOf(NEW)), old)).toBe('unknown_signing_key');
  const fresh = new UsageTokenJwt(ringOf(NEW, OLD)).write(ID, NOW);
  expect(outcomeOf(new UsageTokenJwt(ringOf(OLD)), fresh)).toBe('unknown_signing_key');
});

it('is read only as it was written: no character of it can be another one', () => {
  const jwt = new UsageTokenJwt(ringOf(NEW));
  const token = jwt.write(ID, NOW);
  const passed: number[] = [];
  for (let at = 0; at < token.length; at += 1) {
    for (const other of ['A', 'B', '_', '+', '.', '=', ' ']) {
      const changed = token.slice(0, at) + other + token.slice(at + 1);
      if (token[at] !== other && outcomeOf(jwt, changed).startsWith('ut_')) passed.push(at);
    }
  }
  expect(passed).toEqual([]);
  for (const more of ['.', '.e30', '=', ' ', '\n'])
    expect(outcomeOf(jwt, token + more)).toMatch(/^(?:malformed_jwt|bad_signature)$/);
});

it.each<[string, string, object, object]>([
  ['another type', 'unsupported_header', { typ: 'JWT' }, {}],
  ['another algorithm', 'unsupported_header', { alg: 'ES384' }, {}],
  ['none', 'unsupported_header', { alg: 'none' }, {}],
  ['something critical', 'unsupported_header', { crit: [] }, {}],
  ['no kid', 'unknown_signing_key', { kid: undefined }, {}],
  ['another issuer', 'bad_claims', {}, { iss: 'urn:gatehouse:development-only' }],
  ['no issuer', 'bad_claims', {}, { iss: undefined }],
  ['no id', 'bad_claims', {}, { jti: undefined }],
  ['a malformed id', 'bad_claims', {}, { jti: 'ut_%' }],
])('what our own key signed with %s is refused: %s', (_what, reason, header, claims) => {
  const [key] = ringOf(NEW).keys;
  const content = [
    { alg: 'ES256', typ: 'usage+jwt', kid: key.kid, ...header },
    { iss: USAGE_TOKEN_ISSUER, jti: ID, iat: 1, ...claims },
  ]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');
  const signature = sign('sha256', Buffer.from(content), { key: key.privateKey, dsaEncoding: 'ieee-p1363' });
  const token = `${content}.${signature.toString('base64url')}`;
  expect(outcomeOf(new UsageTokenJwt(ringOf(NEW)), token)).toBe(reason);
});

it.each(['', '.', '..', '...', 'e30.e30.e30', 'bnVsbA.bnVsbA.bnVsbA', `${'a'.repeat(2000)}.b.c`])(
  '%p is refused',
  (text) => {
    expect(outcomeOf(new UsageTokenJwt(ringOf(NEW)), text)).toMatch(/^(?:malformed_jwt|unsupported_header)$/);
  },
);
