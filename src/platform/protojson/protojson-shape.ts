import { z } from 'zod';
import { INT64_FIELDS } from './protojson-scalars.js';

/** The part of a schema that the JSON mapping needs. */
export type Shape =
  | { readonly kind: 'message'; readonly fields: ReadonlyMap<string, MessageField>; readonly open: boolean }
  | { readonly kind: 'list'; readonly item: z.core.$ZodType; readonly maxItems: number }
  | { readonly kind: 'int64' }
  | { readonly kind: 'scalar' }
  | { readonly kind: 'free' };

export type MessageShape = Extract<Shape, { readonly kind: 'message' }>;

export interface MessageField {
  /** In lowerCamelCase, for both spellings. */
  readonly name: string;
  readonly schema: z.core.$ZodType;
}

const SCALAR: Shape = { kind: 'scalar' };
const LOWER_CAMEL_CASE = /^[a-z][a-zA-Z0-9]*$/;

const shapes = new WeakMap<z.core.$ZodType, Shape>();

/** The shape of a schema's top level, computed once; lower levels follow when a message uses them. */
export function shapeOf(schema: z.core.$ZodType): Shape {
  const known = shapes.get(schema);
  if (known !== undefined) return known;
  const shape = workOut(schema);
  shapes.set(schema, shape);
  return shape;
}

function workOut(schema: z.core.$ZodType): Shape {
  if (INT64_FIELDS.get(schema) !== undefined) return { kind: 'int64' };
  const { def } = (schema as z.core.$ZodTypes)._zod;
  switch (def.type) {
    case 'object':
      return messageOf(Object.entries(def.shape), isOpen(def.catchall));
    case 'array':
      return { kind: 'list', item: def.element, maxItems: maxLengthOf(def.checks) };
    case 'optional':
    case 'nullable':
    case 'nonoptional':
    case 'default':
    case 'prefault':
    case 'catch':
    case 'readonly':
      return shapeOf(def.innerType);
    case 'lazy':
      return shapeOf(def.getter());
    case 'pipe': {
      const input = shapeOf((def.in as z.core.$ZodTypes)._zod.def.type === 'transform' ? def.out : def.in);
      // A transform that takes `unknown` judges its input itself.
      return input.kind === 'free' ? SCALAR : input;
    }
    case 'union':
    case 'intersection':
    case 'record':
      // Read as a scalar, its fields would silently have only one spelling.
      throw new TypeError(`A message of the platform surface has no ${def.type}; teach protojson to read one first.`);
    case 'unknown':
    case 'any':
      return { kind: 'free' };
    default:
      return SCALAR;
  }
}

const FREE = z.unknown();

/**
 * The field that a key names; in an open message every key is a field, except `__proto__`: no caller means it, and
 * Zod would silently drop it.
 */
export function fieldOf(shape: MessageShape, key: string): MessageField | undefined {
  const field = shape.fields.get(key);
  if (field !== undefined || key === '__proto__') return field;
  return shape.open ? { name: key, schema: FREE } : undefined;
}

/** Both spellings of each field: its lowerCamelCase name, and the snake_case one that it comes from. */
function messageOf(entries: readonly (readonly [string, z.core.$ZodType])[], open: boolean): Shape {
  const fields = new Map<string, MessageField>();
  for (const [name, schema] of entries) {
    if (!LOWER_CAMEL_CASE.test(name)) throw new TypeError(`${name} is not a field name in lowerCamelCase.`);
    const field = { name, schema };
    fields.set(name, field);
    fields.set(
      name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      field,
    );
  }
  return { kind: 'message', fields, open };
}

function isOpen(catchall: z.core.$ZodType | undefined): boolean {
  return catchall !== undefined && (catchall as z.core.$ZodTypes)._zod.def.type !== 'never';
}

function maxLengthOf(checks: readonly z.core.$ZodCheck[] = []): number {
  const lengths = checks.map(({ _zod }) => _zod.def as z.core.$ZodCheckMaxLengthDef | z.core.$ZodCheckMinLengthDef);
  return Math.min(...lengths.map((check) => (check.check === 'max_length' ? check.maximum : Infinity)));
}
