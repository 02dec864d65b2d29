import fc from 'fast-check';
import { z } from 'zod';
import { Fault } from '../errors/index.js';
import { boolean, double, enumeration, formatTimestamp, int64, integer, text, timestamp } from './protojson-scalars.js';
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

describe('a truth value', () => {
  it('is true or false', () => {
    expect(readJson(boolean, 'true')).toBe(true);
    expect(readJson(boolean, 'false')).toBe(false);
  });

  it.each(['0', '1', '"true"', '"false"', '""', '[]', '[true]', '{}'])('is not read from %s', (json) => {
    expect(refusal(boolean, json)).toBe('must be true or false');
  });
});

describe('an enum', () => {
  const status = enumeration(['ACTIVE', 'REVOKED', 'EXPIRED']);

  it.each<[string, string]>([
    ['"ACTIVE"', 'ACTIVE'],
    ['"EXPIRED"', 'EXPIRED'],
    ['0', 'ACTIVE'],
    ['2', 'EXPIRED'],
    ['1.0', 'REVOKED'],
    ['-0', 'ACTIVE'],
  ])('is read from its name or its number: %s', (json, name) => {
    expect(readJson(status, json)).toBe(name);
  });

  it.each([
    ...['"active"', '"ACTIVE "', '""', '"0"', '3', '-1', '0.5', '1e400', '9007199254740993'],
    ...['"__proto__"', '"constructor"', '"toString"'],
    ...JSON_OF_OTHER_TYPES,
  ])('is not read from %s', (json) => {
    expect(refusal(status, json)).toBe('must be one of ACTIVE, REVOKED, EXPIRED');
  });

  it('may have numbers of its own; of names with one number, the first is meant', () => {
    const level = enumeration(['LOW', 'HIGH', 'TOP'], { LOW: 10, HIGH: 20, TOP: 20 });
    expect([read(level, 10), read(level, 20), read(level, 'TOP')]).toEqual(['LOW', 'HIGH', 'HIGH']);
    expect(refusal(level, '0')).toMatch(/must be one of/);
  });
});

describe('a timestamp', () => {
  it.each([
    ['2030-01-31T12:00:00Z', '2030-01-31T12:00:00.000Z'],
    ['2030-01-31T12:00:00.5Z', '2030-01-31T12:00:00.500Z'],
    ['2030-01-31T12:00:00.123456789Z', '2030-01-31T12:00:00.123Z'],
    ['2030-01-31T12:00:00+02:00', '2030-01-31T10:00:00.000Z'],
    ['2030-01-31T23:30:00-05:30', '2030-02-01T05:00:00.000Z'],
    ['2030-01-31T12:00:00-00:00', '2030-01-31T12:00:00.000Z'],
    ['2028-02-29T00:00:00Z', '2028-02-29T00:00:00.000Z'],
    ['2000-02-29T00:00:00Z', '2000-02-29T00:00:00.000Z'],
    ['2029-12-31T23:59:59.999-12:00', '2030-01-01T11:59:59.999Z'],
    ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00.000Z'],
    ['9999-12-31T23:59:59Z', '9999-12-31T23:59:59.000Z'],
  ])('is read from %s', (given, utc) => {
    expect(formatTimestamp(read(timestamp, given))).toBe(utc);
  });

  it.each([
    ['30 February', '2028-02-30T00:00:00Z'],
    ['29 February of a common year', '2027-02-29T00:00:00Z'],
    ['29 February of 1900', '1900-02-29T00:00:00Z'],
    ['31 April', '2030-04-31T00:00:00Z'],
    ['day 0', '2030-01-00T00:00:00Z'],
    ['month 13', '2030-13-01T00:00:00Z'],
    ['month 0', '2030-00-10T00:00:00Z'],
    ['hour 24', '2030-01-01T24:00:00Z'],
    ['minute 60', '2030-01-01T00:60:00Z'],
    ['a leap second', '2016-12-31T23:59:60Z'],
    ['second 61', '2030-01-01T00:00:61Z'],
    ['an offset of 24 hours', '2030-01-01T00:00:00+24:00'],
    ['an offset of 60 minutes', '2030-01-01T00:00:00+01:60'],
    ['an offset without a colon', '2030-01-01T00:00:00+0100'],
    ['no offset', '2030-01-31T12:00:00'],
    ['no time', '2030-01-31'],
    ['no seconds', '2030-01-31T12:00Z'],
    ['a space for the T', '2030-01-31 12:00:00Z'],
    ['a lower-case t', '2030-01-31t12:00:00Z'],
    ['a lower-case z', '2030-01-31T12:00:00z'],
    ['a comma for the point', '2030-01-31T12:00:00,5Z'],
    ['a point with no digits', '2030-01-31T12:00:00.Z'],
    ['ten digits of a second', '2030-01-31T12:00:00.1234567890Z'],
    ['five digits of a year', '+12030-01-31T12:00:00Z'],
    ['year 0', '0000-06-01T00:00:00Z'],
    ['a year that its offset makes 0', '0001-01-01T00:00:00+01:00'],
    ['a year that its offset makes 10000', '9999-12-31T23:59:59-01:00'],
    ['a line break at its end', '2030-01-31T12:00:00Z\n'],
    ['a blank at its start', ' 2030-01-31T12:00:00Z'],
    ['digits of another script', '２０３０-01-31T12:00:00Z'],
    ['a name of a zone', '2030-01-31T12:00:00Z[UTC]'],
    ['seconds since 1970', '1900000000'],
    ['words', 'tomorrow'],
    ['nothing', ''],
  ])('is not read from %s', (_case, given) => {
    expect(refusal(timestamp, JSON.stringify(given))).toBe('must be an RFC 3339 timestamp, like 2030-01-31T12:00:00Z');
  });

  it.each(['1900000000', ...JSON_OF_OTHER_TYPES])('is not read from %s', (json) => {
    expect(refusal(timestamp, json)).toMatch(/RFC 3339/);
  });

  it('that was written is read back, to the millisecond', () => {
    const dates = fc.date({
      min: new Date('0001-01-01T00:00:00Z'),
      max: new Date('9999-12-31T23:59:59.999Z'),
      noInvalidDate: true,
    });
    fc.assert(
      fc.property(dates, (date) => {
        expect(read(timestamp, formatTimestamp(date))).toEqual(date);
      }),
    );
  });
});

