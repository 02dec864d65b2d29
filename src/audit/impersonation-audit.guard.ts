import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import {
  ACCESS_DECLARATIONS,
  AUDITED_BY_RESERVATION,
  refusedCredential,
  type ImpersonationPrincipal,
} from '../identity/index.js';
import { uuidV7 } from '../platform/crypto/index.js';
import { Fault } from '../platform/errors/index.js';
import { AuditRepository } from './audit.repository.js';

/**
 * Writes down what a key does on a human's behalf. Guarantee: the row is committed before the handler runs, and so before its
 * answer goes; where it can't be, nothing is done and the answer is 503. It looks at the principal, so that no handler is
 * forgotten. Exempt are public routes, and handlers whose reservation writes the row. Runs after the access guard.
 */
@Injectable()
export class ImpersonationAuditGuard implements CanActivate {
  constructor(private readonly repository: AuditRepository) {}

  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const request = context.getArgByIndex<FastifyRequest>(0);
    const { principal } = request;
    if (principal?.kind !== 'impersonation') return true;
    const handler = context.getHandler();
    if (AUDITED_BY_RESERVATION.find(handler) === true) return true;
    const declaration = ACCESS_DECLARATIONS.find(handler);
    if (declaration !== null && 'public' in declaration) return true;
    return this.record(principal, request);
  }

  /** @throws Fault unavailable; unauthenticated where the tenant was deleted since the key was looked up */
  private async record({ tenantId, keyId, human }: ImpersonationPrincipal, request: FastifyRequest): Promise<true> {
    const { method, routePath = '', context, ip } = request;
    const written = await this.repository
      .recordImpersonation({
        id: uuidV7(),
        tenantId,
        keyId,
        human,
        route: `${method} ${routePath}`,
        requestId: context?.requestId ?? null,
        address: context?.address ?? ip,
      })
      .catch((error: unknown) => {
        throw error instanceof Fault ? error : cannotBeWritten(error);
      });
    if (!written) throw refusedCredential('gone_meanwhile');
    return true;
  }
}

function cannotBeWritten(cause: unknown): Fault {
  return new Fault('unavailable', 'The audit log cannot be written; try again shortly.', {
    retryAfterSeconds: 1,
    cause,
  });
}
