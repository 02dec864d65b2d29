import { PepperRing, hashSecret } from './pepper.js';

const OLD = { version: 1, secret: Buffer.alloc(32, 1) };
const NEW = { version: 2, secret: Buffer.alloc(32, 2) };

describe('hashSecret', () => {
  it('is HMAC-SHA-256, by RFC 4231', () => {
    const pepper = { version: 1, secret: Buffer.from('Jefe') };
    expect(hashSecret(pepper, 'what do ya want for nothing?').toString('hex')).toBe(
      '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
    );
  });

  it('differs by pepper', () => {
    expect(hashSecret(OLD, 'sk_x')).not.toEqual(hashSecret(NEW, 'sk_x'));
  });
});

describe('PepperRing', () => {
  it('stores under the newest pepper and returns its version', () => {
    const ring = new PepperRing([NEW, OLD]);
    expect(ring.current('sk_x')).toEqual({ version: 2, hash: hashSecret(NEW, 'sk_x') });
    expect(ring.hash('sk_x')).toEqual(hashSecret(NEW, 'sk_x'));
  });

  it('finds what was stored under an older pepper, newest first', () => {
    expect(new PepperRing([NEW, OLD]).candidates('sk_x')).toEqual([
      { version: 2, hash: hashSecret(NEW, 'sk_x') },
      { version: 1, hash: hashSecret(OLD, 'sk_x') },
    ]);
  });

  it("can't be created without a pepper", () => {
    expect(() => new PepperRing([])).toThrow(RangeError);
  });
});
