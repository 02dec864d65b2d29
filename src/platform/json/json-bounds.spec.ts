import fc from 'fast-check';
import { Fault } from '../errors/index.js';
import { assertBounded } from './json-bounds.js';

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

it('is exact: a text of just so many values and levels passes, and of one more does not', () => {
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
  'leaves what is no JSON (%j) to the parser',
  (text) => {
    expect(isRefused(text, 10, 10)).toBe(false);
  },
);

it('holds for the beginning of a text that goes on as no JSON', () => {
  expect(isRefused(`[[[[1,2,3,4 x`, MANY, 3)).toBe(true);
  expect(isRefused(`[1,2,3,4 x`, 4, MANY)).toBe(true);
});

it('refuses a body of more than 4,096 fields of its own; lists and inner objects may have more', () => {
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
