/** The rules of OpenAPI 3.0 that a generated document most easily breaks. */

interface Operation {
  readonly operationId?: string;
  readonly summary?: string;
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly required?: boolean }[];
  readonly requestBody?: unknown;
  readonly responses?: Readonly<Record<string, { readonly description?: unknown; readonly $ref?: string }>>;
  readonly security?: readonly Readonly<Record<string, readonly string[]>>[];
}

export interface OpenApiDocument {
  readonly openapi: string;
  readonly info: { readonly title?: string; readonly version?: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components?: { readonly securitySchemes?: Readonly<Record<string, SecurityScheme>> };
}

interface SecurityScheme {
  readonly type: string;
  readonly name?: string;
  readonly in?: string;
  readonly scheme?: string;
}

const METHODS = new Set(['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace']);
const TYPES = new Set(['array', 'boolean', 'integer', 'number', 'object', 'string']);
/** The Schema Object's own words; version 3.0 has no newer ones of JSON Schema (`const`, `$schema`, `type: [..]`). */
const SCHEMA_WORDS = new Set([
  ...['title', 'multipleOf', 'maximum', 'exclusiveMaximum', 'minimum', 'exclusiveMinimum', 'maxLength', 'minLength'],
  ...['pattern', 'maxItems', 'minItems', 'uniqueItems', 'maxProperties', 'minProperties', 'required', 'enum', 'type'],
  ...['allOf', 'oneOf', 'anyOf', 'not', 'items', 'properties', 'additionalProperties', 'description', 'format'],
  ...['default', 'nullable', 'discriminator', 'readOnly', 'writeOnly', 'xml', 'externalDocs', 'example', 'deprecated'],
]);

/** All mistakes in a document, in words. */
export function problemsOf(document: OpenApiDocument): string[] {
  const problems: string[] = [];
  if (!/^3\.0\.\d+$/.test(document.openapi)) problems.push(`openapi is ${document.openapi}, these rules are 3.0's`);
  if (!document.info.title || !document.info.version) problems.push('info needs title and version');
  const schemes = document.components?.securitySchemes ?? {};
  for (const [name, scheme] of Object.entries(schemes)) problems.push(...schemeProblems(name, scheme));
  const ids = new Map<string, string>();
  for (const [path, item] of Object.entries(document.paths)) {
    if (!path.startsWith('/')) problems.push(`${path}: does not begin with /`);
    for (const [method, operation] of Object.entries(item)) {
      const at = `${method} ${path}`;
      if (!METHODS.has(method)) problems.push(`${at}: no such method`);
      problems.push(...operationProblems(at, path, operation, new Set(Object.keys(schemes))));
      const { operationId = '' } = operation;
      const other = ids.get(operationId);
      if (other !== undefined) problems.push(`${at}: the operationId ${operationId} is that of ${other} too`);
      ids.set(operationId, at);
    }
  }
  problems.push(...references(document, document, '#'));
  return problems;
}

function schemeProblems(name: string, { type, in: place, scheme, name: header }: SecurityScheme): string[] {
  const sound =
    (type === 'http' && scheme !== undefined) || (type === 'apiKey' && place === 'header' && header !== undefined);
  return sound ? [] : [`securitySchemes.${name}: is no complete http or apiKey scheme`];
}

function operationProblems(at: string, path: string, operation: Operation, schemes: ReadonlySet<string>): string[] {
  const problems: string[] = [];
  const { operationId, summary, parameters = [], responses = {}, security = [], requestBody } = operation;
  if (!operationId) problems.push(`${at}: no operationId`);
  if (!summary) problems.push(`${at}: no summary`);
  if (at.startsWith('get ') && requestBody !== undefined) problems.push(`${at}: a GET has no body`);

  const inPath = [...path.matchAll(/\{([^}]+)\}/g)].map(([, name]) => name);
  const told = parameters.filter((parameter) => parameter.in === 'path');
  for (const name of inPath)
    if (!told.some((parameter) => parameter.name === name))
      problems.push(`${at}: {${name}} is not among its parameters`);
  for (const { name, required } of told) {
    if (!inPath.includes(name)) problems.push(`${at}: the path has no {${name}}`);
    if (required !== true) problems.push(`${at}: the path parameter ${name} must be required`);
  }
  for (const { in: place, name } of parameters) {
    if (!['path', 'query', 'header', 'cookie'].includes(place))
      problems.push(`${at}: the parameter ${name} is in ${place}`);
  }

