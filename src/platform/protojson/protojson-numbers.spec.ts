import fc from 'fast-check';
import { z } from 'zod';
import { Fault } from '../errors/index.js';
import { double, formatInt64, int64, integer, text, wholeNumber } from './protojson-scalars.js';
import { readMessage } from './protojson.js';

/** Reads one field, of whose JSON every letter counts. */
const readJson = <T>(type: z.ZodType<T>, json: string): T =>
  readMessage(Buffer.from(`{"field":${json}}`), z.strictObject({ field: type })).field;
const read = <T>(type: z.ZodType<T>, value: unknown): T => readJson(type, JSON.stringify(value));

/** Why a field is refused; no other field may be wrong. */
function refusal(type: z.ZodType, json: string): string {
  try {
    readJson(type, json);
  } catch (error) {
    expect(error).toBeInstanceOf(Fault);
    const [fault, ...others] = (error as Fault).fields;
    expect(others).toEqual([]);
    expect(fault?.field).toBe('field');
    return fault?.reason ?? '';
  }
  throw new Error('It was accepted.');
}

const JSON_OF_OTHER_TYPES = ['true', 'false', '[]', '{}', '[1]', '["1"]', '{"a":1}'];

describe('a whole number', () => {
  const count = integer(-10, 10);

  it.each<[string, number]>([
    ['5', 5],
    ['"5"', 5],
    ['5.0', 5],
    ['"5.0"', 5],
    ['1e1', 10],
    ['"1e1"', 10],
    ['"1E+1"', 10],
    ['100e-1', 10],
    ['"100e-1"', 10],
    ['"0.7e1"', 7],
    ['"-5"', -5],
    ['0', 0],
    ['-0', 0],
    ['"-0"', 0],
    ['"0.000"', 0],
    ['"0e999999999"', 0],
    ['"\\u0035"', 5],
  ])('is read from %s', (json, number) => {
    expect(readJson(count, json)).toBe(number);
  });

  it.each([
    ...[
      '1.5',
      '"1.5"',
      '"1e-1"',
      '11',
      '"11"',
      '-11',
      '1e400',
      '"1e400"',
      '9007199254740993',
      '"99999999999999999999"',
    ],
    ...['"010"', '"00"', '"-01"', '"+5"', '"--5"', '"5."', '".5"', '"1e"', '"1e1.5"', '"e1"', '"5n"', '"5_0"', '"0x1"'],
    ...[
      '""',
      '" 5"',
      '"5 "',
      '"5\\n"',
      '"\\u00a05"',
      '"٣"',
      '"５"',
      '"NaN"',
      '"Infinity"',
      '"true"',
      '"5\\u0000"',
      '"null"',
    ],
    ...JSON_OF_OTHER_TYPES,
  ])('is not read from %s', (json) => {
    expect(refusal(count, json)).toBe('must be a whole number from -10 to 10');
  });

  it('is not read from more digits than needed', () => {
    expect(read(count, `1.${'0'.repeat(98)}`)).toBe(1);
    expect(refusal(count, `"1.${'0'.repeat(99)}"`)).toBe('must be a whole number from -10 to 10');
  });

  it('is never asked for beyond what a double counts', () => {
    expect(() => integer(0, 2 ** 53)).toThrow(TypeError);
    expect(readJson(integer(0, Number.MAX_SAFE_INTEGER), '"9007199254740991"')).toBe(Number.MAX_SAFE_INTEGER);
  });
});

