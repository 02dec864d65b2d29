import { z } from 'zod';
import { Fault } from '../errors/index.js';
import { boolean, integer, map, text } from './protojson-scalars.js';
import { readMessage } from './protojson.js';

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

describe('an open message', () => {
  const schema = z.looseObject({ keyId: text(1, 9) });

  it('takes fields that it does not name as they are, and its own in either spelling', () => {
    expect(readMessage(Buffer.from('{"key_id":"k","a_b":{"c_d":null}}'), schema)).toEqual({
      keyId: 'k',
      a_b: { c_d: null },
    });
    expect(refused(() => readMessage(Buffer.from('{"key_id":"k","keyId":"k"}'), schema))).toEqual(['keyId']);
    expect(refused(() => readMessage(Buffer.from('{"keyId":"k","__proto__":{}}'), schema))).toEqual(['__proto__']);
  });
});

describe('one of several forms', () => {
  const readField = (type: z.ZodType, json: string) =>
    readMessage(Buffer.from(`{"field":${json}}`), z.strictObject({ field: type })).field;

  it('of a list is read in either spelling, and so is one of a map', () => {
    const [day, key] = [z.strictObject({ perDay: integer(0, 9) }), z.strictObject({ keyId: text(1, 9) })];
    const item = z.union([day, key]);
    for (const type of [z.array(item), z.union([z.array(day).max(1), z.array(item)])])
      expect(readField(type, '[{"per_day":1},{"key_id":"k"}]')).toEqual([{ perDay: 1 }, { keyId: 'k' }]);
    const maps = z.union([map(z.strictObject({ perDay: boolean }), 2), map(z.strictObject({ keyId: text(1, 9) }), 2)]);
    expect(readField(maps, '{"a_b":{"key_id":"k"}}')).toEqual({ a_b: { keyId: 'k' } });
    expect(readField(z.union([text(1, 9), z.strictObject({ keyId: text(1, 9) })]), '{"key_id":"k"}')).toEqual({
      keyId: 'k',
    });
  });

  it('that are a list and a map is judged as it was sent', () => {
    expect(readField(z.json(), '{"a_b":[null,{"cD":1}]}')).toEqual({ a_b: [null, { cD: 1 }] });
    for (const deep of ['['.repeat(100_000) + ']'.repeat(100_000), '{"a":'.repeat(100_000) + '1' + '}'.repeat(100_000)])
      expect(faultOf(() => readField(z.json(), deep)).message).toContain('nested deeper than 32 levels');
  });

  it('and none of them is refused in plain words', () => {
    const type = z.union([z.strictObject({ keyId: text(1, 9) }), boolean]);
    expect(faultOf(() => readField(type, '5')).fields).toEqual([
      { field: 'field', reason: 'has none of the forms that it may have' },
    ]);
  });
});

describe('one of several messages', () => {
  const schema = z.strictObject({
    target: z.discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('a'), perDay: integer(0, 9), inBoth: z.strictObject({ oneOf: boolean }) }),
      z.strictObject({ kind: z.literal('b'), keyId: text(1, 9), inBoth: z.strictObject({ otherOf: boolean }) }),
    ]),
  });
  const readTarget = (target: object) => readMessage(Buffer.from(JSON.stringify({ target })), schema);

  it('is read in either spelling', () => {
    expect(readTarget({ kind: 'a', per_day: 1, in_both: { one_of: true } })).toEqual({
      target: { kind: 'a', perDay: 1, inBoth: { oneOf: true } },
    });
    expect(readTarget({ kind: 'b', key_id: 'k', in_both: { other_of: true } })).toEqual({
      target: { kind: 'b', keyId: 'k', inBoth: { otherOf: true } },
    });
  });

  it.each([
    [{ kind: 'a', per_day: 1, key_id: 'k', in_both: { one_of: true } }, 'target.key_id'],
    [{ kind: 'a', per_day: 1, in_both: { other_of: true, one_of: true } }, 'target.in_both.other_of'],
    [{ kind: 'b', key_id: 'k', in_both: { other_of: true }, bogus_name: 1 }, 'target.bogus_name'],
    [{ kind: 'c' }, 'target.kind'],
  ])('has no field of another: %j', (target, field) => {
    expect(refused(() => readTarget(target))).toEqual([field]);
  });
});
