import fc from 'fast-check';
import { Fault } from '../errors/index.js';
import { assertAlike, assertBounded } from './json-bounds.js';

const MANY = 1_000_000;

function isRefused(text: string, maxValues: number, maxDepth: number): boolean {
  try {
    assertBounded(Buffer.from(text), { maxValues, maxDepth });
    return false;
  } catch (error) {
    expect(error).toBeInstanceOf(Fault);
    return true;
  }
}

function sizeOf(value: unknown): { values: number; depth: number } {
  if (typeof value !== 'object' || value === null) return { values: 1, depth: 0 };
  const inner = Object.values(value).map(sizeOf);
  return {
    values: inner.reduce((sum, { values }) => sum + values, 1),
    depth: 1 + Math.max(0, ...inner.map(({ depth }) => depth)),
  };
}

/** Strings as callers write them: quotes, backslashes and brackets in them, some of them long. */
const string = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 6 }),
  fc
    .tuple(fc.nat(200), fc.array(fc.constantFrom('\\', '"', '{', ']', ',', 'é', 'x'), { maxLength: 12 }))
    .map(([length, parts]) => 'x'.repeat(length) + parts.join('')),
);
const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.oneof(string, fc.integer(), fc.boolean(), fc.constant(null)),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(string, tie('value'), { maxKeys: 4, noNullPrototype: true }),
  ),
}));

it('is exact: a text with exactly the allowed values and levels passes, and one with one more does not', () => {
  fc.assert(
    fc.property(value, fc.constantFrom(0, 1), (json, indent) => {
      const text = JSON.stringify(json, null, indent);
      const { values, depth } = sizeOf(JSON.parse(text));
      expect(isRefused(text, values, depth)).toBe(false);
      expect(isRefused(text, values - 1, depth)).toBe(true);
      if (depth > 0) expect(isRefused(text, values, depth - 1)).toBe(true);
    }),
    { numRuns: 500 },
  );
});

it.each([
  ['a string that ends after 63 characters and a backslash pair', `["${'x'.repeat(61)}\\\\",1]`],
  ['a string whose 64th character is escaped', `["${'x'.repeat(62)}\\"]]]]",1]`],
  ['a string of quotes', `["${'\\"'.repeat(200)}",1]`],
  ['a string of backslashes', `["${'\\\\'.repeat(200)}",1]`],
])('finds the end of %s', (_what, text) => {
  expect(isRefused(text, 3, 1)).toBe(false);
  expect(isRefused(text, 2, 1)).toBe(true);
});

it.each(['', '"', '"\\', '"\\"', '{"a', '[[[', ']]]', ',,,', `"${'x'.repeat(100)}`, `"${'\\'.repeat(100)}`])(
  'leaves invalid JSON (%j) to the parser',
  (text) => {
    expect(isRefused(text, 10, 10)).toBe(false);
  },
);

it('also covers a text that begins as JSON and goes on as something else', () => {
  expect(isRefused(`[[[[1,2,3,4 x`, MANY, 3)).toBe(true);
  expect(isRefused(`[1,2,3,4 x`, 4, MANY)).toBe(true);
});

it('refuses a body of more than 4,096 own fields; lists and inner objects may have more', () => {
  const fields = Array.from({ length: 4_097 }, (_, index) => `"k${index}":0`);
  expect(isRefused(`{${fields.join(',')}}`, MANY, MANY)).toBe(true);
  expect(isRefused(`{${fields.slice(1).join(',')}}`, MANY, MANY)).toBe(false);
  expect(isRefused(`{"logit_bias":{${fields.join(',')}}}`, MANY, MANY)).toBe(false);
  expect(isRefused(`[${'0,'.repeat(4_097)}0]`, MANY, MANY)).toBe(false);
});

it('names the limit and the setting', () => {
  const bounds = { maxValues: 2, maxDepth: 2 };
  expect(() => assertBounded(Buffer.from('[1,2]'), bounds)).toThrow(/2 JSON values.*GATEHOUSE_BODY_LIMIT_VALUES/);
  expect(() => assertBounded(Buffer.from('[[[]]]'), bounds)).toThrow(/2 levels.*GATEHOUSE_BODY_LIMIT_DEPTH/);
});

it('refuses a field whose name is longer than 16 KiB, before it is read as a name', () => {
  const named = (length: number, letter: string): Buffer =>
    Buffer.from(`{"a":[{"${letter.repeat(length / letter.length)}":1}],"b":"${'x'.repeat(20_000)}"}`);
  for (const letter of ['x', '\\n', '\\u006b', 'é']) {
    const bytes = Buffer.byteLength(letter);
    const most = letter.length * Math.floor(16_384 / bytes);
    expect(() => assertAlike(named(most, letter))).not.toThrow();
    expect(() => assertAlike(named(most + letter.length, letter))).toThrow(/has a name of more than 16384 bytes/);
  }
  expect(() => assertAlike(named(20_971_000, 'x'))).toThrow(/has a name of more/);
});

describe('objects that differ', () => {
  const isAlike = (text: string): boolean => {
    try {
      assertAlike(Buffer.from(text));
      return true;
    } catch (error) {
      expect(error).toMatchObject({ kind: 'invalid_input', code: 'too_many_fields' });
      return false;
    }
  };
  const list = (objects: number, object: (at: number) => string): string =>
    `[${Array.from({ length: objects }, (_, at) => object(at)).join(',')}]`;
  const LETTERS = [...'abcdefghijklmnop'];
  /** The letters in an order that depends on the position. */
  const shuffled = (at: number): string[] =>
    LETTERS.map(
      (letter, place) => [Math.imul((at * 31 + place * 17 + 7) ^ (at >>> 3), 2_654_435_761) >>> 0, letter] as const,
    )
      .sort(([one], [other]) => one - other)
      .map(([, letter]) => letter);

  it.each<[string, string]>([
    [
      'by the names of their fields',
      list(
        1_001,
        (at) =>
          `{${LETTERS.slice(0, 10)
            .map((l) => `"${l}${at}":1`)
            .join(',')}}`,
      ),
    ],
    [
      'by the order of the same fields',
      list(
        20_000,
        (at) =>
          `{${shuffled(at)
            .map((l) => `"${l}":1`)
            .join(',')}}`,
      ),
    ],
    ['in how the names are written', list(10_001, (at) => `{"\\u006b${at}":1}`)],
    ['in one that has 10,001 fields', `{"a":{${Array.from({ length: 10_001 }, (_, at) => `"k${at}":1`).join(',')}}}`],
    ['within one another', list(10_001, (at) => `[{"a":{"k${at}":[{}]}}]`)],
  ])('too much are refused: %s', (_what, text) => {
    JSON.parse(text);
    expect(isAlike(text)).toBe(false);
  });

  it.each<[string, string]>([
    ['equal objects', list(50_000, () => '{"role":"user","content":[{"type":"text","text":"a"}]}')],
    [
      '10,000 different fields',
      list(
        1_000,
        (at) =>
          `{${LETTERS.slice(0, 10)
            .map((l) => `"${l}${at}":1`)
            .join(',')}}`,
      ),
    ],
    ['texts that differ', list(50_000, (at) => `{"a":"${at}","b":["${at}",{"a":"{\\"${at}\\":1}"}]}`)],
  ])('little are accepted: %s', (_what, text) => {
    JSON.parse(text);
    expect(isAlike(text)).toBe(true);
  });

  it('are left to the parser where they are not JSON', () => {
    fc.assert(fc.property(fc.stringMatching(/^[[\]{}",:\\ a1]*$/), isAlike));
  });
});
