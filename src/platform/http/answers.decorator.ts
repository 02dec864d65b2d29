import { StreamableFile } from '@nestjs/common';
import { ApiOkResponse } from '@nestjs/swagger';
import type { z } from 'zod';
import { DIALECT_METADATA, OWNER_OF_PATH, type DeclaredDialect, type Dialect } from './dialect.js';
import { openApiSchema } from './platform-body.decorator.js';

type Handler = (this: object, ...args: unknown[]) => unknown;

/**
 * What a handler answers: told in OpenAPI, and, where its dialect writes answers, what it is held to. On the platform
 * surface whatever a handler returns passes `writeMessage`, so that nothing goes out that was not declared.
 *
 * @param options.orFile the content type of a file that the handler may answer instead, where it was asked to
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
    // The framework knows a handler by what hangs on the function and by its name.
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

/** The controller's decorator runs after those of its handlers: it is asked for when a handler is called. */
function writerOf({ constructor }: object): Write | undefined {
  const dialect = Reflect.getMetadata(DIALECT_METADATA, constructor) as DeclaredDialect | undefined;
  return dialect === undefined || dialect === OWNER_OF_PATH ? undefined : dialect.writeAnswer;
}
