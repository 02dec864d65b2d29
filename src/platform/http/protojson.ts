import { z } from 'zod';
import { Fault, type FieldFault } from '../errors/index.js';
import { parseJsonObject, refuseRepeatedFields } from './json-object.js';

/**
 * The platform surface's JSON: Protocol Buffers' JSON mapping, as one piece at the edge. Services never see it.
 *
 * In: a field is written in lowerCamelCase or snake_case, not in both; `null` is as if it were absent; an unknown field is
 * refused by name. Out: lowerCamelCase; `null` and `undefined` are left out, every other value, default or not, is there.
 */

const SNAKE = /(?<=[A-Za-z0-9])_([a-z0-9])/g;
/** Far deeper than any message of ours; what is deeper would only exhaust the stack. */
const MAX_DEPTH = 32;

/** How the caller spelled each field, by its path in lowerCamelCase. */
export type Spellings = Map<string, string>;

/** Renames the keys of plain objects, all the way down; a field in both spellings is refused. */
function toCamelCase(value: unknown, path: string, spelled: string, spellings: Spellings, depth: number): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (depth > MAX_DEPTH) {
    throw fieldFaults([{ field: spelled.split('.')[0] ?? '', reason: `is nested deeper than ${MAX_DEPTH} levels` }]);
  }
  if (Array.isArray(value)) {
    return value.map((item, index) => toCamelCase(item, join(path, index), join(spelled, index), spellings, depth + 1));
  }
  const renamed: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  for (const [key, item] of Object.entries(value)) {
    const name = key.replace(SNAKE, (_, letter: string) => letter.toUpperCase());
    const field = join(spelled, key);
    if (name === '__proto__') throw fieldFaults([unknownField(field)]);
    if (name in renamed) throw fieldFaults([{ field, reason: 'is there twice, in two spellings' }]);
    spellings.set(join(path, name), field);
    renamed[name] = item === null ? undefined : toCamelCase(item, join(path, name), field, spellings, depth + 1);
  }
  return renamed;
}

function join(path: string, key: string | number): string {
  return path === '' ? String(key) : `${path}.${key}`;
}

/**
 * Reads a request message.
 *
 * @param schema a strict Zod object in lowerCamelCase
 * @param spellings filled with how the caller spelled each field
 * @throws Fault invalid_input with every field at fault, each as the caller spelled it
 */
export function readMessage<T>(body: Buffer, schema: z.ZodType<T>, spellings: Spellings = new Map()): T {
  let value: unknown = {};
  if (body.length > 0) {
    const object = parseJsonObject(body);
    refuseRepeatedFields(object.text);
    value = object.value;
  }
  const parsed = schema.safeParse(toCamelCase(value, '', '', spellings, 0));
  if (parsed.success) return parsed.data;
  throw fieldFaults(parsed.error.issues.flatMap((issue) => issueFaults(issue, spellings)));
}

function issueFaults(issue: z.core.$ZodIssue, spellings: Spellings): FieldFault[] {
  const path = issue.path.map(String).join('.');
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => unknownField(spellings.get(join(path, key)) ?? join(path, key)));
  }
  return [{ field: spellings.get(path) ?? path, reason: issue.message }];
}

function unknownField(field: string): FieldFault {
  return { field, reason: 'is no field of this request' };
}

function fieldFaults(fields: readonly FieldFault[]): Fault {
  return new Fault(
    'invalid_input',
    fields.map(({ field, reason }) => (field === '' ? reason : `${field}: ${reason}`)).join('; '),
    {
      fields,
    },
  );
}

/** Text that can be stored: no U+0000, no lone surrogate; lengths count Unicode code points. */
export const text = (min: number, max: number): z.ZodType<string> =>
  z
    .string('must be a string')
    .refine((value) => !value.includes('\u0000'), 'must not contain U+0000')
    .refine((value) => value.isWellFormed(), 'must not contain a lone surrogate')
    .refine(
      (value) => {
        const { length } = [...value];
        return length >= min && length <= max;
      },
      min === 0 ? `must have at most ${max} characters` : `must have ${min} to ${max} characters`,
    );

const TIMESTAMP =
  /^\d{4}-(?:0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;
const NOT_A_TIMESTAMP = 'must be an RFC 3339 timestamp, like 2030-01-31T12:00:00Z';

/** RFC 3339, with any offset; what comes out is a Date. Years 0001 to 9999, in UTC. */
export const timestamp: z.ZodType<Date> = z.string(NOT_A_TIMESTAMP).transform((value, context) => {
  const day = TIMESTAMP.exec(value)?.[1];
  const date = new Date(value);
  const year = date.getUTCFullYear();
  // Date rolls 30 February over into March; RFC 3339 has no such day.
  const rolled = new Date(`${value.slice(0, 10)}T00:00:00Z`).getUTCDate() !== Number(day);
  if (day === undefined || rolled || !(year >= 1 && year <= 9999)) {
    context.addIssue(NOT_A_TIMESTAMP);
    return z.NEVER;
  }
  return date;
});

/** int32 and narrower: a JSON number, or the same as a string. */
export const integer = (min: number, max: number): z.ZodType<number> =>
  z
    .union(
      [
        z.number(),
        z
          .string()
          .regex(/^-?\d+$/)
          .transform(Number),
      ],
      `must be a whole number from ${min} to ${max}`,
    )
    .refine(
      (value) => Number.isInteger(value) && value >= min && value <= max,
      `must be a whole number from ${min} to ${max}`,
    );

/** An RFC 3339 timestamp in UTC, as every answer writes it. */
export function formatTimestamp(date: Date): string {
  return date.toISOString();
}
