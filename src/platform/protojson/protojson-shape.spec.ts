import { z } from 'zod';
import { Fault } from '../errors/index.js';
import { integer, text } from './protojson-scalars.js';
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

describe('what no message of ours holds', () => {
  const day = z.strictObject({ perDay: integer(0, 9) });

  it.each<[string, z.ZodType]>([
    ['union', z.union([day, z.strictObject({ keyId: text(1, 9) })])],
    ['intersection', z.intersection(day, z.strictObject({ keyId: text(1, 9) }))],
    ['record', z.record(z.string(), day)],
  ])('is an error of ours, not read by half: %s', (kind, type) => {
    const read = () => readMessage(Buffer.from('{"field":{"per_day":1}}'), z.strictObject({ field: type }));
    expect(read).toThrow(
      new TypeError(`A message of the platform surface has no ${kind}; teach protojson to read one first.`),
    );
  });
});
