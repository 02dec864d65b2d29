import type { FastifyReply } from 'fastify';
import {
  chargedHuman,
  type DashboardUserPrincipal,
  type EndUserPrincipal,
  type ImpersonationPrincipal,
  type SecretKeyPrincipal,
  type UsageTokenPrincipal,
} from '../../identity/index.js';
import type { Reservation } from '../../usage/index.js';
import type { ModelFacts } from '../models/model-facts.js';
import { priceOf, type CallBound } from './call-bound.js';
import type { ChatRequest } from './chat-request.js';

export type ChatPrincipal =
  SecretKeyPrincipal | ImpersonationPrincipal | EndUserPrincipal | UsageTokenPrincipal | DashboardUserPrincipal;

/** Who asked, and the answer to write to. */
export interface ChatCaller {
  readonly principal: ChatPrincipal;
  readonly requestId: string;
  readonly address: string;
  readonly reply: FastifyReply;
}

/** What the audit log says that was done on a human's behalf. */
const ROUTE = 'POST /v1/chat/completions';

/** What the ledger is asked to set aside for a call: its bounds, whom they are charged to and who asked. */
export function reservationOf(
  id: string,
  { principal, requestId, address }: ChatCaller,
  { model, stream }: ChatRequest,
  bound: CallBound,
  facts: ModelFacts | null,
  provider: string,
): Reservation {
  const price = facts?.price ?? null;
  return {
    id,
    tenantId: principal.tenantId,
    keyId: principal.kind === 'dashboardUser' ? null : principal.keyId,
    userId: principal.kind === 'dashboardUser' ? principal.userId : null,
    gatewayId: null,
    gatewayTokenId: null,
    human: chargedHuman(principal),
    impersonated: principal.kind === 'impersonation' ? { route: ROUTE, address } : null,
    requestId,
    provider,
    model,
    streamed: stream,
    reservedInputTokens: bound.inputTokens,
    reservedOutputTokens: bound.outputTokens,
    defaultOutput: bound.defaultOutput,
    choices: bound.choices,
    boundless: bound.boundless,
    price: price === null ? null : priceOf(price, bound.inputTokens),
  };
}
