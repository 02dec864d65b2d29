import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { ApiQuery } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { Fault } from '../errors/index.js';
import { reasonOf } from '../protojson/index.js';
import { openApiSchema } from './platform-body.decorator.js';

type QuerySchema = z.ZodObject;

/** An object around the schema: the framework would take a bare schema for a pipe, since it has a `transform`. */
interface ParametersOf {
  readonly parameters: QuerySchema;
}

const readQuery = createParamDecorator(({ parameters }: ParametersOf, context: ExecutionContext) => {
  const { query } = context.switchToHttp().getRequest<FastifyRequest<{ Querystring: Record<string, unknown> }>>();
  const parsed = parameters.safeParse({ ...query }, { error: reasonOf });
  if (parsed.success) return parsed.data;
  const fields = parsed.error.issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys
          .slice(0, 1)
          .map((key) => ({ field: key.slice(0, 100), reason: 'is not a parameter of this request' }))
      : [{ field: String(issue.path[0] ?? ''), reason: issue.message }],
  );
  throw new Fault('invalid_input', fields.map(({ field, reason }) => `${field}: ${reason}`).join('; '), { fields });
});

/**
 * A handler's query parameters: read, checked against the schema, and described in OpenAPI. Unknown and
 * repeated parameters are refused.
 */
export const QueryOf =
  (schema: QuerySchema): ParameterDecorator =>
  (target, key, index) => {
    if (key === undefined) throw new TypeError('A constructor has no query.');
    const descriptor = Object.getOwnPropertyDescriptor(target, key);
    if (descriptor !== undefined) {
      for (const [name, field] of Object.entries(schema.shape)) {
        ApiQuery({ name, required: false, schema: openApiSchema(field as z.ZodType, 'input') })(
          target,
          key,
          descriptor,
        );
      }
    }
    readQuery({ parameters: schema } satisfies ParametersOf)(target, key, index);
  };
