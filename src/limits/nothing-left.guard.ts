import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { AUDITED_BY_RESERVATION, chargedHuman, type Principal } from '../identity/index.js';
import { Allowances } from './allowances.js';

/** A body whose stated length is at most this is read without a look at the budgets, unless the caller's are always looked at. */
const SMALL_BYTES = 64 * 1024;

/**
 * Refuses a caller who has nothing left before the body is read, so that its refused calls cost others nothing. To spare the
 * hot path, only the reservation judges a call whose body has already arrived whole, or a small one that only the tenant's
 * and the key's limits judge.
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
    // A body that came together with the head is only complete after this turn of the event loop.
    if (!raw.complete) await new Promise((resolve) => setImmediate(resolve));
    if (!raw.complete) await this.allowances.assertSomethingLeft(principal, context?.requestId ?? '');
    return true;
  }
}

/** The first three conditions are the tenant's humans and its gateways' callers: only their limits protect the tenant's money. */
function isLookedAt(principal: Principal, { headers }: FastifyRequest): boolean {
  return (
    chargedHuman(principal) !== null ||
    principal.kind === 'gatewayToken' ||
    (principal.kind === 'anonymous' && principal.gatewayId !== null) ||
    headers['transfer-encoding'] !== undefined ||
    Number(headers['content-length'] ?? 0) > SMALL_BYTES
  );
}
