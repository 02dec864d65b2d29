import { Fault } from '../../platform/errors/index.js';
import type { BodyRoom } from '../../platform/http/index.js';
import type { ShareOwner } from '../../platform/shares/index.js';
import type { Admission, Outcome, Settlement } from '../../usage/index.js';
import { NOTHING_USED, type AnswerHeaders, type AnswerSink, type Attempt } from '../providers/provider.js';
import type { OperationName, OperationRequests, ProviderFailure, TokenUsage } from '../providers/provider.js';
import type { CallContext } from './call-context.js';
import { Silence, endingOfLeaver, usedAtEnding, usedAtFailure, usedBy, type CallEnding } from './call-ending.js';
import { asFault, logFailure, shuttingDown } from './call-faults.js';
import type { CallSink, CallSinkListener } from './call-sink.js';
import { Holdings } from './holdings.js';
import { stateAfter, type CallEvent, type CallState } from './call-states.js';
import type { CallTerms } from './call-terms.js';
import type { Placed } from './open-calls.js';

/** Until the provider is asked, nothing waits for the call. */
const ignore = (): void => undefined;

/**
 * One governed call from its first reservation to its last settlement, whatever its operation.
 *
 * Guarantees: nothing goes upstream before the try's reservation is committed, and no more than it admits; the first of the
 * provider's end or failure, the caller's leaving and the service's shutdown decides how the call ends; each reservation is
 * settled, once, with what the provider reported or what it had produced by then.
 * This is the hot path: one object, no closure for a chunk, the provider's bytes written as they come.
 */
export class Call<Name extends OperationName> implements AnswerSink, CallSinkListener, Placed {
  place = -1;
  /** Every event goes through `enter`; the table in call-states.ts says where it leads. */
  protected state: CallState = 'admitting';
  protected attempt: Attempt | null = null;
  private ending: CallEnding | null = null;
  private silence: Silence | null = null;
  protected readonly holdings: Holdings;
  protected resolve: (failure: ProviderFailure | null) => void = ignore;
  private reject: (fault: Fault) => void = ignore;

  constructor(
    protected readonly context: CallContext,
    protected readonly terms: CallTerms<Name>,
    protected readonly sink: CallSink,
    /** The body's room, and whose share the call's place comes out of: both are given back when the call is over. */
    readonly room: BodyRoom | null,
    readonly owner: ShareOwner,
  ) {
    this.holdings = new Holdings(context, owner);
  }

  /**
   * Runs the call until its caller has an answer, or is gone.
   *
   * @throws Fault where nothing of an answer was sent yet
   */
  async run(): Promise<void> {
    const request = await this.admit();
    if (request === null) return;
    this.sink.listen(this);
    await this.send(request);
  }

  onJson(headers: AnswerHeaders, body: Buffer): void {
    const was = this.enter('answered');
    if (was === 'over') return;
    if (was === 'settling') return this.conclude();
    this.terms.answered();
    this.sink.json(headers, body, this.terms.attribution());
    this.finish('OK', usedBy(this.attempt));
  }

  onStreamData(headers: AnswerHeaders, events: Buffer): void {
    const was = this.enter('streamed');
    if (was === 'over') return;
    if (was === 'settling') return this.readOn();
    if (was === 'dispatching') {
      this.terms.answered();
      this.sink.begin(headers, this.terms.attribution());
    }
    if (!this.sink.write(events)) this.attempt?.pause();
  }

  onStreamEnd(): void {
    const was = this.enter('answered');
    if (was === 'over') return;
    if (was === 'settling') return this.conclude();
    this.sink.end(null);
    this.finish('OK', usedBy(this.attempt));
  }

  onFailure(failure: ProviderFailure): void {
    const was = this.enter('failed');
    if (was === 'over') return;
    if (was === 'settling') return this.conclude(failure);
    const { outcome, error } = failure;
    if (was === 'answering') {
      this.sink.end(failure);
      this.finish(outcome, usedBy(this.attempt), failure);
      return;
    }
    if (error instanceof Fault) return this.fail(outcome, error);
    this.sink.refuse(error, this.terms.attribution());
    this.finish(outcome, NOTHING_USED, failure);
  }

  /**
   * The caller learns at once that it took too long. The provider still bills what it makes of the call, and only its
   * answer tells how much that is.
   */
  onLate({ outcome, error }: ProviderFailure): boolean {
    if (this.state === 'over' || !this.holdings.takeLatePlace()) return false;
    if (this.enter('delayed') === 'settling' || !(error instanceof Fault)) return true;
    this.ending = { outcome, readTo: this.terms.mayHideReasoning ? 'report' : 'answer' };
    this.sink.attribute(this.terms.attribution());
    this.reject(error.withoutRetry());
    return true;
  }

  onKept(bytes: number): boolean {
    return this.holdings.keep(bytes);
  }

