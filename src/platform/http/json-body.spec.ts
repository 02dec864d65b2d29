import { z } from 'zod';
import { Fault } from '../errors/index.js';
import { parseJsonObject } from '../json/index.js';
import { readJson } from './json-body.decorator.js';

const SCHEMA = z.strictObject({
  name: z.string().nullish(),
  list: z.array(z.strictObject({ value: z.number(), tags: z.array(z.string()).optional() })).optional(),
});
const read = (text: string): unknown => readJson(parseJsonObject(Buffer.from(text)), SCHEMA);

function fieldsOf(text: string): string[] {
  try {
    read(text);
  } catch (error) {
    expect(error).toBeInstanceOf(Fault);
    expect((error as Fault).kind).toBe('invalid_input');
    for (const { field, reason } of (error as Fault).fields)
      expect((error as Fault).message).toContain(`${field}: ${reason}`);
    return (error as Fault).fields.map(({ field }) => field);
  }
  throw new Error(`${text} was read.`);
}

it('reads a body that fits the schema', () => {
  expect(read('{"name":null,"list":[{"value":1.5,"tags":["a"]}]}')).toEqual({
    name: null,
    list: [{ value: 1.5, tags: ['a'] }],
  });
});

it.each<[string, string[]]>([
  ['{"name":1}', ['name']],
  ['{"list":[{"value":1},{"value":"1"}]}', ['list[1].value']],
  ['{"list":[{"value":1,"tags":["a",2]}]}', ['list[0].tags[1]']],
  ['{"list":[{}]}', ['list[0].value']],
  ['{"list":[{"value":1,"valeu":2}],"nmae":1}', ['list[0].valeu', 'nmae']],
  ['{"list":{}}', ['list']],
  ['{"name":"a","name":"a"}', ['name']],
  ['{"list":[{"value":1,"value":2}]}', ['list.value']],
])('%s is refused, naming %j', (text, fields) => {
  expect(fieldsOf(text)).toEqual(fields);
});

it.each(['', 'null', '[]', '"a"', '{', '{"name":"a"} {}'])('%j is not a request', (text) => {
  expect(fieldsOf(text)).toEqual([]);
});

it('reports at most ten faults, and shortens names', () => {
  expect(fieldsOf(JSON.stringify({ list: Array.from({ length: 1000 }, () => ({})) }))).toHaveLength(10);
  expect(fieldsOf(JSON.stringify({ ['x'.repeat(5000)]: 1 }))[0]?.length).toBeLessThanOrEqual(101);
});
