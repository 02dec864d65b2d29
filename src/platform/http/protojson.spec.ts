import fc from 'fast-check';
import { z } from 'zod';
import { Fault } from '../errors/index.js';
import { formatTimestamp, integer, readMessage, text, timestamp } from './protojson.js';

const MESSAGE = z.strictObject({
  keyId: text(1, 10).optional(),
  rateLimit: z.strictObject({ requestsPerMinute: integer(0, 100) }).optional(),
  items: z.array(z.strictObject({ itemName: text(0, 10) })).optional(),
  count: integer(-10, 10).optional(),
  expiresAt: timestamp.optional(),
  flag: z.boolean().optional(),
});

const read = (json: unknown): z.output<typeof MESSAGE> => readMessage(Buffer.from(JSON.stringify(json)), MESSAGE);
const readText = (body: string): z.output<typeof MESSAGE> => readMessage(Buffer.from(body), MESSAGE);

/** The fields at fault, by name. */
function refused(work: () => unknown): string[] {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(Fault);
    expect((error as Fault).status).toBe(400);
    for (const { field } of (error as Fault).fields) expect((error as Fault).message).toContain(field);
    return (error as Fault).fields.map(({ field }) => field);
  }
  throw new Error('It was accepted.');
}

describe('a field', () => {
  it('may be written in either spelling, at every level', () => {
    const expected = { keyId: 'k', rateLimit: { requestsPerMinute: 5 }, items: [{ itemName: 'a' }] };
    expect(read({ keyId: 'k', rateLimit: { requestsPerMinute: 5 }, items: [{ itemName: 'a' }] })).toEqual(expected);
    expect(read({ key_id: 'k', rate_limit: { requests_per_minute: 5 }, items: [{ item_name: 'a' }] })).toEqual(
      expected,
    );
  });

  it.each([
    [{ keyId: 'a', key_id: 'a' }, 'key_id'],
    [{ key_id: 'a', keyId: 'b' }, 'keyId'],
    [{ key_id: null, keyId: 'b' }, 'keyId'],
    [{ keyId: 'b', key_id: null }, 'key_id'],
    [{ rateLimit: { requestsPerMinute: 1, requests_per_minute: 1 } }, 'rateLimit.requests_per_minute'],
    [{ rate_limit: { requestsPerMinute: 1 }, rateLimit: {} }, 'rateLimit'],
    [{ items: [{ itemName: 'a' }, { itemName: 'a', item_name: 'b' }] }, 'items.1.item_name'],
  ])('that is there in both spellings is refused: %j', (message, field) => {
    expect(refused(() => read(message))).toEqual([field]);
  });

  it('that stands twice in one spelling is refused', () => {
    expect(refused(() => readText('{"keyId":"a","keyId":"a"}'))).toEqual(['keyId']);
  });

  it('that is null is as if it were absent', () => {
    expect(read({ key_id: null, rateLimit: null, items: null, count: null, expiresAt: null, flag: null })).toEqual({});
    expect(refused(() => readMessage(Buffer.from('{"name":null}'), z.strictObject({ name: text(1, 5) })))).toEqual([
      'name',
    ]);
  });

  it.each([
    [{ bogus: 1 }, ['bogus']],
    [{ bogus_field: 1, keyId: 'k' }, ['bogus_field']],
    [{ bogus_one: 1, bogusTwo: 2 }, ['bogusTwo', 'bogus_one']],
    [{ rate_limit: { requests_per_minute: 1, per_day: 2 } }, ['rate_limit.per_day']],
    [{ constructor: 1, toString: 2 }, ['constructor', 'toString']],
    [{ KeyId: 'k' }, ['KeyId']],
  ])('that the request does not have is refused by the name that the caller gave it: %j', (message, fields) => {
    expect(refused(() => read(message)).sort()).toEqual(fields);
  });

  it('named __proto__ is refused like any other unknown one', () => {
    expect(refused(() => readText('{"__proto__":{"keyId":"x"}}'))).toEqual(['__proto__']);
  });

  it('that is wrong is named as the caller wrote it, and so is every other', () => {
    expect(refused(() => read({ key_id: 7, count: 'x', rate_limit: { requests_per_minute: 101 } })).sort()).toEqual([
      'count',
      'key_id',
      'rate_limit.requests_per_minute',
    ]);
  });
});

describe('a message', () => {
  it('without a body is empty', () => {
    expect(readMessage(Buffer.alloc(0), MESSAGE)).toEqual({});
  });

  it('of any depth is refused or read, never a crash', () => {
    for (const nest of [
      (n: number) => '['.repeat(n) + ']'.repeat(n),
      (n: number) => '{"a":'.repeat(n) + '1' + '}'.repeat(n),
    ]) {
      expect(refused(() => readText(`{"keyId":${nest(200_000)}}`)).length).toBeLessThanOrEqual(1);
    }
  });
});

