import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { SealedQuotas } from './sealed-quotas.js';

/**
 * Counts requests by sealed access tokens, and requests without a credential where those are allowed: after the access check,
 * and before the body is read. Request windows count all other callers.
 */
@Injectable()
export class SealedQuotasGuard implements CanActivate {
  constructor(private readonly quotas: SealedQuotas) {}

  canActivate(context: ExecutionContext): true | Promise<true> {
    const { principal, ip } = context.getArgByIndex<FastifyRequest>(0);
    if (principal?.kind === 'sealedToken' || (principal?.kind === 'anonymous' && principal.gatewayId === null)) {
      return this.quotas.take(principal, ip).then(() => true as const);
    }
    return true;
  }
}
