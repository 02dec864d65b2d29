import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { SealedQuotas } from './sealed-quotas.js';

/**
 * Counts a request by a sealed access token, or without any credential where that is taken, once it may do what it asks for, and
 * before its body is read. Everybody else is counted by request windows.
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
