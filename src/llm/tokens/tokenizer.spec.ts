import fc from 'fast-check';
import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
import { Tokenizer } from './tokenizer.js';

describe('Tokenizer', () => {
  const tokenizer = new Tokenizer();
  beforeAll(() => tokenizer.load());

  const PROSE =
    'The lighthouse keeper counts the ships that pass, and writes each one down before the lamp turns again; nobody asks why. ';

  it('counts ordinary text as o200k does', () => {
    for (const text of [
      PROSE,
      PROSE.repeat(20),
      'const a = [1, 2, 3];\nreturn a.map((x) => x * 2);\n',
      'Grüße aus Köln 😀',
      '',
    ]) {
      expect(tokenizer.count(text)).toBe(countTokens(text));
    }
  });

  it('counts any text within a small margin of o200k', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 2000 }), (text) => {
        const exact = countTokens(text, { disallowedSpecial: new Set() });
        expect(Math.abs(tokenizer.count(text) - exact)).toBeLessThanOrEqual(2 + text.length / 32);
      }),
    );
  });

  it('reads the names of special tokens as text', () => {
    expect(tokenizer.count('<|endoftext|>')).toBeGreaterThan(1);
  });

  it('extrapolates long text within a tenth', () => {
    const text = PROSE.repeat(2000);
    const exact = countTokens(PROSE) * 2000;
    expect(Math.abs(tokenizer.count(text) - exact)).toBeLessThan(exact / 10);
  });

  it('counts the same text the same each time', () => {
    const text = PROSE.repeat(500);
    expect(tokenizer.count(text)).toBe(tokenizer.count(text));
  });

  it('cuts a text to a number of tokens, never within a character, and leaves a short one unchanged', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 400 }), fc.nat(60), (text, limit) => {
        const cut = tokenizer.truncate(text, limit);
        expect(text.startsWith(cut)).toBe(true);
        expect(cut.isWellFormed()).toBe(true);
        if (tokenizer.count(text) <= limit) expect(cut).toBe(text);
        else expect(cut.length).toBeLessThan(text.length);
      }),
    );
  });

  it('estimates before its vocabulary is loaded', () => {
    expect(new Tokenizer().count('x'.repeat(400))).toBe(100);
  });
});
