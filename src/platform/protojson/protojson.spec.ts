import { z } from 'zod';
import { Fault } from '../errors/index.js';
import { boolean, double, enumeration, int64, integer, text, timestamp } from './protojson-scalars.js';
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

describe('a field', () => {
  it('may be written in either spelling, at every level', () => {
    const expected = { keyId: 'k', rateLimit: { requestsPerMinute: 5 }, items: [{ itemName: 'a' }] };
    expect(read({ keyId: 'k', rateLimit: { requestsPerMinute: 5 }, items: [{ itemName: 'a' }] })).toEqual(expected);
    expect(read({ key_id: 'k', rate_limit: { requests_per_minute: 5 }, items: [{ item_name: 'a' }] })).toEqual(
      expected,
    );
    expect(read({ keyId: 'k', rate_limit: { requestsPerMinute: 5 }, items: [{ item_name: 'a' }] })).toEqual(expected);
    expect(readText('{"key\\u005fid":"k"}')).toEqual({ keyId: 'k' });
  });

  it.each([
    'KeyId',
    'keyid',
    'KEY_ID',
    'key_Id',
    'key-id',
    'key__id',
    '_key_id',
    'key_id_',
    'keyId ',
    'k_e_y_id',
    'rate_Limit',
    'rateLimit_',
  ])('has those two spellings and no third: %s', (name) => {
    expect(refused(() => read({ [name]: null }))).toEqual([name]);
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

  it.each([
    ['{"keyId":"a","keyId":"a"}', 'keyId'],
    ['{"keyId":"a","key\\u0049d":"a"}', 'keyId'],
    ['{"rateLimit":{"requestsPerMinute":1,"requestsPerMinute":2}}', 'rateLimit.requestsPerMinute'],
    ['{"freeForm":[{"a":{"b":1,"b":null}}]}', 'freeForm.a.b'],
  ])('that stands twice in one spelling is refused, wherever it is: %s', (body, field) => {
    expect(refused(() => readText(body))).toEqual([field]);
  });

  it('that is null is as if it were absent', () => {
    const names = Object.keys(MESSAGE.shape);
    expect(read(Object.fromEntries(names.map((name) => [name, null])))).toStrictEqual({});
    expect(refused(() => read({ rateLimit: { requestsPerMinute: null } }))).toEqual(['rateLimit.requestsPerMinute']);
    expect(
      faultOf(() => readMessage(Buffer.from('{"name":null}'), z.strictObject({ name: text(1, 5) }))).fields,
    ).toEqual([{ field: 'name', reason: 'is required' }]);
  });

  it.each([
    [{ names: ['a', null] }, 'names.1'],
    [{ items: [null, { itemName: 'a' }] }, 'items.0'],
    [{ code_names: ['a', null] }, 'code_names.1'],
  ])('that is a list holds no null: %j', (message, field) => {
    expect(faultOf(() => read(message)).fields).toEqual([{ field, reason: 'must not be null' }]);
  });

  it.each([
    [{ bogus: 1 }, ['bogus']],
    [{ bogus: null }, ['bogus']],
    [{ bogus_field: 1, keyId: 'k' }, ['bogus_field']],
    [{ bogus_one: 1, bogusTwo: 2 }, ['bogusTwo', 'bogus_one']],
    [{ rate_limit: { requests_per_minute: 1, per_day: 2 } }, ['rate_limit.per_day']],
    [{ constructor: 1, toString: 2, hasOwnProperty: 3 }, ['constructor', 'hasOwnProperty', 'toString']],
    [{ KeyId: 'k' }, ['KeyId']],
    [{ '': 1 }, ['']],
    [{ 'key.id': 1 }, ['key.id']],
  ])('that the request does not have is refused by the name that the caller gave it: %j', (message, fields) => {
    expect(refused(() => read(message)).sort()).toEqual(fields);
  });

  it.each(['{"__proto__":{"keyId":"x"}}', '{"__proto__":null}', '{"rateLimit":{"__proto__":{"requestsPerMinute":1}}}'])(
    'named __proto__ is refused like any other unknown one: %s',
    (body) => {
      expect(refused(() => readText(body)).some((field) => field.endsWith('__proto__'))).toBe(true);
      expect(({} as Record<string, unknown>)['keyId']).toBeUndefined();
    },
  );

  it('that is wrong is named as the caller wrote it, and so is every other', () => {
    expect(
      refused(() => read({ key_id: 7, count: 'x', bogus_name: 1, rate_limit: { requests_per_minute: 101 } })).sort(),
    ).toEqual(['bogus_name', 'count', 'key_id', 'rate_limit.requests_per_minute']);
  });

  it.each([
    [{ rateLimit: [] }, 'rateLimit', 'must be an object'],
    [{ rateLimit: [{ requestsPerMinute: 1 }] }, 'rateLimit', 'must be an object'],
    [{ rateLimit: 'x' }, 'rateLimit', 'must be an object'],
    [{ rateLimit: true }, 'rateLimit', 'must be an object'],
    [{ items: {} }, 'items', 'must be a list'],
    [{ items: { 0: { itemName: 'a' } } }, 'items', 'must be a list'],
    [{ items: [[]] }, 'items.0', 'must be an object'],
    [{ items: [{}] }, 'items.0.itemName', 'is required'],
    [{ names: 'a' }, 'names', 'must be a list'],
    [{ names: ['a', 'b', 'c', 'd'] }, 'names', 'must have at most 3 items'],
    [{ names: [['a']] }, 'names.0', 'must be a string'],
    [{ keyId: { a: 1 } }, 'keyId', 'must be a string'],
    [{ keyId: ['a'] }, 'keyId', 'must be a string'],
  ])('of another shape is refused in plain words: %j', (message, field, reason) => {
    expect(faultOf(() => read(message)).fields).toEqual([{ field, reason }]);
  });

  it('that must be there says so, whatever it is', () => {
    const required = z.strictObject({
      text: text(1, 9),
      flag: boolean,
      count: integer(0, 9),
      total: int64(),
      share: double(0, 1),
      status: enumeration(['A']),
      expiresAt: timestamp,
      names: z.array(text(1, 9)),
      inner: z.strictObject({}),
      role: z.enum(['owner']),
    });
    const { fields } = faultOf(() =>
      readMessage(Buffer.from('{}'), required.pick({ text: true, names: true, inner: true })),
    );
    expect(fields).toEqual(['text', 'names', 'inner'].map((field) => ({ field, reason: 'is required' })));
    for (const name of Object.keys(required.shape) as (keyof typeof required.shape)[]) {
      const alone = z.strictObject({ [name]: required.shape[name] });
      expect(faultOf(() => readMessage(Buffer.alloc(0), alone)).fields).toEqual([
        { field: name, reason: 'is required' },
      ]);
    }
  });

  it('that a service refuses can be told as the caller spelled it', () => {
    const spellings: Spellings = new Map();
    readText('{"rate_limit":{"requests_per_minute":1},"items":[{"item_name":"a"}],"count":1}', spellings);
    expect(Object.fromEntries(spellings)).toEqual({
      rateLimit: 'rate_limit',
      'rateLimit.requestsPerMinute': 'rate_limit.requests_per_minute',
      'items.0.itemName': 'items.0.item_name',
    });
  });
});

describe('a message', () => {
  it('without a body is empty', () => {
    expect(readMessage(Buffer.alloc(0), MESSAGE)).toEqual({});
  });

  it('may begin with a byte order mark', () => {
    expect(readText('\ufeff{"keyId":"k"}')).toEqual({ keyId: 'k' });
  });

  it.each(['null', 'true', '1', '"a"', '[]', '[{}]', ' ', '\ufeff', '{', '{}{}', '{"keyId":"a",}', "{'keyId':'a'}"])(
    'is one JSON object: not %j',
    (body) => {
      expect(refused(() => readText(body))).toEqual([]);
    },
  );

  it('in bytes that are not UTF-8 is refused', () => {
    expect(refused(() => readText(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])))).toEqual([]);
  });

  it('refuses what its schema does not name even where that does not say so', () => {
    const schema = z.object({ a: z.object({ b: z.number() }) });
    expect(refused(() => readMessage(Buffer.from('{"a":{"b":1,"c":2}}'), schema))).toEqual(['a.c']);
  });

  it('of any depth is refused or read, never a crash', () => {
    for (const nest of [
      (n: number) => '['.repeat(n) + ']'.repeat(n),
      (n: number) => '{"a":'.repeat(n) + '1' + '}'.repeat(n),
    ]) {
      for (const field of ['keyId', 'items', 'rateLimit', 'freeForm', 'bogus']) {
        expect(refused(() => readText(`{"${field}":${nest(200_000)}}`)).length).toBeLessThanOrEqual(2);
      }
      expect(faultOf(() => readText(`{"freeForm":${nest(100)}}`)).message).toContain('nested deeper than 32 levels');
    }
  });

  it('that holds itself is read as deep as it may be', () => {
    const tree: z.ZodType = z.lazy(() => z.strictObject({ leftBranch: tree.optional() }));
    const nested = (levels: number) => Buffer.from('{"left_branch":'.repeat(levels) + '{}' + '}'.repeat(levels));
    expect(readMessage(nested(2), tree)).toEqual({ leftBranch: { leftBranch: {} } });
    expect(faultOf(() => readMessage(nested(500), tree)).message).toContain('nested deeper than 32 levels');
  });
});

describe('free-form JSON', () => {
  it('stays as it was sent, nulls and spellings too', () => {
    const freeForm = { a_b: [null, { cD: 1.5, e: 'x' }], n: 1e30 };
    expect(read({ free_form: freeForm })).toEqual({ freeForm });
  });

  it.each([
    ['"a\\u0000"', 'freeForm'],
    ['["\\ud800"]', 'freeForm.0'],
    ['{"a":{"b\\u0000":1}}', 'freeForm.a.b\ufffd'],
    ['{"\\udc00":1}', 'freeForm.\ufffd'],
  ])('that cannot be stored is refused: %s', (json, field) => {
    expect(refused(() => readText(`{"freeForm":${json}}`))).toEqual([field]);
  });
});