describe('an int64', () => {
  it.each<[string, bigint]>([
    ['0', 0n],
    ['-0', 0n],
    ['"-0"', 0n],
    ['1e5', 100000n],
    ['"1e5"', 100000n],
    ['1.0', 1n],
    ['"1.50e1"', 15n],
    ['"9007199254740993"', 9007199254740993n],
    ['"9.007199254740993e15"', 9007199254740993n],
    ['"9223372036854775807"', 9223372036854775807n],
    ['"-9223372036854775808"', -9223372036854775808n],
    ['9007199254740991', 9007199254740991n],
    ['9007199254740992', 9007199254740992n],
    ['9007199254740994', 9007199254740994n],
    ['-9223372036854775808', -9223372036854775808n],
    ['-9223372036854775808.000', -9223372036854775808n],
    ['1e18', 1000000000000000000n],
    ['1.152921504606846976e18', 1152921504606846976n],
  ])('is read from %s, to the last digit', (json, number) => {
    expect(readJson(int64(), json)).toBe(number);
  });

  it.each([
    '9007199254740993',
    '-9007199254740993',
    '9007199254740993.0',
    '9.007199254740993e15',
    '123456789012345e4',
    '1234567890123456789',
    '9223372036854774785',
  ])('is not read from a number that JSON readers round, but asked for as a string: %s', (json) => {
    expect(refusal(int64(), json)).toBe('must be a string at this size: JSON readers round such numbers');
    expect(readJson(int64(), `"${json}"`)).toBe(wholeNumber(json));
  });

  it('that was rounded is found wherever it is, beside others that were not', () => {
    const message = z.strictObject({ rows: z.array(z.strictObject({ total: int64(), share: double(0, 1e300) })) });
    const body = (total: string) =>
      Buffer.from(`{"rows":[{"total":9007199254740994,"share":9007199254740993},{"total":${total},"share":1}]}`);
    expect(readMessage(body('9007199254740994'), message).rows.map(({ total }) => total)).toEqual([
      9007199254740994n,
      9007199254740994n,
    ]);
    expect(() => readMessage(body('9007199254740993'), message)).toThrow(
      expect.objectContaining({ fields: [expect.objectContaining({ field: 'rows.1.total' })] }) as Error,
    );
  });

  it('may stand beside another, both as numbers', () => {
    const message = z.strictObject({ first: int64(), second: int64() });
    expect(readMessage(Buffer.from('{"first":9007199254740994,"second":9007199254740996}'), message)).toEqual({
      first: 9007199254740994n,
      second: 9007199254740996n,
    });
  });

  it('beside anything else that is wrong is refused with it, however deep that is', () => {
    const message = z.strictObject({ total: int64(), name: text(0, 9) });
    for (const wrong of ['5', '['.repeat(40_000) + ']'.repeat(40_000)]) {
      const body = Buffer.from(`{"total":9007199254740994,"name":${wrong}}`);
      expect(() => readMessage(body, message)).toThrow('name: must be a string');
    }
    const body = Buffer.from(
      `{"total":9007199254740994,"name":"n","bogus":${'['.repeat(40_000) + ']'.repeat(40_000)}}`,
    );
    expect(() => readMessage(body, message)).toThrow('bogus: is not a field');
  });

  it('in a very large body is asked for as a string, exact or not', () => {
    const message = z.strictObject({ total: int64(), note: text(0, 1e6) });
    const body = (length: number) => Buffer.from(`{"total":9007199254740994,"note":"${'x'.repeat(length)}"}`);
    expect(readMessage(body(1000), message).total).toBe(9007199254740994n);
    expect(() => readMessage(body(200_000), message)).toThrow('total: must be a string at this size');
  });

  it.each([
    ...['9223372036854775808', '"9223372036854775808"', '"-9223372036854775809"', '1e19', '"1e19"', '1e400', '"1e400"'],
    ...['0.5', '"0.5"', '"1e-1"', '"0001"', '"+1"', '""', '" 1"', '"1 "', '"1n"', '"0x10"', '"NaN"', '"1,000"'],
    ...JSON_OF_OTHER_TYPES,
  ])('is not read from %s', (json) => {
    expect(refusal(int64(), json)).toBe('must be a whole number from -9223372036854775808 to 9223372036854775807');
  });

  it('has bounds of its own', () => {
    expect(read(int64(0n, 5n), '5')).toBe(5n);
    expect(refusal(int64(0n, 5n), '"6"')).toBe('must be a whole number from 0 to 5');
    expect(refusal(int64(0n, 5n), '-1')).toBe('must be a whole number from 0 to 5');
    expect(() => int64(0n, 2n ** 63n)).toThrow(TypeError);
  });

  it('is still one when it is optional, has a default, or was refined', () => {
    const types = [
      int64().optional(),
      int64().default(7n),
      int64().refine((value) => value !== 3n),
      int64().meta({ description: 'A number.' }),
      int64().transform((value) => value),
      z.lazy(() => int64()),
    ];
    for (const type of types) {
      expect(readJson(type, '9007199254740994')).toBe(9007199254740994n);
      expect(refusal(type, '9007199254740993')).toMatch(/string/);
    }
  });

  it('that was written is read back, whichever it is', () => {
    const numbers = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
    fc.assert(
      fc.property(numbers, (value) => expect(read(int64(), formatInt64(value))).toBe(value)),
      { numRuns: 1000 },
    );
  });

  it('as a bare number is either exact or refused, whichever it is', () => {
    const numbers = fc.oneof(
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      fc
        .bigInt({ min: -1025n, max: 1024n })
        .chain((near) => fc.constantFrom(53n, 60n, 62n).map((bits) => 2n ** bits + near)),
      fc.double({ min: -(2 ** 63), max: 2 ** 63 - 1024, noNaN: true }).map((value) => BigInt(Math.trunc(value))),
    );
    const forms = (value: bigint): string[] => [`${value}`, `${value}.000`, `${value}.0e0`, `${value}e+0`];
    fc.assert(
      fc.property(numbers, (value) => {
        const isExact = BigInt(Number(value)) === value;
        for (const literal of forms(value)) {
          if (isExact) expect(readJson(int64(), literal)).toBe(value);
          else expect(refusal(int64(), literal)).toMatch(/string at this size|whole number/);
          expect(read(int64(), literal)).toBe(value);
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe('a number', () => {
  const share = double(-1, 1e300);

  it.each<[string, number]>([
    ['0.5', 0.5],
    ['"0.5"', 0.5],
    ['1', 1],
    ['"1e3"', 1000],
    ['"1E-3"', 0.001],
    ['-1', -1],
    ['1e-400', 0],
    ['12345678901234567890', 12345678901234567000],
  ])('is read from %s', (json, number) => {
    expect(readJson(share, json)).toBe(number);
  });

  it.each([
    ...['-1.1', '1e301', '1e400', '"1e400"', '"-1e400"', '"NaN"', '"Infinity"', '"-Infinity"', '"inf"', '"nan"'],
    ...['""', '" 1"', '"1 "', '"+1"', '"01"', '".5"', '"5."', '"0x1"', '"1_0"', '"1,5"', `"${'1'.repeat(101)}"`],
    ...JSON_OF_OTHER_TYPES,
  ])('is not read from %s', (json) => {
    expect(refusal(share, json)).toBe('must be a finite number from -1 to 1e+300');
  });

  it('has an end, even where its bounds have none', () => {
    const any = double(-Infinity, Infinity);
    expect(readJson(any, '1e308')).toBe(1e308);
    for (const json of ['1e400', '"-1e400"', '"Infinity"', '"NaN"'])
      expect(refusal(any, json)).toBe('must be a finite number from -Infinity to Infinity');
  });

  it('that was written is read back, as a number and as text', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        const type = double(-Number.MAX_VALUE, Number.MAX_VALUE);
        // JSON writes -0 as 0.
        expect(readJson(type, JSON.stringify(value))).toBe(value + 0);
        expect(read(type, String(value))).toBe(value + 0);
      }),
    );
  });
});