  /** The caller is gone: see `endingOfLeaver` for what is read of its answer, and what it is charged. */
  onLeft(): void {
    const was = this.enter('left');
    const { attempt, terms, sink } = this;
    if (was === 'settling' || was === 'over' || was === 'retrying' || attempt === null) return;
    const tellsAtItsEnd = terms.mayHideReasoning || !terms.request.stream;
    this.ending = endingOfLeaver(attempt, tellsAtItsEnd, () => this.holdings.takeLatePlace());
    if (this.ending.readTo === 'silence' && !sink.isBehind) return this.stopReading();
    attempt.resume();
    if (this.ending.readTo === 'silence') this.silence = new Silence(() => this.stopReading());
  }

  onCaughtUp(): void {
    this.attempt?.resume();
  }

  settlement(): Settlement {
    return this.terms.settlement('OK', usedBy(this.attempt), this.attempt);
  }

  /** The service can't wait for this call any longer. While a try is being admitted, `admit` sees that for itself. */
  shutDown(): void {
    const was = this.enter('stopped');
    if (was === 'admitting' || was === 'retrying' || was === 'over') return;
    if (was === 'settling') return this.conclude();
    this.attempt?.abort();
    if (was !== 'answering') return this.fail('SHUTDOWN', shuttingDown());
    this.sink.end({ outcome: 'SHUTDOWN', error: shuttingDown() });
    this.finish('SHUTDOWN', usedBy(this.attempt));
  }

  /** @returns the state before */
  protected enter(event: CallEvent): CallState {
    const was = this.state;
    this.state = stateAfter(was, event);
    return was;
  }

  /** @returns the request as the try's target gets it; null: the caller is gone */
  protected async admit(): Promise<OperationRequests[Name] | null> {
    const { context, terms } = this;
    let admission: Admission;
    try {
      admission = await context.ledger.reserve(terms.reservation());
      const turn = this.room?.turn();
      if (turn !== undefined) await turn;
    } catch (error) {
      this.enter('refused');
      this.leave();
      throw error;
    }
    const { isGone } = this.sink;
    if (isGone || context.isStopping) {
      this.enter('withdrawn');
      this.settle(isGone ? 'CLIENT_ABORTED' : 'SHUTDOWN', NOTHING_USED);
      if (isGone) return null;
      throw shuttingDown();
    }
    this.enter('admitted');
    return terms.requestWithin(admission);
  }

  /** Asks the provider, and waits until the caller has an answer. */
  protected async send(request: OperationRequests[Name]): Promise<void> {
    const { provider } = this.terms;
    const failure = await new Promise<ProviderFailure | null>((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
      this.terms.sent();
      this.context.onSent(this.terms);
      try {
        this.attempt = this.start(request);
      } catch (error) {
        this.onFailure({ outcome: 'NOT_SENT', error: asFault(error) });
      }
    });
    // Told here, where the request's own context is back: providers call from that of the request that opened their connection.
    if (failure !== null) logFailure(provider.name, failure);
  }

  protected start(request: OperationRequests[Name]): Attempt {
    return this.terms.provider.start(this.terms.operation.name, request, this);
  }

  /** Something came of which the caller takes nothing any more. */
  private readOn(): void {
    if (this.ending?.readTo === 'answer' && usedBy(this.attempt).outputTokens > 0) this.stopReading();
    else this.silence?.hear();
  }

  private stopReading(): void {
    if (this.enter('read') === 'settling') this.conclude();
  }

  /** Ends a call that was settling. */
  private conclude(failure: ProviderFailure | null = null): void {
    const { attempt, ending } = this;
    if (ending === null) throw new Error('A call that is settling knows how it ends.');
    attempt?.abort();
    this.finish(ending.outcome, usedAtEnding(ending, attempt, failure));
  }

  /** Nothing of an answer reached the caller. One who is charged should not try again by itself, and pay twice. */
  private fail(outcome: Outcome, fault: Fault): void {
    const used = usedAtFailure(this.attempt, fault);
    this.settle(outcome, used);
    this.sink.attribute(this.terms.attribution());
    this.reject(used.outputTokens > 0 ? fault.withoutRetry() : fault);
  }

  private finish(outcome: Outcome, used: TokenUsage, failure: ProviderFailure | null = null): void {
    this.settle(outcome, used);
    this.resolve(failure);
  }

  private settle(outcome: Outcome, used: TokenUsage): void {
    const { context, terms, attempt } = this;
    const settlement = terms.settlement(outcome, used, attempt);
    context.ledger.settle(settlement);
    context.onTried(terms.tried, settlement);
    context.onEnded(terms, settlement);
    this.leave();
  }

  /** Gives back what the call holds, once nothing of it is read any more. */
  protected leave(): void {
    this.holdings.release(this.sink);
    this.context.onOver(this);
  }
}
