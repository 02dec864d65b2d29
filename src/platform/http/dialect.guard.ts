import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { DIALECT_METADATA, OWNER_OF_PATH, type DeclaredDialect } from './dialect.js';

/** Runs first, so that whatever goes wrong after it is told in the dialect that the controller declares. */
@Injectable()
export class DialectGuard implements CanActivate {
  constructor(private readonly reflector: Reflector) {}

  canActivate(context: ExecutionContext): boolean {
    const dialect = this.reflector.get<DeclaredDialect | undefined>(DIALECT_METADATA, context.getClass());
    if (dialect !== undefined && dialect !== OWNER_OF_PATH) {
      context.switchToHttp().getRequest<FastifyRequest>().dialect = dialect;
    }
    return true;
  }
}