describe('a text', () => {
  const name = text(1, 3);

  it.each(['a', 'abc', 'äöü', '😀😀😀', '👨‍👩', '\n', '\ufffd', ' '])('is counted in code points: %j', (value) => {
    expect(read(name, value)).toBe(value);
  });

  it.each(['', 'abcd', '😀😀😀😀', '👨‍👩‍👧', 'abcdefg'])('is refused outside its length: %j', (value) => {
    expect(refusal(name, JSON.stringify(value))).toBe('must have 1 to 3 characters');
  });

  it('with U+0000 is refused, which Postgres could not store', () => {
    expect(refusal(name, '"a\\u0000"')).toBe('must not contain U+0000');
  });

  it.each(['"\\ud800"', '"\\udc00"', '"\\ude00\\ud83d"', '"a\\ud83d"'])(
    'with a lone surrogate is refused: %s',
    (json) => {
      expect(refusal(name, json)).toBe('must not contain a lone surrogate');
    },
  );

  it.each(['7', '9007199254740993', ...JSON_OF_OTHER_TYPES])('is not read from %s', (json) => {
    expect(refusal(name, json)).toBe('must be a string');
  });
});

it('OpenAPI is told what each type looks like as it is sent', () => {
  const schema = z.strictObject({
    text: text(1, 3),
    withDefault: text(0, 3).default(''),
    boolean,
    integer: integer(0, 5).default(0).meta({ description: 'How many.' }),
    int64: int64().optional(),
    double: double(0, 1),
    enumeration: enumeration(['A', 'B']),
    timestamp,
  });
  const options = { io: 'input', target: 'openapi-3.0', unrepresentable: 'any' } as const;
  expect(z.toJSONSchema(schema, options)).toMatchObject({
    properties: {
      text: { type: 'string', minLength: 1, maxLength: 3 },
      boolean: { type: 'boolean' },
      integer: { type: 'integer', minimum: 0, maximum: 5, description: 'How many.' },
      withDefault: { type: 'string', default: '', maxLength: 3 },
      int64: { type: 'string', format: 'int64' },
      double: { type: 'number', format: 'double', minimum: 0, maximum: 1 },
      enumeration: { type: 'string', enum: ['A', 'B'] },
      timestamp: { type: 'string', format: 'date-time' },
    },
    required: ['text', 'boolean', 'double', 'enumeration', 'timestamp'],
  });
});
