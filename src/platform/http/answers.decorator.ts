import { ApiOkResponse } from '@nestjs/swagger';
import type { z } from 'zod';
import { openApiSchema } from './platform-body.decorator.js';

/** Tells OpenAPI what a handler answers. */
export const Answers = (schema: z.ZodType): MethodDecorator =>
  ApiOkResponse({ schema: openApiSchema(schema, 'output') });
