import type { z } from 'zod';
import { fieldOf, shapeOf } from './protojson-shape.js';

/** How many of an answer's faults are named, enough to find them. */
const MAX_TOLD = 10;

/**
 * Writes an answer of the platform surface as its schema declares it: names in lowerCamelCase, no `null`, and every field that
 * is not optional. A field that the schema does not name is our error, and is refused: a row spread into a view could
 * otherwise reveal a key's hash.
 *
 * @throws TypeError naming fields and no values
 */
export function writeMessage(answer: unknown, schema: z.ZodType): unknown {
  const message = written(answer, schema, '');
  const { error } = schema.safeParse(message);
  if (error === undefined) return message;
  const wrong = error.issues
    .slice(0, MAX_TOLD)
    .map(({ path, message: reason }) => `${path.map(String).join('.')}: ${reason}`);
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
