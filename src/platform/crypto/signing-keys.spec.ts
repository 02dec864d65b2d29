import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { SignJWT, calculateJwkThumbprint, createLocalJWKSet, jwtVerify } from 'jose';
import { SigningKeyRing } from './signing-key-ring.js';
import { parseSigningKeys } from './signing-keys.js';

const newKey = (namedCurve = 'P-256'): KeyObject => generateKeyPairSync('ec', { namedCurve }).privateKey;
const pkcs8 = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString();

describe('parseSigningKeys', () => {
  it('reads one key, named by its RFC 7638 thumbprint', async () => {
    const [key] = parseSigningKeys(pkcs8(newKey()));
    expect(key.kid).toBe(await calculateJwkThumbprint({ ...key.publicJwk }));
    expect(key.publicJwk).toMatchObject({ kty: 'EC', crv: 'P-256', use: 'sig', alg: 'ES256', kid: key.kid });
  });

  it('accepts line breaks written as \\n, and Windows ones', () => {
    const pem = pkcs8(newKey());
    const kids = [pem, pem.replaceAll('\n', '\\n'), pem.replaceAll('\n', '\r\n'), pem.replaceAll('\n', '\\r\\n')].map(
      (text) => parseSigningKeys(text)[0].kid,
    );
    expect(new Set(kids).size).toBe(1);
  });

  it('verifies with every key the signatures of the first or an older one, by the published JWKS', async () => {
    const [older, newer] = [newKey(), newKey()];
    const before = parseSigningKeys(pkcs8(older));
    const ring = new SigningKeyRing(parseSigningKeys(pkcs8(newer) + pkcs8(older)));
    const published = createLocalJWKSet({ keys: ring.publicJwks().keys.map((jwk) => ({ ...jwk })) });
    for (const { kid, privateKey } of [before[0], ring.keys[0]]) {
      const token = await new SignJWT({ sub: 'x' }).setProtectedHeader({ alg: 'ES256', kid }).sign(privateKey);
      await expect(jwtVerify(token, published)).resolves.toMatchObject({ payload: { sub: 'x' } });
    }
    expect(ring.keys[0].kid).not.toBe(before[0].kid);
  });

  it('publishes no private member', () => {
    const [key] = parseSigningKeys(pkcs8(newKey()));
    expect(Object.keys(key.publicJwk).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']);
  });

  describe('refuses, in one sentence without any of the material,', () => {
    const good = newKey();
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
    const secret = good.export({ format: 'jwk' }).d ?? '';
    it.each<[string, string, RegExp]>([
      ['nothing', '  ', /must hold PEM blocks/],
      ['text that is not PEM', `key=${secret}`, /must hold PEM blocks/],
      ['a key with text around it', `${pkcs8(good)}\nand ${secret}`, /must hold PEM blocks/],
      ['a block that does not end', pkcs8(good).replace(/-----END.*/, ''), /must hold PEM blocks/],
      ['a damaged key', pkcs8(good).replace(/\n[A-Za-z0-9+/]{20}/, '\nAAAA'), /^Key 1 .* is damaged/],
      ['an RSA key', pkcs8(rsa), /^Key 1 .* on P-256/],
      ['another curve, second', pkcs8(good) + pkcs8(newKey('P-384')), /^Key 2 .* on P-256/],
      ['a SEC1 key', good.export({ type: 'sec1', format: 'pem' }).toString(), /^Key 1 .* PKCS#8/],
      [
        'a key under a passphrase',
        good.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'p' }).toString(),
        /^Key 1 .* without a passphrase/,
      ],
      ['the same key twice', pkcs8(good) + pkcs8(good), /the same key twice/],
    ])('%s', (_what, text, message) => {
      let caught: unknown;
      try {
        parseSigningKeys(text);
      } catch (error) {
        caught = error;
      }
      expect(caught).toBeInstanceOf(Error);
      const error = caught as Error;
      expect(error.message).toMatch(message);
      expect(error.message).toMatch(/^[^\n]+\.$/);
      expect(error.cause).toBeUndefined();
      for (const line of text.split(/\s+/).filter((part) => part.length >= 20 && !part.includes('-----'))) {
        expect(error.message).not.toContain(line);
      }
    });
  });
});
