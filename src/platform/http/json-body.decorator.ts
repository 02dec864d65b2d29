import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { ApiBody } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { Fault, invalidField } from '../errors/index.js';
import { readCallersJson } from './body.js';
import { refuseRepeatedFields, type JsonObject } from '../json/index.js';
import { openApiSchema } from './platform-body.decorator.js';
import { MAX_ITEMS, reasonOf } from '../protojson/index.js';

/** An object around the schema: the framework would take a bare schema for a pipe, since it has a `transform`. */
interface BodyOf {
  readonly message: z.ZodType;
}

const readJsonBody = createParamDecorator(async ({ message }: BodyOf, context: ExecutionContext): Promise<unknown> => {
  const request = context.switchToHttp().getRequest<FastifyRequest>();
  return readJson(await readCallersJson(request), message);
});

/** A handler's request in plain JSON, where numbers are numbers: read, checked against the schema, and described in OpenAPI. */
export const JsonBody =
  (schema: z.ZodType): ParameterDecorator =>
  (target, key, index) => {
    if (key === undefined) throw new TypeError('A constructor has no body.');
    const descriptor = Object.getOwnPropertyDescriptor(target, key);
    if (descriptor !== undefined) ApiBody({ schema: openApiSchema(schema, 'input') })(target, key, descriptor);
    readJsonBody({ message: schema } satisfies BodyOf)(target, key, index);
  };

/**
 * Reads a request in plain JSON. Refuses a repeated field at any depth, and fields that the schema does not know: a caller who
 * misspells a limit would believe that the limit holds.
 *
 * @throws Fault invalid_input, naming the fields as the caller wrote them: `limits[0].value`
 */
export function readJson<T>({ text, value }: JsonObject, schema: z.ZodType<T>): T {
  refuseRepeatedFields(text);
  refuseLongLists(value, []);
  const parsed = schema.safeParse(value, { error: reasonOf });
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys
          .slice(0, MAX_FAULTS)
          .map((key) => ({ field: nameOf([...issue.path, key]), reason: 'is not a field of this request' }))
      : [{ field: nameOf(issue.path), reason: issue.message }],
  );
  const fields = faults.slice(0, MAX_FAULTS);
  throw new Fault('invalid_input', fields.map(({ field, reason }) => `${field}: ${reason}`).join('; '), { fields });
}

/**
 * Runs before the schema, which judges each item before it counts them, and can find several faults in each.
 *
 * @throws Fault invalid_input
 */
function refuseLongLists(value: unknown, path: PropertyKey[]): void {
  if (typeof value !== 'object' || value === null) return;
  const isList = Array.isArray(value);
  if (isList && value.length > MAX_ITEMS) throw invalidField(nameOf(path), `must have at most ${MAX_ITEMS} items`);
  for (const [key, item] of Object.entries(value)) {
    path.push(isList ? Number(key) : key);
    refuseLongLists(item, path);
    path.pop();
  }
}

const MAX_FAULTS = 10;
const MAX_TOLD_LENGTH = 100;

function nameOf(path: readonly PropertyKey[]): string {
  const name = path.reduce<string>(
    (before, step) => (typeof step === 'number' ? `${before}[${step}]` : `${before}${before && '.'}${String(step)}`),
    '',
  );
  return name.length > MAX_TOLD_LENGTH ? `${name.slice(0, MAX_TOLD_LENGTH)}…` : name;
}