describe('a whole number', () => {
  it.each<[unknown, number]>([
    [5, 5],
    ['5', 5],
    [5.0, 5],
    ['-5', -5],
    ['010', 10],
    [0, 0],
    ['0', 0],
  ])('is read from %j', (given, count) => {
    expect(read({ count: given })).toEqual({ count });
  });

  it.each([
    1.5,
    '1.5',
    '5.0',
    '1e1',
    '0x1',
    '',
    ' 5',
    '5 ',
    '+5',
    '--5',
    '٣',
    'NaN',
    true,
    [5],
    {},
    11,
    '11',
    -11,
    '99999999999999999999',
  ])('is not read from %j', (count) => {
    expect(refused(() => read({ count }))).toEqual(['count']);
  });

  it('is not read from a number that JSON writes beyond all bounds', () => {
    expect(refused(() => readText('{"count":1e400}'))).toEqual(['count']);
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
    ['9999-12-31T23:59:59Z', '9999-12-31T23:59:59.000Z'],
  ])('is read from %s', (given, utc) => {
    expect(formatTimestamp(read({ expires_at: given }).expiresAt!)).toBe(utc);
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
    ['second 61', '2030-01-01T00:00:61Z'],
    ['an offset of 24 hours', '2030-01-01T00:00:00+24:00'],
    ['an offset of 60 minutes', '2030-01-01T00:00:00+01:60'],
    ['no offset', '2030-01-31T12:00:00'],
    ['no time', '2030-01-31'],
    ['no seconds', '2030-01-31T12:00Z'],
    ['a space for the T', '2030-01-31 12:00:00Z'],
    ['a comma for the point', '2030-01-31T12:00:00,5Z'],
    ['a point with no digits', '2030-01-31T12:00:00.Z'],
    ['ten digits of a second', '2030-01-31T12:00:00.1234567890Z'],
    ['five digits of a year', '+12030-01-31T12:00:00Z'],
    ['year 0', '0000-06-01T00:00:00Z'],
    ['a year that its offset makes 0', '0001-01-01T00:00:00+01:00'],
    ['a year that its offset makes 10000', '9999-12-31T23:59:59-01:00'],
    ['a line break at its end', '2030-01-31T12:00:00Z\n'],
    ['seconds since 1970', '1900000000'],
    ['words', 'tomorrow'],
    ['nothing', ''],
  ])('is not read from %s', (_case, expiresAt) => {
    expect(refused(() => read({ expiresAt }))).toEqual(['expiresAt']);
  });

  it.each([1900000000, true, {}, []])('is not read from %j', (expiresAt) => {
    expect(refused(() => read({ expiresAt }))).toEqual(['expiresAt']);
  });

  it('that was written is read back, to the millisecond', () => {
    const dates = fc.date({
      min: new Date('0001-01-01T00:00:00Z'),
      max: new Date('9999-12-31T23:59:59.999Z'),
      noInvalidDate: true,
    });
    fc.assert(
      fc.property(dates, (date) => {
        expect(read({ expiresAt: formatTimestamp(date) }).expiresAt).toEqual(date);
      }),
    );
  });
});

describe('a text', () => {
  const schema = z.strictObject({ name: text(1, 3) });
  const name = (value: string): unknown => readMessage(Buffer.from(JSON.stringify({ name: value })), schema);

  it.each(['a', 'abc', 'äöü', '😀😀😀', '👨‍👩', '\n', '\ufffd', ' '])('is counted in code points: %j', (value) => {
    expect(name(value)).toEqual({ name: value });
  });

  it.each(['', 'abcd', '😀😀😀😀', '👨‍👩‍👧'])('is refused outside its length: %j', (value) => {
    expect(refused(() => name(value))).toEqual(['name']);
  });

  it('with U+0000 is refused, which Postgres could not store', () => {
    expect(refused(() => name('a\u0000'))).toEqual(['name']);
  });

  it.each(['"\\ud800"', '"\\udc00"', '"\\ude00\\ud83d"', '"a\\ud83d"'])(
    'with a lone surrogate is refused: %s',
    (json) => {
      expect(refused(() => readMessage(Buffer.from(`{"name":${json}}`), schema))).toEqual(['name']);
    },
  );

  it.each([7, true, ['a'], { a: 1 }])('is not read from %j', (value) => {
    expect(refused(() => readMessage(Buffer.from(JSON.stringify({ name: value })), schema))).toEqual(['name']);
  });
});
