import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { AUDITED_BY_RESERVATION, chargedHuman, type Principal } from '../identity/index.js';
import { Allowances } from './allowances.js';

/** A body whose stated length is at most this is read without a look, unless the caller is always looked at. */
const SMALL_BYTES = 64 * 1024;

/**
 * Refuses a caller who has nothing left before the body of the call is read: who can't call any more must not cost the
 * others anything. A body that has come whole by now is small, and its call is judged by the reservation alone, which
 * spares the hot path this look; and so is one that says it is small, of a caller whose limits are the tenant's and the key's.
 */
@Injectable()
export class NothingLeftGuard implements CanActivate {
  constructor(private readonly allowances: Allowances) {}

  canActivate(context: ExecutionContext): true | Promise<true> {
    const request = context.getArgByIndex<FastifyRequest>(0);
    if (request.principal === null || !isLookedAt(request.principal, request)) return true;
    return AUDITED_BY_RESERVATION.find(context.getHandler()) === true ? this.judge(request, request.principal) : true;
  }

  private async judge({ raw, context }: FastifyRequest, principal: Principal): Promise<true> {
    // A body that came in one piece with the head is looked at only after this turn of the event loop.
    if (!raw.complete) await new Promise((resolve) => setImmediate(resolve));
    if (!raw.complete) await this.allowances.assertSomethingLeft(principal, context?.requestId ?? '');
    return true;
  }
}

/** First those whose limits alone protect the tenant's money: its humans, and callers of its gateways. */
function isLookedAt(principal: Principal, { headers }: FastifyRequest): boolean {
  return (
    chargedHuman(principal) !== null ||
    principal.kind === 'gatewayToken' ||
    (principal.kind === 'anonymous' && principal.gatewayId !== null) ||
    headers['transfer-encoding'] !== undefined ||
    Number(headers['content-length'] ?? 0) > SMALL_BYTES
  );
}
