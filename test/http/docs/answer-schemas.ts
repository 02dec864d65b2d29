import { Ajv, type ValidateFunction } from 'ajv';
import { exampleIdOf } from '../../../src/app/openapi/examples.js';

type Schema = Readonly<Record<string, unknown>>;
interface Operation {
  readonly operationId: string;
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema?: Schema }>> }>
  >;
}
export interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

/** The schemas of the document's JSON answers, by which real ones are judged. */
export class AnswerSchemas {
  private readonly validators = new Map<string, ValidateFunction>();

  constructor({ paths, components }: Document) {
    const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
    ajv.addSchema({ $id: 'document', components: { schemas: asJsonSchema(components.schemas) } });
    for (const { operationId, responses } of Object.values(paths).flatMap(Object.values) as Operation[]) {
      const schema = responses['200']?.content?.['application/json']?.schema;
      if (schema !== undefined) this.validators.set(exampleIdOf(operationId), ajv.compile(asJsonSchema(schema)));
    }
  }

  /** Each place where an answer differs from its operation's schema. */
  mistakesOf(id: string, answer: unknown): string[] {
    const validate = this.validators.get(id);
    if (validate === undefined) return [`${id} tells no JSON answer`];
    if (validate(answer)) return [];
    return (validate.errors ?? []).map(
      ({ instancePath, message = '', params }) => `${id}${instancePath} ${message} ${JSON.stringify(params)}`,
    );
  }
}

/** OpenAPI 3.0 has its own notation for null and for exclusive bounds. */
function asJsonSchema<T>(node: T): T {
  if (Array.isArray(node)) return node.map(asJsonSchema) as T;
  if (typeof node !== 'object' || node === null) return node;
  const { nullable, exclusiveMinimum, exclusiveMaximum, ...rest } = node as Record<string, unknown>;
  const whole: Record<string, unknown> = Object.fromEntries(
    Object.entries(rest).map(([word, value]) => [
      word,
      word === '$ref' ? `document${String(value)}` : asJsonSchema(value),
    ]),
  );
  for (const [word, bound, exclusive] of [
    ['exclusiveMinimum', 'minimum', exclusiveMinimum],
    ['exclusiveMaximum', 'maximum', exclusiveMaximum],
  ] as const) {
    if (typeof exclusive === 'object') whole[word] = asJsonSchema(exclusive);
    else if (exclusive === true) {
      whole[word] = whole[bound];
      Reflect.deleteProperty(whole, bound);
    }
  }
  if (typeof nullable === 'object') whole['nullable'] = asJsonSchema(nullable);
  return (nullable === true ? { anyOf: [{ type: 'null' }, whole] } : whole) as T;
}
