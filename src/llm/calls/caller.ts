import type { FastifyRequest } from 'fastify';
import type { CallPrincipal } from '../access/chat-access.js';

/** Who asked. */
export interface Caller {
  readonly principal: CallPrincipal;
  readonly requestId: string;
  readonly address: string;
  /** The trace that the request belongs to; absent: it has no trace. */
  readonly traceId?: string | undefined;
}

export function callerBy(principal: CallPrincipal, { context, ip }: Pick<FastifyRequest, 'context' | 'ip'>): Caller {
  return { principal, requestId: context?.requestId ?? '', address: ip, traceId: context?.traceId };
}
