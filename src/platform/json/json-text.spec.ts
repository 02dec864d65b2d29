import fc from 'fast-check';
import { parseJson } from './json-text.js';

/** Makes V8 cache a key that ends in a backslash: from then on it confuses it with keys written with an escape. */
function poison(before: string, prefix: string): void {
  JSON.parse(`{${before}"${prefix}\\\\":0}`);
}

/** A string's JSON with any of its characters written as an escape, by turns. */
function spell(text: string, escaped: readonly boolean[]): string {
  const units = [...text].map((character, index) => {
    const plain = JSON.stringify(character).slice(1, -1);
    if (escaped[index % escaped.length] !== true) return plain;
    return [...Array(character.length).keys()]
      .map((unit) => `\\u${character.charCodeAt(unit).toString(16).padStart(4, '0')}`)
      .join('');
  });
  return `"${units.join('')}"`;
}

function write(value: unknown, escaped: readonly boolean[]): string {
  if (typeof value === 'string') return spell(value, escaped);
  if (Array.isArray(value)) return `[ ${value.map((item) => write(item, escaped)).join(' ,')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const fields = Object.entries(value).map(([key, item]) => `${spell(key, escaped)} :\n${write(item, escaped)}`);
  return `{${fields.join(',\t')} }`;
}

const KEYS = ['n', 'model', '\\', '"', '/', '\n', 'a\\', 'a"', '__proto__', 'constructor', 'é', '😀', ''];
const key = fc.oneof(fc.constantFrom(...KEYS), fc.string({ unit: 'binary', maxLength: 3 }));
const { value: anyValue } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.jsonValue({ maxDepth: 0 }),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.uniqueArray(fc.tuple(key, tie('value')), { maxLength: 5, selector: ([name]) => name }).map((entries) => {
      const object = {};
      for (const [name, value] of entries)
        Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true });
      return object;
    }),
  ),
}));

describe('a text', () => {
  it.each([
    ['n', '', '\\u006e'],
    ['model', 'mode', 'mode\\u006c'],
    ['/', '', '\\/'],
    ['a\n', 'a', 'a\\n'],
    ['é', '', '\\u00e9'],
  ])('whose key %j is written with an escape has that key, whatever was read before', (name, prefix, spelled) => {
    // No other test's objects begin like this.
    const before = `"before ${spelled.slice(1)}":0,`.replace('\\', '');
    poison(before, prefix);
    const [, last] = Object.keys(parseJson(`{${before}"${spelled}":1}`) as object);
    expect(last).toBe(name);
  });

  it('is read by its meaning, however its strings are spelled', () => {
    fc.assert(
      fc.property(anyValue, fc.array(fc.boolean(), { minLength: 1, maxLength: 5 }), (value, escaped) => {
        expect(JSON.stringify(parseJson(write(value, escaped)))).toBe(JSON.stringify(value));
      }),
      { numRuns: 500 },
    );
  });

  it.each(['', '{', '{"\\u006e":}', '{"\\u006e":1,}', '{"\\u006e":1}}', '{"\\x":1}', '"\\'])(
    'that is not JSON (%j) is refused as by JSON.parse',
    (text) => {
      expect(() => parseJson(text)).toThrow(SyntaxError);
    },
  );

  it.each([
    ['native', '{"a":1e2,"b":[-0,12345678901234567890]}', 'a'],
    ['with an escaped key', '{"\\u0061":1e2,"b":[-0,12345678901234567890]}', 'a'],
  ])('gives the positions and the spelling of its numbers (%s)', (_what, text, name) => {
    const noted: [boolean, string, number, string][] = [];
    const holders: object[] = [];
    const root = parseJson(text, (holder, at, value, source) => {
      holders.push(holder);
      noted.push([Array.isArray(holder), at, value, source]);
    }) as { b: object };
    expect(noted).toEqual([
      [false, name, 100, '1e2'],
      [true, '0', -0, '-0'],
      [true, '1', 12345678901234567000, '12345678901234567890'],
    ]);
    expect(holders[0]).toBe(root);
    expect(holders[1]).toBe(root.b);
  });

  it('may be as deep as JSON.parse allows', () => {
    const depth = 200_000;
    const text = `{"\\u006e":${'['.repeat(depth)}${']'.repeat(depth)}}`;
    expect(Array.isArray((parseJson(text) as { n: unknown }).n)).toBe(true);
  });
});
