import { chargedHuman } from '../../identity/index.js';
import { uuidV7 } from '../../platform/crypto/index.js';
import type { Admission, Outcome, Reservation, Settlement } from '../../usage/index.js';
import type { ChatPrincipal } from '../access/chat-access.js';
import { mayHideReasoning, type KnownModels, type ModelFacts } from '../models/model-facts.js';
import { priceOf } from '../models/model-price.js';
import type { Attempt, OperationName, OperationRequests, TokenUsage } from '../providers/provider.js';
import type { Route } from '../routing/model-router.js';
import { BY_BYTES, type Tokenizer } from '../tokens/tokenizer.js';
import { settlementOf } from './call-settlement.js';
import type { CallBound, Operation } from './operation.js';

/** Who asked. */
export interface Caller {
  readonly principal: ChatPrincipal;
  readonly requestId: string;
  readonly address: string;
}

/** What is certain of a call before it begins: who asks for what, by which way, and how much that can come to. */
export class CallTerms<Name extends OperationName> {
  private readonly id = uuidV7();
  private readonly startedAtMs = performance.now();
  private readonly facts: ModelFacts | null;
  /** By bytes, which costs nothing to tell, until a budget needs it closer. */
  private bound: CallBound;
  private isClose: boolean;

  constructor(
    private readonly models: Pick<KnownModels, 'find'>,
    private readonly tokenizer: Tokenizer,
    readonly operation: Operation<Name>,
    private readonly caller: Caller,
    readonly request: OperationRequests[Name],
    readonly route: Route,
  ) {
    this.facts = models.find(request.model);
    this.isClose = chargedHuman(caller.principal) !== null;
    this.bound = operation.bound(request, this.facts, this.isClose ? tokenizer : BY_BYTES);
  }

  /** Only the provider's report is sure to tell what was used. */
  get mayHideReasoning(): boolean {
    return mayHideReasoning(this.facts);
  }

  /** What the ledger is asked to set aside. */
  reservation(): Reservation {
    const { operation, request, route, bound } = this;
    const { principal, requestId, address } = this.caller;
    const price = this.facts?.price ?? null;
    return {
      id: this.id,
      tenantId: principal.tenantId,
      keyId: principal.kind === 'dashboardUser' ? null : principal.keyId,
      userId: principal.kind === 'dashboardUser' ? principal.userId : null,
      human: chargedHuman(principal),
      gatewayId: null,
      gatewayTokenId: null,
      sealedTokenHash: null,
      impersonated: principal.kind === 'impersonation' ? { route: operation.route, address } : null,
      requestId,
      operation: operation.name,
      route: route.name,
      attempt: 1,
      provider: route.target.provider.name,
      model: request.model,
      streamed: request.stream,
      reservedInputTokens: bound.inputTokens,
      reservedOutputTokens: bound.outputTokens,
      defaultOutput: bound.defaultOutput,
      closer: this.isClose ? null : () => this.closeReservation(),
      choices: bound.choices,
      boundless: bound.boundless,
      unpriced: bound.unpriced,
      price: price === null || bound.unpriced !== null ? null : priceOf(price, bound.inputTokens),
    };
  }

  private closeReservation(): Reservation {
    this.bound = this.countedBound();
    this.isClose = true;
    return this.reservation();
  }

  /** The request with what a limit leaves written into it, unless it, or the model's own limit, holds to that anyway. */
  requestWithin({ limited, outputTokens }: Admission): OperationRequests[Name] {
    const { bound, operation, request, facts } = this;
    if (!limited || (bound.outputIsBounded && outputTokens === bound.outputTokens)) return request;
    return operation.limitOutput(request, facts, Math.floor(outputTokens / bound.choices));
  }

  /** The truth about the call, once it is over. */
  settlement(outcome: Outcome, used: TokenUsage, attempt: Attempt | null): Settlement {
    const { models, operation, request, facts } = this;
    const usage = used.estimated ? operation.chargeEstimate(used, request, () => this.countedBound()) : used;
    const { id, startedAtMs, caller } = this;
    const call = { id, tenantId: caller.principal.tenantId, startedAtMs };
    return settlementOf(call, outcome, usage, attempt, models, request.model, facts);
  }

  /** An estimate is charged by tokens, for every caller. */
  private countedBound(): CallBound {
    const { operation, request, facts, bound, tokenizer } = this;
    return this.isClose ? bound : operation.bound(request, facts, tokenizer);
  }
}
