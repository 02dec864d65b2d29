import { generateKeyPairSync, type JsonWebKey } from 'node:crypto';
import { parseVerificationKey } from './jwk.js';

const ALL = ['RS256', 'PS256', 'ES256'] as const;
const rsa = (bits = 2048): JsonWebKey =>
  generateKeyPairSync('rsa', { modulusLength: bits }).publicKey.export({ format: 'jwk' });
const ec = (namedCurve = 'P-256'): JsonWebKey =>
  generateKeyPairSync('ec', { namedCurve }).publicKey.export({ format: 'jwk' });

describe('parseVerificationKey', () => {
  const rsaKey = rsa();
  const ecKey = ec();

  it('accepts RSA from 2048 bits and EC on P-256, each for the allowed algorithms of its type', () => {
    expect(parseVerificationKey({ ...rsaKey, kid: 'a' }, ALL)).toMatchObject({
      kid: 'a',
      algorithms: ['RS256', 'PS256'],
    });
    expect(parseVerificationKey({ ...rsaKey, kid: 'a' }, ['RS256'])).toMatchObject({ algorithms: ['RS256'] });
    expect(parseVerificationKey({ ...ecKey, kid: 'b', use: 'sig' }, ALL)).toMatchObject({ algorithms: ['ES256'] });
  });

  it('accepts a key without a kid', () => {
    expect(parseVerificationKey(rsaKey, ALL)).toMatchObject({ kid: null, algorithms: ['RS256', 'PS256'] });
  });

  it('limits a key to its own alg', () => {
    expect(parseVerificationKey({ ...rsaKey, kid: 'a', alg: 'PS256' }, ALL)).toMatchObject({ algorithms: ['PS256'] });
  });

  it('keeps only the public half of a document that leaks the private one', () => {
    const leaked = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });
    expect(parseVerificationKey({ ...leaked, kid: 'a' }, ALL)?.key.type).toBe('public');
  });

  it.each<[string, unknown]>([
    ['an empty kid', { ...rsaKey, kid: '' }],
    ['a kid that is null', { ...rsaKey, kid: null }],
    ['a kid that is not text', { ...rsaKey, kid: 1 }],
    ['a kid that is too long', { ...rsaKey, kid: 'k'.repeat(257) }],
    ['use enc', { ...rsaKey, kid: 'a', use: 'enc' }],
    ['key_ops without verify', { ...rsaKey, kid: 'a', key_ops: ['encrypt'] }],
    ['an algorithm that is not allowed', { ...rsaKey, kid: 'a', alg: 'RS512' }],
    ['an algorithm of another key type', { ...rsaKey, kid: 'a', alg: 'ES256' }],
    ['RSA of 1024 bits', { ...rsa(1024), kid: 'a' }],
    ['RSA with the exponent 1, for which anyone can sign', { ...rsaKey, kid: 'a', e: 'AQ' }],
    ['RSA with an even exponent', { ...rsaKey, kid: 'a', e: 'BA' }],
    ['RSA with an exponent of 33 bits', { ...rsaKey, kid: 'a', e: 'AQAAAAE' }],
    ['RSA with an exponent as long as the modulus', { ...rsaKey, kid: 'a', e: `f${'_'.repeat(340)}` }],
    ['RSA without a modulus', { kty: 'RSA', e: 'AQAB', kid: 'a' }],
    ['EC on P-384', { ...ec('P-384'), kid: 'a' }],
    ['EC with a point off the curve', { ...ecKey, x: ecKey.y, y: ecKey.x, kid: 'a' }],
    ['a symmetric key', { kty: 'oct', k: 'c2VjcmV0', kid: 'a' }],
    ['a key type named like a property of objects', { ...rsaKey, kty: 'constructor', kid: 'a' }],
    ['null', null],
    ['text', 'key'],
  ])('refuses %s', (_what, jwk) => {
    expect(parseVerificationKey(jwk, ALL)).toBeNull();
  });
});
