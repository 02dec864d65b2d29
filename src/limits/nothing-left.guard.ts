import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { AUDITED_BY_RESERVATION_METADATA, chargedHuman, type Principal } from '../identity/index.js';
import { Allowances } from './allowances.js';

/**
 * Refuses a caller who has nothing left before the body of the call is read: who can't call any more must not cost the
 * others anything. A body that has come whole by now is small, and its call is judged by the reservation alone, which
 * spares the hot path this look.
 */
@Injectable()
export class NothingLeftGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly allowances: Allowances,
  ) {}

  canActivate(context: ExecutionContext): true | Promise<true> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    if (request.principal === null || chargedHuman(request.principal) === null) return true;
    const reserves = this.reflector.get<true | undefined>(AUDITED_BY_RESERVATION_METADATA, context.getHandler());
    return reserves === true ? this.judge(request, request.principal) : true;
  }

  private async judge({ raw, context }: FastifyRequest, principal: Principal): Promise<true> {
    // A body that came in one piece with the head is looked at only after this turn of the event loop.
    if (!raw.complete) await new Promise((resolve) => setImmediate(resolve));
    if (!raw.complete) await this.allowances.assertSomethingLeft(principal, context?.requestId ?? '');
    return true;
  }
}
