import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { ApiBody } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { assertJson, parseInTurns, readCallersBody } from './body.js';
import { SMALL_BODY_BYTES } from './request-bodies.js';
import type { JsonObject } from '../json/index.js';
import { parseMessage, readMessage, type Spellings } from '../protojson/index.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** How the caller spelled the fields of the message, so that an error names them as they were written. */
    spellings: Spellings | undefined;
  }
}

/** An object around the schema: the framework would take a bare schema for a pipe, since it has a `transform`. */
interface BodyOf {
  readonly message: z.ZodType;
}

const readPlatformBody = createParamDecorator(
  async ({ message }: BodyOf, context: ExecutionContext): Promise<unknown> => {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const body = await readCallersBody(request);
    if (body.length > 0) assertJson(request.raw);
    const spellings: Spellings = new Map();
    const read = readMessage(await parse(request, body), message, spellings);
    // Set only now: the reader's own refusals already use the caller's spelling.
    request.spellings = spellings;
    return read;
  },
);

/** Parses a large body step by step, so that other work runs between the steps. */
function parse(request: FastifyRequest, body: Buffer): Buffer | Promise<JsonObject> {
  return body.length <= SMALL_BODY_BYTES ? body : parseMessage(() => parseInTurns(request, body));
}

/** OpenAPI's schema of a Zod schema as it is sent. */
export function openApiSchema(schema: z.ZodType, io: 'input' | 'output'): Record<string, unknown> {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, {
    io,
    unrepresentable: 'any',
    target: 'openapi-3.0',
  }) as Record<string, unknown>;
  return rest;
}

/** A handler's request message on the platform surface: read, checked against the schema, and described in OpenAPI. */
export const PlatformBody =
  (schema: z.ZodType): ParameterDecorator =>
  (target, key, index) => {
    if (key === undefined) throw new TypeError('A constructor has no body.');
    const descriptor = Object.getOwnPropertyDescriptor(target, key);
    if (descriptor !== undefined) ApiBody({ schema: openApiSchema(schema, 'input') })(target, key, descriptor);
    readPlatformBody({ message: schema } satisfies BodyOf)(target, key, index);
  };
