import { generateKeyPairSync, sign } from 'node:crypto';
import { createLocalJWKSet, jwtVerify } from 'jose';
import { SigningKeyRing, parseSigningKeys } from '../../platform/crypto/index.js';
import { USAGE_TOKEN_ISSUER, UsageTokenJwt, newUsageTokenId } from './usage-token.jwt.js';

const pem = (): string =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const [OLD, NEW] = [pem(), pem()];
const ringOf = (...pems: string[]): SigningKeyRing => new SigningKeyRing(parseSigningKeys(pems.join('\n')));
const NOW = new Date('2030-01-31T12:00:00.900Z');
const ID = newUsageTokenId();

it('is a JWT that any verifier takes by our JWKS, and that names nobody', async () => {
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
  expect(new UsageTokenJwt(ringOf(NEW)).read(old)).toBeNull();
  expect(new UsageTokenJwt(ringOf(OLD)).read(new UsageTokenJwt(ringOf(NEW, OLD)).write(ID, NOW))).toBeNull();
});

it('is read only as it was written: no character of it can be another one', () => {
  const jwt = new UsageTokenJwt(ringOf(NEW));
  const token = jwt.write(ID, NOW);
  const passed: number[] = [];
  for (let at = 0; at < token.length; at += 1) {
    for (const other of ['A', 'B', '_', '+', '.', '=', ' ']) {
      if (token[at] !== other && jwt.read(token.slice(0, at) + other + token.slice(at + 1)) !== null) passed.push(at);
    }
  }
  expect(passed).toEqual([]);
  for (const more of ['.', '.e30', '=', ' ', '\n']) expect(jwt.read(token + more)).toBeNull();
});

it.each<[string, object, object]>([
  ['another type', { typ: 'JWT' }, {}],
  ['another algorithm', { alg: 'ES384' }, {}],
  ['none', { alg: 'none' }, {}],
  ['something critical', { crit: [] }, {}],
  ['no kid', { kid: undefined }, {}],
  ['another issuer', {}, { iss: 'urn:gatehouse:development-only' }],
  ['no issuer', {}, { iss: undefined }],
  ['no id', {}, { jti: undefined }],
  ['an id that is none', {}, { jti: 'ut_%' }],
])('what our own key signed with %s is none', (_what, header, claims) => {
  const [key] = ringOf(NEW).keys;
  const content = [
    { alg: 'ES256', typ: 'usage+jwt', kid: key.kid, ...header },
    { iss: USAGE_TOKEN_ISSUER, jti: ID, iat: 1, ...claims },
  ]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');
  const signature = sign('sha256', Buffer.from(content), { key: key.privateKey, dsaEncoding: 'ieee-p1363' });
  expect(new UsageTokenJwt(ringOf(NEW)).read(`${content}.${signature.toString('base64url')}`)).toBeNull();
});

it.each(['', '.', '..', '...', 'e30.e30.e30', 'bnVsbA.bnVsbA.bnVsbA', `${'a'.repeat(2000)}.b.c`])(
  '%p is none',
  (text) => {
    expect(new UsageTokenJwt(ringOf(NEW)).read(text)).toBeNull();
  },
);
