import { SetMetadata } from '@nestjs/common';
import type { z } from 'zod';
import type { Fault } from '../errors/index.js';

/**
 * How a surface speaks. A room declares its dialect as one object, registers it with `Dialects` in its module's
 * constructor, and names it on its controllers by `@SpeaksDialect`. One that several rooms speak stands here; any other
 * stands in its room: that of sealed access tokens (`/api/v1/oauth/token`, `/api/v1/process`, `/api/v1/ping`, and the
 * same under `/api/v1alpha1`) in `src/sealed`, that of gateways (`/gateways`) in `src/gateways`.
 */
export interface Dialect {
  readonly name: string;
  /** Whole segments: `/v1` owns `/v1` and all below it, not `/v10`. Of several owners the longest prefix wins. */
  readonly prefixes: readonly string[];
  /** The body of an error answer. */
  readonly renderError: (fault: Fault, requestId: string) => object;
  /** What `renderError` makes, for OpenAPI; its meta names the component as `x-name`. */
  readonly errorSchema: z.ZodType;
  /** The same where a model provider's own errors are passed on, with codes of the provider. Absent: no difference. */
  readonly passedErrorSchema?: z.ZodType;
  /** Holds what a handler returns to its declared schema. Absent: answers go out as they are. */
  readonly writeAnswer?: (answer: unknown, schema: z.ZodType) => unknown;
}

export const DIALECT_METADATA = 'gatehouse:dialect';

/** On a controller for paths that belong to no room. */
export const OWNER_OF_PATH = 'the owner of the path';

/** What a controller declares. */
export type DeclaredDialect = Dialect | typeof OWNER_OF_PATH;

/** Declares the dialect of a controller; the service refuses to boot where one has none. */
export const SpeaksDialect = (dialect: DeclaredDialect): ClassDecorator => SetMetadata(DIALECT_METADATA, dialect);
