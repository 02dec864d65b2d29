/**
 * The promises of an OpenAPI document to those who built a client on it, as lines. A change breaks no client as long as every
 * line stays: a new route, a new optional field of a request, a new field of an answer only add lines.
 */

type Node = Readonly<Record<string, unknown>>;

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components?: { readonly schemas?: Readonly<Record<string, Node>> };
}

interface Operation {
  readonly operationId?: string;
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly required?: boolean;
    readonly schema?: Node;
  }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema?: Node }>> };
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema?: Node }>> }>
  >;
  readonly security?: readonly Readonly<Record<string, unknown>>[];
}

export function promisesOf(document: Document): string[] {
  const lines = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).flatMap(([method, operation]) => [
      ...ofOperation(document, `${method.toUpperCase()} ${path}`, operation),
    ]),
  );
  return [...new Set(lines)].sort();
}

function* ofOperation(document: Document, at: string, operation: Operation): Generator<string> {
  const { operationId = '', parameters = [], requestBody, responses, security = [] } = operation;
  yield `${at} is ${operationId}`;
  for (const scheme of security) yield `${at} takes the credential ${Object.keys(scheme).join(' + ') || 'none'}`;
  const needed = parameters
    .filter(({ required }) => required === true)
    .map(({ in: place, name }) => `${place} ${name}`);
  yield `${at} needs the parameters: ${needed.sort().join(', ') || 'none'}`;
  for (const { in: place, name, schema } of parameters) {
    yield `${at} takes ${place} ${name}`;
    if (schema !== undefined) yield* ofSchema(document, schema, `${at} takes ${place} ${name}`, 'request');
  }
  for (const [type, { schema }] of Object.entries(requestBody?.content ?? {})) {
    yield `${at} takes ${type}`;
    if (schema !== undefined) yield* ofSchema(document, schema, `${at} takes body`, 'request');
  }
  const [[, good] = []] = Object.entries(responses).filter(([status]) => /^2/.test(status));
  for (const [type, { schema }] of Object.entries(good?.content ?? {})) {
    yield `${at} answers ${type}`;
    if (schema !== undefined) yield* ofSchema(document, schema, `${at} answers ${type}`, 'answer');
  }
}

function* ofSchema(document: Document, schema: Node, at: string, side: 'request' | 'answer'): Generator<string> {
  const node = resolved(document, schema);
  const {
    type,
    enum: values,
    properties = {},
    required = [],
    items,
    allOf,
    anyOf,
    oneOf,
  } = node as {
    readonly type?: string;
    readonly enum?: readonly unknown[];
    readonly properties?: Readonly<Record<string, Node>>;
    readonly required?: readonly string[];
    readonly items?: Node;
    readonly allOf?: readonly Node[];
    readonly anyOf?: readonly Node[];
    readonly oneOf?: readonly Node[];
  };
  if (type !== undefined) yield `${at}: ${type}`;
  // A client must know the values that it may send; answers may get further values.
  if (side === 'request') for (const value of values ?? []) yield `${at}: ${JSON.stringify(value)} is accepted`;
  if (side === 'request' && type === 'object') yield `${at} needs: ${[...required].sort().join(', ') || 'nothing'}`;
  for (const [name, part] of Object.entries(properties)) {
    const presence = side === 'answer' && required.includes(name) ? ' (always)' : '';
    yield `${at}.${name}${presence}`;
    yield* ofSchema(document, part, `${at}.${name}`, side);
  }
  if (items !== undefined) yield* ofSchema(document, items, `${at}[]`, side);
  for (const part of [allOf, anyOf, oneOf].flatMap((parts) => parts ?? [])) yield* ofSchema(document, part, at, side);
}

function resolved(document: Document, schema: Node): Node {
  const { $ref } = schema as { readonly $ref?: string };
  if ($ref === undefined) return schema;
  const found = document.components?.schemas?.[$ref.split('/').at(-1) ?? ''];
  if (found === undefined) throw new Error(`${$ref} leads nowhere.`);
  return found;
}
