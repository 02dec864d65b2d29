import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { DeclaredMetadata } from './declared-metadata.js';
import { DIALECT_METADATA, OWNER_OF_PATH, type DeclaredDialect } from './dialect.js';

const DIALECTS = new DeclaredMetadata<DeclaredDialect>(DIALECT_METADATA);

/** Runs first, so that later errors are answered in the dialect that the controller declares. */
@Injectable()
export class DialectGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const dialect = DIALECTS.find(context.getClass());
    if (dialect !== null && dialect !== OWNER_OF_PATH) context.getArgByIndex<FastifyRequest>(0).dialect = dialect;
    return true;
  }
}
