import fc from 'fast-check';
import { isPublishableKey, isSecretKey, newKey, newPublishableKey, newSecretKey, shownPrefix } from './key-format.js';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const PREFIX = 'sk_gh_';
const RANDOM_LENGTH = 27;

const replaceAt = (text: string, at: number, character: string): string =>
  text.slice(0, at) + character + text.slice(at + 1);

/** CRC-32 (IEEE), bit by bit, in six base62 digits. */
function checksum(text: string): string {
  let crc = 0xffffffff;
  for (const byte of Buffer.from(text)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  let rest = BigInt((crc ^ 0xffffffff) >>> 0);
  let digits = '';
  for (let i = 0; i < 6; i += 1) {
    digits = ALPHABET[Number(rest % 62n)]! + digits;
    rest /= 62n;
  }
  return digits;
}

describe('a new secret key', () => {
  it('has the prefix, the brand, 160 random bits in base62 and a CRC-32', () => {
    expect(RANDOM_LENGTH * Math.log2(62)).toBeGreaterThanOrEqual(160);
    for (let i = 0; i < 200; i += 1) {
      const key = newSecretKey();
      expect(key).toMatch(/^sk_gh_[0-9A-Za-z]{33}$/);
      expect(key.slice(-6)).toBe(checksum(key.slice(0, -6)));
      expect(isSecretKey(key)).toBe(true);
    }
  });

  it('uses the whole alphabet at every place, and never repeats', () => {
    const keys = Array.from({ length: 3000 }, newSecretKey);
    expect(new Set(keys).size).toBe(keys.length);
    for (let at = PREFIX.length; at < PREFIX.length + RANDOM_LENGTH; at += 1) {
      expect(new Set(keys.map((key) => key[at])).size).toBe(62);
    }
  });

  it('shows only a part of itself, so that 120 bits stay unknown', () => {
    const key = newSecretKey();
    const shown = shownPrefix(key);
    expect(key.startsWith(shown)).toBe(true);
    expect((RANDOM_LENGTH - (shown.length - PREFIX.length)) * Math.log2(62)).toBeGreaterThan(120);
  });
});

describe('the checksum', () => {
  it('catches every change of a single character', () => {
    for (let i = 0; i < 3; i += 1) {
      const key = newSecretKey();
      for (let at = 0; at < key.length; at += 1) {
        for (const character of `${ALPHABET}_-`) {
          if (character !== key[at]) expect(isSecretKey(replaceAt(key, at, character))).toBe(false);
        }
      }
    }
  });

  it('catches every swap of two characters', () => {
    const key = newSecretKey();
    for (let one = 0; one < key.length; one += 1) {
      for (let other = one + 1; other < key.length; other += 1) {
        if (key[one] === key[other]) continue;
        expect(isSecretKey(replaceAt(replaceAt(key, one, key[other]!), other, key[one]!))).toBe(false);
      }
    }
  });

  it('admits no invented key', () => {
    const invented = fc
      .array(fc.constantFrom(...ALPHABET), { minLength: 33, maxLength: 33 })
      .map((all) => PREFIX + all.join(''));
    fc.assert(
      fc.property(invented, (key) => {
        fc.pre(key.slice(-6) !== checksum(key.slice(0, -6)));
        expect(isSecretKey(key)).toBe(false);
      }),
    );
  });
});

describe('a text of another form', () => {
  const key = newSecretKey();

  it.each([
    ['nothing', ''],
    ['the prefix alone', PREFIX],
    ['one character less', key.slice(0, -1)],
    ['one character more', `${key}0`],
    ['a blank before it', ` ${key}`],
    ['a blank after it', `${key} `],
    ['a line break after it', `${key}\n`],
    ['two of it', `${key}${key}`],
    ['another prefix', key.replace('sk_', 'pk_')],
    ['another brand', key.replace('_gh_', '_xx_')],
    ['another case', key.toUpperCase()],
    ['a character of another script that looks the same', replaceAt(key, 10, 'а')],
    ['U+0000 after it', `${key}\u0000`],
  ])('is not a key: %s', (_case, text) => {
    expect(isSecretKey(text)).toBe(false);
  });
});

describe('a publishable key', () => {
  it('has the same form with its own prefix, which the CRC-32 includes', () => {
    for (let i = 0; i < 200; i += 1) {
      const key = newPublishableKey();
      expect(key).toMatch(/^pk_gh_[0-9A-Za-z]{33}$/);
      expect(key.slice(-6)).toBe(checksum(key.slice(0, -6)));
      expect([isPublishableKey(key), isSecretKey(key)]).toEqual([true, false]);
    }
  });

  it("can't be made from a secret key by another prefix, nor the other way round", () => {
    for (const [key, other] of [
      [newKey('SECRET'), 'pk_gh_'],
      [newKey('PUBLISHABLE'), 'sk_gh_'],
    ] as const) {
      const disguised = other + key.slice(PREFIX.length);
      expect([isSecretKey(disguised), isPublishableKey(disguised)]).toEqual([false, false]);
    }
  });

  it('is not a secret one, and a secret one is not publishable', () => {
    expect(isPublishableKey(newSecretKey())).toBe(false);
  });
});
