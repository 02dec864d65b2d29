import { chargedHuman } from '../../identity/index.js';
import { uuidV7 } from '../../platform/crypto/index.js';
import type { Admission, Outcome, Reservation, Settlement, TokenRoom } from '../../usage/index.js';
import { mayHideReasoning, type ModelFacts, type ModelFactsByName } from '../models/model-facts.js';
import type { Attempt, OperationName, OperationRequests, Provider, TokenUsage } from '../providers/provider.js';
import { modelAt, type Route, type Target } from '../routing/route.js';
import { BY_BYTES, type TextBound, type Tokenizer } from '../tokens/tokenizer.js';
import type { Caller } from './caller.js';
import { chargesOf } from './charges.js';
import { dearestPriceOf, widest } from './call-bounds.js';
import { settlementOf } from './call-settlement.js';
import type { Attribution } from './call-sink.js';
import type { CallBound, Operation } from './operation.js';
import type { Tried } from './tried.js';

/** What is certain of a call before each of its tries: who asks for what, by which way, and how much that can come to. */
export class CallTerms<Name extends OperationName> {
  /** The try that is admitted next, or under way. */
  tried: Tried;
  /** By bytes, which costs nothing to tell, until a budget needs it closer. */
  private bound: CallBound;
  private isClose: boolean;
  /** When its first provider was asked; null: none was. */
  private firstSentAtMs: number | null = null;
  private sentAtMs = 0;
  /** For earlier tries' providers, and between two tries. */
  private awaitedMs = 0;
  private tokenRoom: TokenRoom | null = null;

  constructor(
    private readonly models: ModelFactsByName,
    private readonly tokenizer: Tokenizer,
    readonly operation: Operation<Name>,
    readonly caller: Caller,
    readonly request: OperationRequests[Name],
    readonly route: Route,
    first: Target = route.targets[0],
  ) {
    this.tried = this.tryOf(first, 1);
    this.isClose = chargedHuman(caller.principal) !== null;
    this.bound = this.boundOfAll(this.isClose ? tokenizer : BY_BYTES);
  }

  get provider(): Provider {
    return this.tried.target.provider;
  }

  /** Only the provider's report is sure to tell what was used. */
  get mayHideReasoning(): boolean {
    return mayHideReasoning(this.tried.facts);
  }

  /** Goes on to another try; what is asked for then is admitted anew. */
  next(target: Target): void {
    this.tried = this.tryOf(target, this.tried.number + 1);
  }

  /** The provider is asked now. */
  sent(): void {
    this.sentAtMs = performance.now();
    this.tried.sentAtMs = this.sentAtMs;
    this.firstSentAtMs ??= this.sentAtMs;
  }

  /** The first of the answer is there. */
  answered(): void {
    this.tried.firstByteAtMs = performance.now();
  }

  /** From the first provider's being asked to the first of the answer; null: nothing came. */
  get firstByteMs(): number | null {
    const { firstByteAtMs } = this.tried;
    return firstByteAtMs === null || this.firstSentAtMs === null
      ? null
      : Math.round(firstByteAtMs - this.firstSentAtMs);
  }

  /** The pause after a try is over. */
  resumed(): void {
    this.awaitedMs += performance.now() - this.sentAtMs;
  }

  /** Who answers now, or fails. */
  attribution(): Attribution {
    const { target, model, number } = this.tried;
    const awaitedMs = this.awaitedMs + performance.now() - this.sentAtMs;
    return { provider: target.provider.name, model, attempts: number, awaitedMs, tokenRoom: this.tokenRoom };
  }

  /** What the ledger is asked to set aside: the same for each try, so that there is room for the dearest target. */
  reservation(): Reservation {
    const { operation, request, route, bound, tried } = this;
    const { principal, requestId, address } = this.caller;
    return {
      id: tried.id,
      ...chargesOf(principal),
      // Written once for the call.
      impersonated:
        principal.kind === 'impersonation' && tried.number === 1 ? { route: operation.route, address } : null,
      requestId,
      operation: operation.name,
      route: route.name,
      attempt: tried.number,
      provider: tried.target.provider.name,
      model: tried.model,
      streamed: request.stream,
      reservedInputTokens: bound.inputTokens,
      reservedOutputTokens: bound.outputTokens,
      defaultOutput: bound.defaultOutput,
      closer: this.isClose ? null : () => this.closeReservation(),
      choices: bound.choices,
      boundless: bound.boundless,
      unpriced: bound.unpriced,
      price: bound.unpriced === null ? dearestPriceOf(this.factsOfAll(), bound.inputTokens) : null,
    };
  }

  /** The target's request, with what a limit leaves written into it, unless it, or the model, holds to that anyway. */
  requestWithin({ limited, outputTokens, tokenRoom }: Admission): OperationRequests[Name] {
    const { bound, operation, tried } = this;
    this.tokenRoom = tokenRoom ?? null;
    const request = tried.model === this.request.model ? this.request : operation.withModel(this.request, tried.model);
    if (!limited || (bound.outputIsBounded && outputTokens === bound.outputTokens)) return request;
    // What all targets share as a default may be more than this one's model can make.
    const most =
      this.route.targets.length === 1 || bound.defaultOutput === null ? null : (tried.facts?.maxOutputTokens ?? null);
    const perChoice = Math.floor(outputTokens / bound.choices);
    return operation.limitOutput(request, tried.facts, most === null ? perChoice : Math.min(perChoice, most));
  }

  /** The truth about a try, once it is over. @param isLast no other try follows: it stands for the caller's request */
  settlement(
    outcome: Outcome,
    used: TokenUsage,
    attempt: Attempt | null,
    tried: Tried = this.tried,
    isLast = true,
  ): Settlement {
    const { models, operation, request, caller } = this;
    const usage = used.estimated ? operation.chargeEstimate(used, request, () => this.countedBound(tried)) : used;
    const settlement = settlementOf(tried, caller.principal.tenantId, outcome, usage, attempt, models);
    return isLast ? settlement : { ...settlement, counted: false };
  }

  private tryOf(target: Target, number: number): Tried {
    const model = modelAt(target, this.request.model);
    return {
      id: uuidV7(),
      number,
      target,
      model,
      facts: this.models.find(model),
      startedAtMs: performance.now(),
      sentAtMs: null,
      firstByteAtMs: null,
      span: null,
    };
  }

  private closeReservation(): Reservation {
    this.bound = this.boundOfAll(this.tokenizer);
    this.isClose = true;
    return this.reservation();
  }

  private factsOfAll(): readonly (ModelFacts | null)[] {
    const { route, tried, models, request } = this;
    if (route.targets.length === 1) return [tried.facts];
    return route.targets.map((target) => models.find(modelAt(target, request.model)));
  }

  /** Whichever target answers. */
  private boundOfAll(texts: TextBound): CallBound {
    const { route, tried, request } = this;
    if (route.targets.length === 1) return this.boundAt(tried.model, tried.facts, texts);
    const models = new Set(route.targets.map((target) => modelAt(target, request.model)));
    return [...models].map((model) => this.boundAt(model, this.models.find(model), texts)).reduce(widest);
  }

  private boundAt(model: string, facts: ModelFacts | null, texts: TextBound): CallBound {
    const { operation, request } = this;
    return operation.bound(model === request.model ? request : { ...request, model }, facts, texts);
  }

  /** An estimate is charged by tokens, for every caller. */
  private countedBound({ model, facts }: Tried): CallBound {
    return this.isClose && this.route.targets.length === 1 ? this.bound : this.boundAt(model, facts, this.tokenizer);
  }
}
