import { z } from 'zod';
import { Fault, type FieldFault } from '../errors/index.js';
import { parseJsonObject } from './json-object.js';

/**
 * The platform surface's JSON: Protocol Buffers' JSON mapping, as one piece at the edge. Services never see it.
 *
 * In: a field is written in lowerCamelCase or snake_case, not in both; `null` is as if it were absent; an unknown field is
 * refused by name. Out: lowerCamelCase; `null` and `undefined` are left out, every other value, default or not, is there.
 */

const SNAKE = /_([a-z0-9])/g;

/** Renames the keys of plain objects, all the way down; a field in both spellings is refused. */
function toCamelCase(value: unknown, path: string): unknown {
  if (Array.isArray(value)) return value.map((item, index) => toCamelCase(item, `${path}[${index}]`));
  if (typeof value !== 'object' || value === null) return value;
  const renamed: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  for (const [key, item] of Object.entries(value)) {
    const name = key.replace(SNAKE, (_, letter: string) => letter.toUpperCase());
    const field = path === '' ? key : `${path}.${key}`;
    if (name in renamed) throw fieldFaults([{ field, reason: 'is there twice, in two spellings' }]);
    if (item !== null) renamed[name] = toCamelCase(item, field);
    else renamed[name] = undefined;
  }
  return renamed;
}

/**
 * Reads a request message.
 *
 * @param schema a strict Zod object in lowerCamelCase
 * @throws Fault invalid_input with every field at fault
 */
export function readMessage<T>(body: Buffer, schema: z.ZodType<T>): T {
  const value = body.length === 0 ? {} : parseJsonObject(body).value;
  const parsed = schema.safeParse(toCamelCase(value, ''));
  if (parsed.success) return parsed.data;
  throw fieldFaults(parsed.error.issues.flatMap(issueFaults));
}

function issueFaults(issue: z.core.$ZodIssue): FieldFault[] {
  const path = issue.path.map(String).join('.');
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      field: path === '' ? key : `${path}.${key}`,
      reason: 'is no field of this request',
    }));
  }
  return [{ field: path, reason: issue.message }];
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

const TIMESTAMP = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$/;

/** RFC 3339, with any offset; what comes out is a Date. Years 0001 to 9999. */
export const timestamp: z.ZodType<Date> = z
  .string('must be an RFC 3339 timestamp, like 2030-01-31T12:00:00Z')
  .transform((value, context) => {
    const match = TIMESTAMP.exec(value);
    const date = new Date(value);
    const [, , month, day] = match ?? [];
    // Date rolls 30 February over into March; RFC 3339 has no such day.
    const exists =
      match !== null &&
      !Number.isNaN(date.getTime()) &&
      new Date(Date.UTC(Number(match[1]), Number(month) - 1, Number(day))).getUTCDate() === Number(day);
    if (!exists) {
      context.addIssue('must be an RFC 3339 timestamp, like 2030-01-31T12:00:00Z');
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
