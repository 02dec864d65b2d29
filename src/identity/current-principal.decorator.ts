import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { Fault } from '../platform/errors/index.js';
import type { Principal, PrincipalKind } from './principal.js';

/**
 * Hands a handler its principal. The kinds named here are those of the handler's `@Access`; a mismatch is a mistake of
 * ours and fails closed.
 */
export const CurrentPrincipal = createParamDecorator(
  (kinds: readonly PrincipalKind[], context: ExecutionContext): Principal => {
    const { principal } = context.getArgByIndex<FastifyRequest>(0);
    if (principal === null || !kinds.includes(principal.kind))
      throw new Fault('permission_denied', 'This credential may not call this route.');
    return principal;
  },
);
