import { Fault } from '../../platform/errors/index.js';
import type { BodyRoom } from '../../platform/http/index.js';
import type { ShareOwner } from '../../platform/shares/index.js';
import type { Admission, Outcome } from '../../usage/index.js';
import {
  NOTHING_USED,
  type AnswerHeaders,
  type AnswerSink,
  type Attempt,
  type OperationName,
  type OperationRequests,
  type ProviderFailure,
  type TokenUsage,
} from '../providers/provider.js';
import type { CallContext } from './call-context.js';
import { Silence, usedAtEnding, type CallEnding } from './call-ending.js';
import { asFault, logFailure, shuttingDown } from './call-faults.js';
import type { CallSink, CallSinkListener } from './call-sink.js';
import { stateAfter, type CallEvent, type CallState } from './call-states.js';
import type { CallTerms } from './call-terms.js';
import type { Placed } from './open-calls.js';

/** Until the provider is asked, nothing waits for the call. */
const ignore = (): void => undefined;

/**
 * One governed call from its reservation to its settlement, whatever its operation.
 *
 * Guarantees: nothing goes upstream before the reservation is committed, and no more than it admits; the first of the
 * provider's end or failure, the caller's leaving and the service's shutdown decides how the call ends; the reservation is
 * then settled, once, with what the provider reported or what it had produced by then.
 * This is the hot path: one object, no closure for a chunk, the provider's bytes written as they come.
 */
export class Call<Name extends OperationName> implements AnswerSink, CallSinkListener, Placed {
  place = -1;
  /** Every event goes through `enter`; the table in call-states.ts says where it leads. */
  private state: CallState = 'admitting';
  private attempt: Attempt | null = null;
  /** Known once the call is settling. */
  private ending: CallEnding | null = null;
  private silence: Silence | null = null;
  /** Holds one of the places for late calls. */
  private holdsLatePlace = false;
  private resolve: (failure: ProviderFailure | null) => void = ignore;
  private reject: (fault: Fault) => void = ignore;

  constructor(
    private readonly context: CallContext,
    private readonly terms: CallTerms<Name>,
    private readonly sink: CallSink,
    /** The body's room, and whose share the call's place comes out of: both are given back when the call is over. */
    readonly room: BodyRoom | null,
    readonly owner: ShareOwner,
  ) {}

  /**
   * Runs the call until its caller has an answer, or is gone.
   *
   * @throws Fault where nothing of an answer was sent yet
   */
  async run(): Promise<void> {
    const { context, terms } = this;
    let admission: Admission;
    try {
      admission = await context.ledger.reserve(terms.reservation());
      await this.room?.turn();
    } catch (error) {
      this.enter('refused');
      context.onOver(this);
      throw error;
    }
    const { isGone } = this.sink;
    if (isGone || context.isStopping) {
      this.enter('withdrawn');
      this.settle(isGone ? 'CLIENT_ABORTED' : 'SHUTDOWN', NOTHING_USED);
      if (isGone) return;
      throw shuttingDown();
    }
    this.enter('admitted');
    const request = terms.requestWithin(admission);
    const failure = await new Promise<ProviderFailure | null>((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
      this.sink.listen(this);
      this.dispatch(request);
    });
    // Told here, where the request's own context is back: providers call from that of the request that opened their connection.
    if (failure !== null) logFailure(terms.route.target.provider.name, failure);
  }

  onJson(headers: AnswerHeaders, body: Buffer): void {
    const was = this.enter('answered');
    if (was === 'over') return;
    if (was === 'settling') return this.conclude();
    this.sink.json(headers, body);
    this.finish('OK', this.used());
  }

  onStreamData(headers: AnswerHeaders, events: Buffer): void {
    const was = this.enter('streamed');
    if (was === 'over') return;
    if (was === 'settling') return this.readOn();
    if (was === 'dispatching') this.sink.begin(headers);
    if (!this.sink.write(events)) this.attempt?.pause();
  }

  onStreamEnd(): void {
    const was = this.enter('answered');
    if (was === 'over') return;
    if (was === 'settling') return this.conclude();
    this.sink.end(null);
    this.finish('OK', this.used());
  }

  onFailure(failure: ProviderFailure): void {
    const was = this.enter('failed');
    if (was === 'over') return;
    if (was === 'settling') return this.conclude(failure);
    const { outcome, error } = failure;
    if (was === 'answering') {
      this.sink.end(failure.told === true ? null : failure);
      this.finish(outcome, this.used(), failure);
    } else if (error instanceof Fault) {
      this.fail(outcome, error);
    } else {
      this.sink.refuse(error);
      this.finish(outcome, NOTHING_USED, failure);
    }
  }

