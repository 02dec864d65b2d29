import type { z } from 'zod';
import type { Steps } from '../json/index.js';
import { fieldOf, shapeOf } from './protojson-shape.js';

/** How many of an answer's faults are named, enough to find them. */
const MAX_TOLD = 10;
/** How many members of a list one step writes: some tenths of a millisecond. */
const MEMBERS_OF_STEP = 25;

/**
 * Writes an answer of the platform surface as its schema declares it: names in lowerCamelCase, no `null`, and every field that
 * is not optional. A field that the schema does not name is our error, and is refused: a row spread into a view could
 * otherwise reveal a key's hash.
 *
 * @throws TypeError naming fields and no values
 */
export function writeMessage(answer: unknown, schema: z.ZodType): unknown {
  return checked(written(answer, schema, ''), schema, '');
}

/** The same in steps, for an answer with long lists. The check of a list's own length sees its first step alone. */
export function* writeMessageSteps(answer: unknown, schema: z.ZodType): Steps<unknown> {
  const long = longListsOf(answer, schema);
  if (long.length === 0) return writeMessage(answer, schema);
  const begun = Object.fromEntries(long.map(({ name, members }) => [name, members.slice(0, MEMBERS_OF_STEP)]));
  const message = writeMessage({ ...(answer as object), ...begun }, schema) as Record<string, unknown[]>;
  for (const { name, members, item } of long)
    for (let at = MEMBERS_OF_STEP; at < members.length; at += 1) {
      if (at % MEMBERS_OF_STEP === 0) yield;
      const path = `${name}.${at}.`;
      message[name]?.push(checked(written(members[at], item, path), item, path));
    }
  return message;
}

/** Whether an answer is better written in steps. */
export function isLongMessage(answer: unknown): boolean {
  if (typeof answer !== 'object' || answer === null) return false;
  return Object.values(answer).some((value) => Array.isArray(value) && value.length > MEMBERS_OF_STEP);
}

interface LongList {
  readonly name: string;
  readonly members: readonly unknown[];
  readonly item: z.ZodType;
}

function longListsOf(answer: unknown, schema: z.ZodType): readonly LongList[] {
  const shape = shapeOf(schema);
  if (shape.kind !== 'message' || !isLongMessage(answer)) return [];
  return Object.entries(answer as object).flatMap(([name, members]: [string, unknown]) => {
    const field = fieldOf(shape, name);
    const list = field === undefined ? undefined : shapeOf(field.schema);
    if (list?.kind !== 'list' || !Array.isArray(members) || members.length <= MEMBERS_OF_STEP) return [];
    return [{ name, members, item: list.item as z.ZodType }];
  });
}

function checked(message: unknown, schema: z.ZodType, at: string): unknown {
  const { error } = schema.safeParse(message);
  if (error === undefined) return message;
  const wrong = error.issues
    .slice(0, MAX_TOLD)
    .map(({ path, message: reason }) => `${at}${path.map(String).join('.')}: ${reason}`);
  throw new TypeError(`An answer is not as it was declared: ${wrong.join('; ')}`);
}

function written(value: unknown, schema: z.core.$ZodType, path: string): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const shape = shapeOf(schema);
  if (Array.isArray(value)) {
    return shape.kind === 'list' ? value.map((item, index) => written(item, shape.item, `${path}${index}.`)) : value;
  }
  if (shape.kind !== 'message') return value;
  const message: Record<string, unknown> = {};
  for (const [name, item] of Object.entries(value)) {
    if (item === null || item === undefined) continue;
    const field = fieldOf(shape, name);
    if (field?.name !== name) throw new TypeError(`An answer has the field ${path}${name}, which was not declared.`);
    message[name] = written(item, field.schema, `${path}${name}.`);
  }
  return message;
}
