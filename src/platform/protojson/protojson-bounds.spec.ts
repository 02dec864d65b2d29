import fc from 'fast-check';
import { z } from 'zod';
import { Fault } from '../errors/index.js';
import {
  boolean,
  double,
  enumeration,
  formatInt64,
  formatTimestamp,
  int64,
  integer,
  text,
  timestamp,
} from './protojson-scalars.js';
import { readMessage, type Spellings } from './protojson.js';

const MESSAGE = z.strictObject({
  keyId: text(1, 10).optional(),
  rateLimit: z.strictObject({ requestsPerMinute: integer(0, 100) }).optional(),
  items: z.array(z.strictObject({ itemName: text(0, 10) })).optional(),
  names: z.array(text(1, 10)).max(3).optional(),
  codeNames: z.array(text(1, 10)).optional(),
  count: integer(-10, 10).optional(),
  total: int64().optional(),
  share: double(-1, 1).optional(),
  status: enumeration(['ACTIVE', 'REVOKED']).optional(),
  expiresAt: timestamp.optional(),
  freeForm: z.unknown().optional(),
  flag: boolean.optional(),
});
type Message = z.output<typeof MESSAGE>;

const readText = (body: string | Buffer, spellings?: Spellings): Message =>
  readMessage(Buffer.from(body), MESSAGE, spellings);
const read = (json: unknown): Message => readText(JSON.stringify(json));