  const codes = Object.entries(responses);
  if (codes.length === 0) problems.push(`${at}: no response`);
  for (const [code, { description, $ref }] of codes) {
    if (!/^(default|[1-5](\d\d|XX))$/.test(code)) problems.push(`${at}: ${code} is no status`);
    if ($ref === undefined && typeof description !== 'string')
      problems.push(`${at}: the response ${code} has no description`);
  }
  for (const scheme of security.flatMap((entry) => Object.keys(entry))) {
    if (!schemes.has(scheme)) problems.push(`${at}: the security scheme ${scheme} is not defined`);
  }
  for (const [place, schema] of schemasOf({ requestBody, responses, parameters }, at))
    problems.push(...schemaProblems(place, schema));
  return problems;
}

/** Every value of a member called `schema`, wherever it stands. */
function* schemasOf(node: unknown, at: string): Generator<[string, unknown]> {
  if (typeof node !== 'object' || node === null) return;
  for (const [name, value] of Object.entries(node)) {
    const place = `${at} › ${name}`;
    if (name === 'schema') yield [place, value];
    else yield* schemasOf(value, place);
  }
}

function schemaProblems(at: string, schema: unknown): string[] {
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) return [`${at}: is no schema`];
  const words = schema as Readonly<Record<string, unknown>>;
  if ('$ref' in words) return [];
  const problems = Object.keys(words)
    .filter((word) => !SCHEMA_WORDS.has(word) && !word.startsWith('x-'))
    .map((word) => `${at}: ${word} is no word of OpenAPI 3.0's schemas`);
  const { type, items, required, properties = {}, additionalProperties } = words;
  if (type !== undefined && !TYPES.has(type as string))
    problems.push(`${at}: the type ${JSON.stringify(type)} is none`);
  if (type === 'array' && items === undefined) problems.push(`${at}: an array without items`);
  if (
    required !== undefined &&
    !(Array.isArray(required) && required.length > 0 && new Set(required).size === required.length)
  ) {
    problems.push(`${at}: required must be a list of distinct names, and not empty`);
  }
  for (const word of ['exclusiveMinimum', 'exclusiveMaximum', 'nullable']) {
    if (word in words && typeof words[word] !== 'boolean') problems.push(`${at}: ${word} must be true or false`);
  }
  const parts: [string, unknown][] = Object.entries(properties as object).map(([name, part]) => [
    `${at}.${name}`,
    part,
  ]);
  if (items !== undefined) parts.push([`${at}[]`, items]);
  if (typeof additionalProperties === 'object') parts.push([`${at}.*`, additionalProperties]);
  for (const word of ['allOf', 'oneOf', 'anyOf']) {
    if (word in words)
      (words[word] as unknown[]).forEach((part, index) => parts.push([`${at}.${word}[${index}]`, part]));
  }
  return [...problems, ...parts.flatMap(([place, part]) => schemaProblems(place, part))];
}

/** `$ref`s that lead nowhere. */
function references(node: unknown, document: OpenApiDocument, at: string): string[] {
  if (typeof node !== 'object' || node === null) return [];
  return Object.entries(node).flatMap(([name, value]) => {
    if (name !== '$ref') return references(value, document, `${at}/${name}`);
    const steps = String(value).replace(/^#\//, '').split('/');
    const target = steps.reduce<unknown>(
      (place, step) => (place as Record<string, unknown> | undefined)?.[step],
      document,
    );
    return target === undefined ? [`${at}: ${String(value)} leads nowhere`] : [];
  });
}
