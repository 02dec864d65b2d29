import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { ApiBody } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { Fault } from '../errors/index.js';
import { assertJson, readCallersBody } from './body.js';
import { parseJsonObject, refuseRepeatedFields } from '../json/index.js';
import { openApiSchema } from './platform-body.decorator.js';
import { reasonOf } from '../protojson/index.js';

/** In an object, since the framework takes a bare schema, which has a `transform`, for a pipe. */
interface BodyOf {
  readonly message: z.ZodType;
}

const readJsonBody = createParamDecorator(async ({ message }: BodyOf, context: ExecutionContext): Promise<unknown> => {
  const request = context.switchToHttp().getRequest<FastifyRequest>();
  const body = await readCallersBody(request, request.server.bodyLimitBytes);
  assertJson(request.raw);
  return readJson(body, message);
});

/** A handler's request in plain JSON, where numbers are numbers: read, checked against the schema, and told in OpenAPI. */
export const JsonBody =
  (schema: z.ZodType): ParameterDecorator =>
  (target, key, index) => {
    if (key === undefined) throw new TypeError('A constructor has no body.');
    const descriptor = Object.getOwnPropertyDescriptor(target, key);
    if (descriptor !== undefined) ApiBody({ schema: openApiSchema(schema, 'input') })(target, key, descriptor);
    readJsonBody({ message: schema } satisfies BodyOf)(target, key, index);
  };

/**
 * A request in plain JSON. A field that stands twice, however deep, or that the schema does not know is refused: whoever
 * misspells a limit would believe that it holds.
 *
 * @throws Fault invalid_input, naming the fields as the caller wrote them: `limits[0].value`
 */
export function readJson<T>(body: Buffer, schema: z.ZodType<T>): T {
  const { text, value } = parseJsonObject(body);
  refuseRepeatedFields(text);
  const parsed = schema.safeParse(value, { error: reasonOf });
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => ({ field: nameOf([...issue.path, key]), reason: 'is no field of this request' }))
      : [{ field: nameOf(issue.path), reason: issue.message }],
  );
  const fields = faults.slice(0, MAX_FAULTS);
  throw new Fault('invalid_input', fields.map(({ field, reason }) => `${field}: ${reason}`).join('; '), { fields });
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