  /**
   * The caller learns at once that it took too long. The provider still bills what it makes of the call, and only its
   * answer tells how much that is.
   */
  onLate({ outcome, error }: ProviderFailure): boolean {
    if (this.state === 'over' || !this.takesLatePlace()) return false;
    if (this.enter('delayed') === 'settling' || !(error instanceof Fault)) return true;
    this.ending = { outcome, readTo: this.terms.mayHideReasoning ? 'report' : 'answer' };
    this.reject(error.withoutRetry());
    return true;
  }

  /**
   * The caller is gone: the provider stops at once, and what it had produced is charged. A stream that had come to its end
   * mark is a whole one, whichever side closes first. An answer that is not streamed, and a model that may hide what it
   * thinks, are read to their report, which alone tells what was used, as far as there are places for late calls. Where the
   * caller read slowly, what the provider had sent by then is read first, or reading slowly would be a way not to pay.
   */
  onLeft(): void {
    const was = this.enter('left');
    const { attempt, terms } = this;
    if (was === 'settling' || was === 'over' || attempt === null) return;
    const outcome = attempt.complete ? 'OK' : 'CLIENT_ABORTED';
    const tellsAtItsEnd = terms.mayHideReasoning || !terms.request.stream;
    if (outcome !== 'OK' && tellsAtItsEnd && this.takesLatePlace()) {
      this.ending = { outcome, readTo: 'report' };
      attempt.resume();
      return;
    }
    this.ending = { outcome, readTo: 'silence' };
    if (!this.sink.isBehind) return this.stopReading();
    attempt.resume();
    this.silence = new Silence(() => this.stopReading());
  }

  onCaughtUp(): void {
    this.attempt?.resume();
  }

  /** The service can't wait for this call any longer. While it is being admitted, `run` sees that for itself. */
  shutDown(): void {
    const was = this.enter('stopped');
    if (was === 'admitting' || was === 'over') return;
    if (was === 'settling') return this.conclude();
    this.attempt?.abort();
    const failure: ProviderFailure = { outcome: 'SHUTDOWN', error: shuttingDown() };
    if (was === 'answering') {
      this.sink.end(failure);
      this.finish('SHUTDOWN', this.used());
    } else {
      this.fail('SHUTDOWN', shuttingDown());
    }
  }

  /** @returns the state before */
  private enter(event: CallEvent): CallState {
    const was = this.state;
    this.state = stateAfter(was, event);
    return was;
  }

  private dispatch(request: OperationRequests[Name]): void {
    const { operation, route } = this.terms;
    try {
      this.attempt = route.target.provider.start(operation.name, request, this);
    } catch (error) {
      this.onFailure({ outcome: 'NOT_SENT', error: asFault(error) });
    }
  }

  /** Something came of which the caller takes nothing any more. */
  private readOn(): void {
    if (this.ending?.readTo === 'answer' && this.used().outputTokens > 0) this.stopReading();
    else this.silence?.hear();
  }

  private stopReading(): void {
    if (this.enter('read') === 'settling') this.conclude();
  }

  /** @returns whether the call has one of the places for late calls */
  private takesLatePlace(): boolean {
    return (this.holdsLatePlace ||= this.context.lateCalls.admit());
  }

  /** Ends a call that was settling. */
  private conclude(failure: ProviderFailure | null = null): void {
    const { attempt, ending } = this;
    if (ending === null) throw new Error('A call that is settling knows how it ends.');
    attempt?.abort();
    this.finish(ending.outcome, usedAtEnding(ending, attempt, failure));
  }

  private used(): TokenUsage {
    return this.attempt?.usage() ?? NOTHING_USED;
  }

  /**
   * Nothing of an answer reached the caller, but what was produced by then is charged. A client that then tries again by
   * itself would have its caller pay twice for one answer.
   */
  private fail(outcome: Outcome, fault: Fault): void {
    const used = this.attempt?.status === 200 ? this.used() : NOTHING_USED;
    const isCharged = used.outputTokens > 0;
    this.settle(outcome, isCharged ? used : NOTHING_USED);
    this.reject(isCharged ? fault.withoutRetry() : fault);
  }

  private finish(outcome: Outcome, used: TokenUsage, failure: ProviderFailure | null = null): void {
    this.settle(outcome, used);
    this.resolve(failure);
  }

  private settle(outcome: Outcome, used: TokenUsage): void {
    const { context, terms, attempt } = this;
    context.ledger.settle(terms.settlement(outcome, used, attempt));
    if (this.holdsLatePlace) context.lateCalls.leave();
    context.onOver(this);
  }
}
