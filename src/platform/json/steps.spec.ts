/** Work in steps has the same result as work at once, wherever a step ends. */
import fc from 'fast-check';
import { assertAlike, assertBounded, boundSteps, alikeSteps } from './json-bounds.js';
import { jsonObjectSteps, parseJsonObject } from './json-object.js';
import { endOfString, endSteps, parseJson } from './json-text.js';
import { parseSteps } from './parse-steps.js';
import { allAtOnce, STEP_LENGTH, type Steps } from './steps.js';
import { writeSteps } from './write-steps.js';

const piece = fc.integer({ min: 1, max: 24 });
/** Texts with every kind of escape, and keys that JSON.parse treats specially. */
const string = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constantFrom('__proto__', 'constructor', '1', '\\'.repeat(9), '"'.repeat(9), '\ud83d', '😀'.repeat(5), '\u0001\n'),
);
const { json } = fc.letrec((tie) => ({
  json: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(null, true, false),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    string,
    tie('list'),
    tie('object'),
  ),
  list: fc.array(tie('json'), { maxLength: 6 }),
  object: fc.dictionary(string, tie('json'), { maxKeys: 6 }),
}));
/** JSON as a caller may write it: with spaces, and with unnecessary escapes. */
const text = fc.tuple(json, fc.constantFrom('', ' ', '\n\t'), fc.boolean()).map(([value, space, escaped]) => {
  const plain = JSON.stringify(value, null, space);
  return escaped
    ? plain.replaceAll(/[a-z](?=\w*")/gi, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`)
    : plain;
});

function outcomeOf(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    return (error as Error).name;
  }
}

function countSteps(steps: Steps<unknown>): number {
  let count = 1;
  while (steps.next().done !== true) count += 1;
  return count;
}

// V8's own JSON.parse may read a key with an escape as another key; `parseJson` does not, and refuses the same texts.
describe('parseSteps', () => {
  it('gives the result of JSON.parse, however small the pieces are', () => {
    fc.assert(
      fc.property(text, piece, (said, length) => {
        const parsed = outcomeOf(() => parseJson(said));
        expect(outcomeOf(() => allAtOnce(parseSteps(said, length)))).toEqual(parsed);
        expect(JSON.stringify(outcomeOf(() => allAtOnce(parseSteps(said, length))))).toBe(JSON.stringify(parsed));
      }),
      { numRuns: 2_000 },
    );
  });

  it('refuses exactly what JSON.parse refuses', () => {
    const wrong = fc
      .tuple(
        text,
        fc.nat(),
        fc.constantFrom('', ',', ':', '"', '\\', '\\u', '{', '}', '[', ']', '1', ' ', 'x', '\n', '\u0000'),
        fc.nat(2),
      )
      .map(
        ([said, place, put, cut]) =>
          said.slice(0, place % (said.length + 1)) + put + said.slice((place % (said.length + 1)) + cut),
      );
    fc.assert(
      fc.property(wrong, piece, (said, length) => {
        expect(outcomeOf(() => allAtOnce(parseSteps(said, length)))).toEqual(outcomeOf(() => parseJson(said)));
      }),
      { numRuns: 5_000 },
    );
  });

  it('reports where a text is malformed, as JSON.parse does', () => {
    const said = `{"messages":[${'{"role":"user"},'.repeat(60)}{"role" "user"}]}`;
    const position = said.indexOf('"user"}]');
    expect((): unknown => JSON.parse(said)).toThrow(`at position ${position}`);
    expect(() => allAtOnce(parseSteps(said, 20))).toThrow(`at position ${position}`);
  });
});

describe('writeSteps', () => {
  function written(value: unknown, pieceLength?: number): { readonly text: string; readonly steps: number } {
    const pieces: Buffer[] = [];
    const steps = countSteps(writeSteps(value, (bytes) => pieces.push(bytes), pieceLength));
    return { text: Buffer.concat(pieces).toString(), steps };
  }

  it('writes what JSON.stringify does, however small the pieces are', () => {
    fc.assert(
      fc.property(json, fc.integer({ min: 1, max: 90 }), (value, length) => {
        expect(written(value, length).text).toBe(JSON.stringify(value));
      }),
      { numRuns: 2_000 },
    );
  });

  it.each([
    ['a long text', { said: 'word '.repeat(800_000) }],
    ['many numbers', [[Array.from({ length: 400_000 }, (_, at) => at)]]],
    ['many objects', { list: Array.from({ length: 50_000 }, (_, at) => ({ at, token: ' times', list: [] })) }],
  ])('takes many steps for %s', (_title, value) => {
    const { text: said, steps } = written(value);
    expect(said).toBe(JSON.stringify(value));
    expect(steps).toBeGreaterThanOrEqual(said.length / STEP_LENGTH);
  });
});

describe('the steps of a large body', () => {
  const FILL: readonly [string, string][] = [
    ['a text', 'It was the best of times; '],
    ['quotes', '\\"'],
    ['backslashes', '\\\\'],
    ['escapes', '\\u00e9'],
    ['characters of four bytes', '😀'],
  ];

  it.each(FILL)('are many, and have the same result as at once: %s', (_title, fill) => {
    const said = `{"model":"m","messages":[{"role":"user","content":"${fill.repeat(4_000_000 / fill.length)}"}],"n":1}`;
    const body = Buffer.from(said);
    const bounds = { maxValues: 100, maxDepth: 10 };
    const least = Math.floor(body.length / STEP_LENGTH / 4);
    for (const steps of [boundSteps(body, bounds), alikeSteps(body)])
      expect(countSteps(steps)).toBeGreaterThanOrEqual(fill.startsWith('\\') ? least : 2);
    expect(countSteps(jsonObjectSteps(body))).toBeGreaterThanOrEqual(least);
    const read = allAtOnce(jsonObjectSteps(body));
    const once = parseJsonObject(body);
    expect(read.fields).toEqual(once.fields);
    expect(read.value).toEqual(once.value);
    const start = said.indexOf('"', said.indexOf('content":') + 8);
    expect(allAtOnce(endSteps(said, start))).toBe(endOfString(said, start));
  });

  it('are many where most of it is white space', () => {
    const space = ' \n'.repeat(1_000_000);
    const said = `{${space}"model"${space}:${space}"m"${space}}${space}`;
    expect(countSteps(jsonObjectSteps(Buffer.from(said)))).toBeGreaterThanOrEqual(said.length / STEP_LENGTH);
    expect(allAtOnce(jsonObjectSteps(Buffer.from(said))).fields).toEqual(parseJsonObject(Buffer.from(said)).fields);
  });

  it('refuse a number that would take one long step, and name its field', () => {
    const numberOf = (digits: number): Buffer => Buffer.from(`{"n":1${'0'.repeat(digits)}}`);
    expect(allAtOnce(jsonObjectSteps(numberOf(100_000))).value).toEqual({ n: Infinity });
    expect(wordsOf(() => allAtOnce(jsonObjectSteps(numberOf(STEP_LENGTH))))).toMatch(/^n: must be a number/);
    const nested = Buffer.from(`{"a":{"b":[0,{"c":1${'0'.repeat(STEP_LENGTH)}}]}}`);
    expect(wordsOf(() => allAtOnce(jsonObjectSteps(nested)))).toMatch(/^a\.b\.1\.c: must be a number/);
  });

  it('give the same refusals as at once, in the same words', () => {
    const filler = `"${'\\"'.repeat(STEP_LENGTH)}"`;
    const bounds = { maxValues: 10, maxDepth: 5 };
    for (const rest of ['[[[[[[]]]]]]', '[1,2,3,4,5,6,7,8,9,10]', '1']) {
      const body = Buffer.from(`{"a":${filler},"b":${rest}}`);
      expect(wordsOf(() => allAtOnce(boundSteps(body, bounds)))).toBe(wordsOf(() => assertBounded(body, bounds)));
    }
    const different = Array.from({ length: 10_001 }, (_, at) => `{"k${at}":1}`).join(',');
    const body = Buffer.from(`{"a":${filler},"b":[${different}]}`);
    expect(wordsOf(() => allAtOnce(alikeSteps(body)))).toMatch(/different fields/);
    expect(wordsOf(() => assertAlike(body))).toMatch(/different fields/);
    for (const said of [`{"a":${filler},"b":1,"b":2}`, `[${filler}]`, `{"a":${filler},}`]) {
      const wrong = Buffer.from(said);
      expect(wordsOf(() => allAtOnce(jsonObjectSteps(wrong)))).toBe(wordsOf(() => parseJsonObject(wrong)));
    }
  });
});

function wordsOf(work: () => unknown): string {
  try {
    work();
    return '';
  } catch (error) {
    return (error as Error).message;
  }
}
