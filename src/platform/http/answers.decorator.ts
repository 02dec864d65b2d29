import { StreamableFile } from '@nestjs/common';
import { ApiOkResponse } from '@nestjs/swagger';
import type { z } from 'zod';
import { DIALECT_METADATA, OWNER_OF_PATH, type DeclaredDialect, type Dialect } from './dialect.js';
import { openApiSchema } from './platform-body.decorator.js';

type Handler = (this: object, ...args: unknown[]) => unknown;

/**
 * Declares a handler's answer in OpenAPI, and holds the handler to it where its dialect writes answers. On the platform surface
 * every answer passes `writeMessage`, so that no undeclared field goes out.
 *
 * @param options.orFile the content type of a file that the handler may answer instead, if the request asks for it
 */
export const Answers =
  (schema: z.ZodType, { orFile }: { readonly orFile?: string } = {}): MethodDecorator =>
  (target, key, descriptor) => {
    const told = openApiSchema(schema, 'output');
    ApiOkResponse(
      orFile === undefined
        ? { schema: told }
        : { content: { 'application/json': { schema: told }, [mediaTypeOf(orFile)]: { schema: { type: 'string' } } } },
    )(target, key, descriptor);
    const handler = descriptor.value as Handler;
    const answering: Handler = function (...args) {
      const answer = handler.apply(this, args);
      const write = writerOf(this);
      return write === undefined ? answer : writeWhenThere(answer, write, schema, orFile);
    };
    // The framework recognises a handler by the function's metadata and name.
    Object.defineProperty(answering, 'name', { value: handler.name });
    for (const name of Reflect.getOwnMetadataKeys(handler) as unknown[]) {
      Reflect.defineMetadata(name, Reflect.getOwnMetadata(name, handler), answering);
    }
    Object.assign(descriptor, { value: answering });
  };

type Write = NonNullable<Dialect['writeAnswer']>;

async function writeWhenThere(
  answer: unknown,
  write: Write,
  schema: z.ZodType,
  orFile: string | undefined,
): Promise<unknown> {
  const answered = await answer;
  if (orFile !== undefined && answered instanceof StreamableFile && answered.getHeaders().type === orFile) {
    return answered;
  }
  return write(answered, schema);
}

function mediaTypeOf(contentType: string): string {
  return contentType.split(';', 1)[0] ?? contentType;
}

/** Looked up at each call, since the controller's decorator runs after those of its handlers. */
function writerOf({ constructor }: object): Write | undefined {
  const dialect = Reflect.getMetadata(DIALECT_METADATA, constructor) as DeclaredDialect | undefined;
  return dialect === undefined || dialect === OWNER_OF_PATH ? undefined : dialect.writeAnswer;
}
