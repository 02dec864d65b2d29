import { Fault } from '../../platform/errors/index.js';
import type { BodyRoom } from '../../platform/http/index.js';
import type { ShareOwner } from '../../platform/shares/index.js';
import type { Outcome } from '../../usage/index.js';
import type { Attempt, OperationName, OperationRequests, ProviderFailure, TokenUsage } from '../providers/provider.js';
import { reasonOf } from '../routing/retry-reason.js';
import type { RouteWalk } from '../routing/route-walk.js';
import { Call } from './call.js';
import type { CallContext } from './call-context.js';
import { usedAtFailure, type CallEnding } from './call-ending.js';
import { shuttingDown, withoutRetry } from './call-faults.js';
import type { Attribution, CallSink } from './call-sink.js';
import type { CallTerms } from './call-terms.js';
import { RoutedTry } from './routed-try.js';
import type { Tried } from './tried.js';

const STOPPING = shuttingDown().code;

/**
 * A call of a route that a tenant made: where a try fails before anything of an answer has reached the caller, another one
 * follows as the route says, each with a reservation and a settlement of its own.
 *
 * A try whose provider is late may bill yet. It is read on beside those that follow, as a late call is, and the call gives
 * back what it holds only when the last of its tries is over.
 */
export class RoutedCall<Name extends OperationName> extends Call<Name> {
  private current: RoutedTry | null = null;
  private readonly late = new Set<RoutedTry>();
  /** The last failure after which another try follows, and whose it was. */
  private last: { readonly failure: ProviderFailure; readonly by: Attribution } | null = null;
  /** Something that the caller did not get is charged, or may be yet. */
  private isCharged = false;
  private pauseMs = 0;
  private isHurried = false;
  private endPause: () => void = () => undefined;

  constructor(
    context: CallContext,
    terms: CallTerms<Name>,
    sink: CallSink,
    room: BodyRoom | null,
    owner: ShareOwner,
    private readonly walk: RouteWalk,
  ) {
    super(context, terms, sink, room, owner);
  }

  override async run(): Promise<void> {
    await super.run();
    while (this.state === 'retrying') {
      const request = await this.admitNext();
      if (request !== null) await this.send(request);
    }
  }

  override onFailure(failure: ProviderFailure): void {
    if (!this.goesOn(failure)) return super.onFailure(this.told(failure));
    const { terms, attempt } = this;
    const used = usedAtFailure(attempt, failure.error);
    this.isCharged ||= used.outputTokens > 0;
    this.settleTry(terms.tried, failure.outcome, used, attempt);
    this.retry(failure);
  }

  override onLate(failure: ProviderFailure): boolean {
    if (this.state !== 'dispatching' || !this.holdings.takeLatePlace() || !this.goesOn(failure))
      return super.onLate(failure);
    const { current, terms, attempt, context } = this;
    const { tried } = terms;
    const { outcome } = failure;
    const ending: CallEnding = { outcome, readTo: terms.mayHideReasoning ? 'report' : 'answer' };
    this.holdings.leaveLatePlaceToTry();
    this.isCharged = true;
    if (current !== null) {
      this.late.add(current);
      current.part(ending, (used) => {
        this.settleTry(tried, outcome, used, attempt);
        context.lateCalls.leave(this.owner);
        this.late.delete(current);
        if (this.state === 'over') this.leave();
      });
    }
    this.retry(failure);
    return true;
  }

  override onLeft(): void {
    super.onLeft();
    this.hurry();
  }

  override shutDown(): void {
    super.shutDown();
    this.hurry();
    for (const one of [...this.late]) one.conclude(null);
  }

  protected override start(request: OperationRequests[Name]): Attempt {
    const { terms, walk } = this;
    this.attempt = null;
    const current = new RoutedTry(this, walk.target.circuit);
    this.current = current;
    const attempt = terms.provider.start(terms.operation.name, request, current);
    current.attempt = attempt;
    return attempt;
  }

  protected override leave(): void {
    if (this.late.size === 0) super.leave();
  }

  /** @returns whether another try follows; the walk's target is then its one */
  private goesOn(failure: ProviderFailure): boolean {
    if (this.state !== 'dispatching' || this.isHurried) return false;
    const pauseMs = this.walk.next(failure, performance.now());
    if (pauseMs === null) return false;
    this.pauseMs = pauseMs;
    this.last = { failure, by: this.terms.attribution() };
    return true;
  }

  /** Of a try that is not the call's last. */
  private settleTry(tried: Tried, outcome: Outcome, used: TokenUsage, attempt: Attempt | null): void {
    const settlement = this.terms.settlement(outcome, used, attempt, tried, false);
    this.context.ledger.settle(settlement);
    this.context.onTried(tried, settlement);
  }

  private retry(failure: ProviderFailure): void {
    const { terms, walk, context } = this;
    const reason = reasonOf(failure);
    if (reason !== null) context.onRetried(terms.provider, reason);
    this.enter('retried');
    terms.next(walk.target);
    this.resolve(failure);
  }

  /** Waits, and admits the next try. Where the ledger takes none, the caller is told why the last one failed. */
  private async admitNext(): Promise<OperationRequests[Name] | null> {
    await this.pause();
    this.terms.resumed();
    if (!this.sink.isGone && !this.context.isStopping) {
      try {
        return await this.admit();
      } catch (error) {
        // The last failure is the caller's news, unless the service stops.
        if (this.last === null || (error instanceof Fault && error.code === STOPPING)) throw error;
        return this.tell(this.last.failure, this.last.by);
      }
    }
    this.enter('withdrawn');
    this.leave();
    if (this.sink.isGone) return null;
    throw shuttingDown();
  }

  private tell(failure: ProviderFailure, by: Attribution): null {
    const { error } = this.told(failure);
    if (error instanceof Fault) {
      this.sink.attribute(by);
      throw error;
    }
    this.sink.refuse(error, by);
    return null;
  }

  private told(failure: ProviderFailure): ProviderFailure {
    return this.isCharged ? withoutRetry(failure) : failure;
  }

  private async pause(): Promise<void> {
    const { pauseMs } = this;
    if (pauseMs === 0 || this.isHurried) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, pauseMs);
      this.endPause = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** No further try begins. */
  private hurry(): void {
    this.isHurried = true;
    this.endPause();
  }
}
