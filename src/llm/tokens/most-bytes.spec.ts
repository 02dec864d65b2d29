import fc from 'fast-check';
import { mostByteTokens } from './most-bytes.js';

const bytesAfter = (text: string): number => Buffer.byteLength(text.normalize('NFKC'));

describe('mostByteTokens', () => {
  it('is the bytes of UTF-8 where the tokenizer uses the text unchanged', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(mostByteTokens(text, false)).toBe(Buffer.byteLength(text));
      }),
    );
  });

  it('is never below the bytes of any one character, folded or not, long text or short', () => {
    for (let point = 0; point <= 0x10ffff; point += 1) {
      if (point >= 0xd800 && point <= 0xdfff) continue;
      const character = String.fromCodePoint(point);
      const folded = bytesAfter(character);
      const bytes = Buffer.byteLength(character);
      if (folded <= bytes) continue;
      if (mostByteTokens(character, true) < folded) throw new Error(`U+${point.toString(16)} is not bounded.`);
      // The bound of a long text.
      if (bytes + 15 * (bytes - character.length) < folded) throw new Error(`U+${point.toString(16)} grows more.`);
    }
  });

  it('is never below the bytes of the folded text, whatever the neighbours of a character', () => {
    const marks = fc.constantFrom(
      '\u0300',
      '\u0323',
      '\u0301',
      '\u05b0',
      '\u3099',
      'å',
      'é',
      '\uac00',
      '\u11a8',
      '\ufdfa',
      'ŉ',
      '①',
      'a',
    );
    fc.assert(
      fc.property(fc.array(marks, { maxLength: 40 }), fc.integer({ min: 0, max: 17_000 }), (pieces, before) => {
        const text = 'é'.repeat(before) + pieces.join('');
        expect(mostByteTokens(text, true)).toBeGreaterThanOrEqual(Math.max(Buffer.byteLength(text), bytesAfter(text)));
      }),
      { numRuns: 300 },
    );
  });

  it('holds for texts too long to be folded', () => {
    for (const unit of ['\ufdfa', 'é', '汉', '😀', '\u{1d160}', 'a\ufdfabc']) {
      const text = unit.repeat(600_000 / unit.length);
      expect(mostByteTokens(text, true)).toBeGreaterThanOrEqual(bytesAfter(text));
    }
  });
});