function faultOf(work: () => unknown): Fault {
  try {
    work();
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error('It was accepted.');
}

/** The fields at fault, by name. */
function refused(work: () => unknown): string[] {
  const fault = faultOf(work);
  expect(fault.status).toBe(400);
  for (const { field } of fault.fields) expect(fault.message).toContain(field);
  return fault.fields.map(({ field }) => field);
}

describe('an error stays small, whatever was sent', () => {
  const many = (count: number, entry: (index: number) => string): string =>
    Array.from({ length: count }, (_, index) => entry(index)).join();

  it.each<[string, string, RegExp]>([
    ['50,000 unknown fields', `{${many(50_000, (index) => `"x_${index}":1`)}}`, /; and 49990 more$/],
    ['9,000 entries that are wrong', `{"items":[${many(9000, () => '1')}]}`, /; and 8990 more$/],
    [
      '9,000 nulls',
      `{"code_names":[${many(9000, () => 'null')}]}`,
      /^code_names\.0: must not be null;.*; and 8990 more$/,
    ],
    ['a list beyond all bounds', `{"items":[${many(200_000, () => '1')}]}`, /at most 10000 items/],
    ['a list beyond its own bound', `{"names":[${many(200_000, () => 'null')}]}`, /at most 3 items/],
    ['an unknown name of a million letters', `{"${'x'.repeat(1e6)}":1}`, /^x{99}…: is not a field/],
    ['the same, further in', `{"items":[{"${'é'.repeat(1e6)}":1}]}`, /^items\.0\.é{99}…: is not a field/],
    ['a name of a million letters, twice', `{"${'x'.repeat(1e6)}":1,"${'x'.repeat(1e6)}":1}`, /^x{99}…: appears twice/],
    ['a text of a million letters', `{"keyId":"${'x'.repeat(1e6)}"}`, /^keyId: must have 1 to 10 characters$/],
    ['a number of a million digits', `{"count":${'1'.repeat(1e6)}}`, /^count: must be a whole number/],
    ['the same as text', `{"count":"${'1'.repeat(1e6)}"}`, /^count: must be a whole number/],
    ['an int64 of a million digits', `{"total":"${'0'.repeat(1e6)}1"}`, /^total: must be a whole number/],
    ['an int64 of a million zeros', `{"total":"0.${'0'.repeat(1e6)}1"}`, /^total: must be a whole number/],
    ['an exponent beyond reason', '{"total":"1e536870000"}', /^total: must be a whole number/],
    ['an exponent without an end', `{"total":"1e${'9'.repeat(90)}"}`, /^total: must be a whole number/],
    [
      'names of many letters within each other',
      `{"freeForm":${`{"${'x'.repeat(99)}":`.repeat(40)}1${'}'.repeat(40)}}`,
      /^freeForm\.x{99}\.x{99}\.x{90}…: is nested deeper/,
    ],
  ])('%s', (_what, body, told) => {
    const fault = faultOf(() => readText(body));
    expect(fault.message).toMatch(told);
    expect(fault.fields.length).toBeLessThanOrEqual(10);
    expect(JSON.stringify([fault.message, fault.fields]).length).toBeLessThan(5000);
  });

  it('and free of what no log should be given', () => {
    const fault = faultOf(() => readText('{"a\\u0000\\u001b[31m\\r\\n\\u0085\\ud800b":1}'));
    expect(fault.fields).toEqual([
      { field: 'a\ufffd\ufffd[31m\ufffd\ufffd\ufffd\ufffdb', reason: 'is not a field of this request' },
    ]);
  });
});

describe('of messages made at random', () => {
  const instant = fc.date({
    min: new Date('0001-01-01T00:00:00Z'),
    max: new Date('9999-12-31T23:59:59.999Z'),
    noInvalidDate: true,
  });
  const letters = fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 10 });
  const anyMessage = fc.record(
    {
      keyId: letters,
      rateLimit: fc.record({ requestsPerMinute: fc.integer({ min: 0, max: 100 }) }),
      items: fc.array(fc.record({ itemName: letters }), { maxLength: 4 }),
      names: fc.array(letters, { maxLength: 3 }),
      count: fc.oneof(fc.integer({ min: -10, max: 10 }), fc.integer({ min: -10, max: 10 }).map(String)),
      total: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(formatInt64),
      share: fc.double({ min: -1, max: 1, noNaN: true }),
      status: fc.constantFrom('ACTIVE', 'REVOKED', 0, 1),
      expiresAt: instant.map(formatTimestamp),
      freeForm: fc.jsonValue({ maxDepth: 3 }).filter((value) => value !== null),
      flag: fc.boolean(),
    },
    { requiredKeys: [] },
  );

  const snake = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  /** The same message, each field spelled as `choose` says, without the caller's own fields. */
  function respelled(value: unknown, choose: () => boolean): unknown {
    if (Array.isArray(value)) return value.map((item) => respelled(item, choose));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([name, item]) => [
        choose() ? snake(name) : name,
        name === 'freeForm' ? (item as unknown) : respelled(item, choose),
      ]),
    );
  }

  it('each reads the same in every mixture of the spellings', () => {
    fc.assert(
      fc.property(anyMessage, fc.infiniteStream(fc.boolean()), (message, choices) => {
        const expected = read(message);
        expect(Object.keys(expected).sort()).toEqual(Object.keys(message).sort());
        expect(read(respelled(message, () => true))).toEqual(expected);
        expect(read(respelled(message, () => choices.next().value as boolean))).toEqual(expected);
      }),
    );
  });

  it('each is refused where one of its fields is there in the other spelling too', () => {
    fc.assert(
      fc.property(anyMessage, fc.constantFrom('keyId', 'rateLimit', 'expiresAt'), (message, name) => {
        const value = (message as Record<string, unknown>)[name] ?? null;
        const twice = { ...message, [name]: value, [snake(name)]: value };
        expect(refused(() => read(twice))).toEqual([snake(name)]);
      }),
    );
  });

  /** Read, or refused with the one fault that is the caller's. */
  function check(body: Buffer): void {
    try {
      readMessage(body, MESSAGE);
    } catch (error) {
      if (!(error instanceof Fault) || error.kind !== 'invalid_input') throw error;
      expect(error.fields.length).toBeLessThanOrEqual(10);
      expect(error.message.length).toBeLessThan(5000);
    }
  }

  it('of any JSON, none does more than be refused', () => {
    const names = [...Object.keys(MESSAGE.shape), ...Object.keys(MESSAGE.shape).map(snake), '__proto__', 'constructor'];
    const anyValue = fc.oneof(fc.jsonValue({ maxDepth: 4 }), fc.string({ unit: 'binary' }), fc.double());
    const nested = fc.dictionary(fc.oneof(fc.constantFrom(...names), fc.string({ unit: 'binary' })), anyValue);
    const anyObject = fc.dictionary(
      fc.oneof(
        { weight: 5, arbitrary: fc.constantFrom(...names) },
        { weight: 1, arbitrary: fc.string({ unit: 'binary' }) },
      ),
      fc.oneof(anyValue, nested, fc.array(nested, { maxLength: 4 })),
    );
    fc.assert(
      fc.property(fc.oneof(anyObject, anyValue), (json) => check(Buffer.from(JSON.stringify(json)))),
      { numRuns: 500 },
    );
  });

  it('of any bytes, none does more than be refused', () => {
    const cut = anyMessage.chain((message) => {
      const body = Buffer.from(JSON.stringify(message));
      return fc
        .tuple(fc.nat({ max: body.length }), fc.uint8Array({ maxLength: 8 }))
        .map(([at, bytes]) => Buffer.concat([body.subarray(0, at), bytes, body.subarray(at)]));
    });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), cut), (bytes) => check(Buffer.from(bytes))),
      {
        numRuns: 500,
      },
    );
  });
});
