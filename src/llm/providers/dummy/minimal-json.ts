import { isObject } from '../requests/chat-request.js';

const MAX_DEPTH = 16;
/** A schema can ask for lists of lists of lists, or for itself: beyond so many values the rest is left empty. */
const MAX_VALUES = 1000;

/** The schema as a whole, and how many values it may still have. */
interface Budget {
  readonly root: unknown;
  left: number;
}

type Schema = Readonly<Record<string, unknown>>;

/**
 * The smallest JSON that a JSON schema of the kind that tools and response formats use lets through: required fields alone,
 * the first of any choice. A schema that says more than that (patterns, say) may not be met; a constant that is nested
 * deeper than can be written becomes an empty object.
 */
export function minimalJson(schema: unknown): string {
  try {
    return JSON.stringify(valueOf(schema, { root: schema, left: MAX_VALUES }, 0));
  } catch {
    return '{}';
  }
}

function valueOf(schema: unknown, budget: Budget, depth: number): unknown {
  budget.left -= 1;
  if (!isObject(schema) || depth > MAX_DEPTH || budget.left < 0) return {};
  if ('const' in schema) return schema['const'];
  if (Array.isArray(schema['enum']) && schema['enum'].length > 0) return schema['enum'][0] as unknown;
  if (typeof schema['$ref'] === 'string') return valueOf(resolve(schema['$ref'], budget.root), budget, depth + 1);
  for (const choice of ['anyOf', 'oneOf', 'allOf']) {
    const options = schema[choice];
    if (Array.isArray(options) && options.length > 0) return valueOf(options[0], budget, depth + 1);
  }
  const type: unknown = Array.isArray(schema['type']) ? schema['type'][0] : schema['type'];
  switch (type) {
    case 'string':
      return 'x'.repeat(Math.min(count(schema['minLength']), 256));
    case 'integer':
    case 'number':
      return typeof schema['minimum'] === 'number' ? schema['minimum'] : 0;
    case 'boolean':
      return false;
    case 'null':
      return null;
    case 'array':
      return Array.from({ length: Math.min(count(schema['minItems']), 16, Math.max(0, budget.left)) }, () =>
        valueOf(schema['items'], budget, depth + 1),
      );
    default:
      return objectOf(schema, budget, depth);
  }
}

function objectOf(schema: Schema, budget: Budget, depth: number): unknown {
  const properties = isObject(schema['properties']) ? schema['properties'] : {};
  const required = Array.isArray(schema['required']) ? (schema['required'] as readonly unknown[]) : [];
  const names = required.filter((name): name is string => typeof name === 'string').slice(0, Math.max(0, budget.left));
  return Object.fromEntries(names.map((name) => [name, valueOf(properties[name], budget, depth + 1)]));
}

/** A reference within the same schema: `#`, `#/$defs/…`. */
function resolve(reference: string, root: unknown): unknown {
  let at = root;
  for (const step of reference.replace(/^#\/?/, '').split('/')) {
    if (step === '') continue;
    at = isObject(at) ? at[step.replaceAll('~1', '/').replaceAll('~0', '~')] : undefined;
  }
  return at;
}

function count(value: unknown): number {
  return typeof value === 'number' && value > 0 ? Math.floor(value) : 0;
}
