import { SetMetadata } from '@nestjs/common';
import type { z } from 'zod';
import type { Fault } from '../errors/index.js';

/**
 * How a surface speaks. A room declares its dialect as one object, registers it with `Dialects` in its module's constructor,
 * and names it on its controllers by `@SpeaksDialect`. Dialects that several rooms speak are in this room; the others are in
 * their own (`src/sealed`, `src/gateways`).
 */
export interface Dialect {
  readonly name: string;
  /** Whole segments: `/v1` owns `/v1` and all paths below it, not `/v10`. The owner with the longest prefix wins. */
  readonly prefixes: readonly string[];
  /** The body of an error answer. */
  readonly renderError: (fault: Fault, requestId: string) => object;
  /** The shape that `renderError` returns, for OpenAPI; its meta names the component as `x-name`. */
  readonly errorSchema: z.ZodType;
  /** The same for routes that pass on a model provider's errors, with the provider's codes. Absent: `errorSchema`. */
  readonly passedErrorSchema?: z.ZodType;
  /** Holds what a handler returns to its declared schema. Absent: answers go out as they are. */
  readonly writeAnswer?: (answer: unknown, schema: z.ZodType) => unknown;
}

export const DIALECT_METADATA = 'gatehouse:dialect';

/** On a controller for paths that belong to no room. */
export const OWNER_OF_PATH = 'the owner of the path';

/** What a controller declares. */
export type DeclaredDialect = Dialect | typeof OWNER_OF_PATH;

/** Declares the dialect of a controller; the service does not start if a controller has none. */
export const SpeaksDialect = (dialect: DeclaredDialect): ClassDecorator => SetMetadata(DIALECT_METADATA, dialect);
