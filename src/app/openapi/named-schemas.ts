import type { OpenAPIObject } from '@nestjs/swagger';
import type { Operation, SchemaNode, ToldRoute } from './operations.js';

/** What a schema's meta says to be a component of its own by this name. */
const NAME = 'x-name';
/** They say what a schema is for in one place, and stay there. */
const OF_THE_PLACE = ['description', 'nullable', 'default', 'example', 'deprecated'] as const;
const JSON_TYPE = 'application/json';

/**
 * Makes a component of each request and of each answer, named after its operation, and of each schema that has a name, so
 * that generated clients have types by name.
 */
export function nameSchemas(document: OpenAPIObject, told: readonly ToldRoute[]): void {
  const names = new SchemaNames();
  for (const { operation } of told) {
    const name = typeNameOf(operation);
    const body = operation.requestBody;
    if (body !== undefined && 'content' in body) nameContent(body.content, `${name}Request`, names);
    const answer = operation.responses['200'];
    if (answer !== undefined && 'content' in answer) nameContent(answer.content ?? {}, `${name}Response`, names);
    for (const [status, response] of Object.entries(operation.responses)) {
      if (status !== '200' && response !== undefined && 'content' in response)
        nameContent(response.content ?? {}, null, names);
    }
  }
  document.components = { ...document.components, schemas: names.schemas };
}

function nameContent(content: Record<string, { schema?: unknown }>, name: string | null, names: SchemaNames): void {
  for (const [type, media] of Object.entries(content)) {
    if (media.schema === undefined) continue;
    const schema = media.schema as SchemaNode;
    media.schema = names.hoist(
      type === JSON_TYPE && name !== null && schema[NAME] === undefined ? { ...schema, [NAME]: name } : schema,
    );
  }
}

/** `Budgets_set` as `BudgetsSet`. Routes that stand under two paths share their types. */
function typeNameOf({ operationId = '' }: Operation): string {
  return operationId
    .replace(/^Older/, '')
    .replace(/V1alpha1$/, '')
    .split('_')
    .map((part) => part.charAt(0).toUpperCase() + part.slice(1))
    .join('');
}

class SchemaNames {
  readonly schemas: Record<string, SchemaNode> = {};

  /** The same schema, with references in place of what has a name. @throws Error: two schemas have the same name */
  hoist(schema: SchemaNode): SchemaNode {
    const { [NAME]: name, ...rest } = schema;
    const whole = this.hoistParts(rest);
    if (typeof name !== 'string') return whole;
    const reference = { $ref: `#/components/schemas/${name}` };
    // A list of values that has null in it says so itself.
    const hasNull = Array.isArray(whole['enum']) && whole['enum'].includes(null);
    const isOfPlace = (word: string): boolean =>
      (OF_THE_PLACE as readonly string[]).includes(word) && !(hasNull && word === 'nullable');
    const own = Object.entries(whole).filter(([word]) => !isOfPlace(word));
    const ofPlace = Object.entries(whole).filter(([word]) => isOfPlace(word));
    const component = Object.fromEntries(own);
    const known = this.schemas[name];
    if (known !== undefined && JSON.stringify(known) !== JSON.stringify(component))
      throw new Error(`Two schemas have the name ${name}.`);
    this.schemas[name] = component;
    return ofPlace.length === 0 ? reference : { ...Object.fromEntries(ofPlace), allOf: [reference] };
  }

  private hoistParts(node: SchemaNode): SchemaNode {
    return Object.fromEntries(
      Object.entries(node).map(([word, value]) => {
        // A property may be called like a word of JSON Schema.
        if (word === 'properties') {
          const parts = Object.entries(value as Record<string, SchemaNode>);
          return [word, Object.fromEntries(parts.map(([field, part]) => [field, this.hoist(part)]))];
        }
        if (['allOf', 'anyOf', 'oneOf'].includes(word))
          return [word, (value as readonly SchemaNode[]).map((part) => this.hoist(part))];
        if (['items', 'additionalProperties', 'not'].includes(word) && typeof value === 'object')
          return [word, this.hoist(value as SchemaNode)];
        return [word, value];
      }),
    );
  }
}
