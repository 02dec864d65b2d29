import type { z } from 'zod';
import { fieldOf, shapeOf } from './protojson-shape.js';

/** Of what is wrong with an answer, enough to find it by. */
const MAX_TOLD = 10;

/**
 * An answer of the platform surface, as its schema declares it: names in lowerCamelCase, no `null`, every field that is not
 * optional there, whatever its value. What the schema does not name is an error of ours: it is refused, neither sent nor
 * dropped without a word. A row that was spread into a view would else tell a key's hash.
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
