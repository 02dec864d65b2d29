import {
  NOTHING_USED,
  type AnswerHeaders,
  type AnswerSink,
  type Attempt,
  type ProviderFailure,
  type TokenUsage,
} from '../providers/provider.js';
import type { Circuit } from '../routing/circuit.js';
import { reasonOf, retryAfterMsOf } from '../routing/retry-reason.js';
import { usedAtEnding, type CallEnding } from './call-ending.js';

/**
 * One try of a route's call. It hands on what comes, and tells the target's circuit how it went. Where it is late the call
 * may go on without it: then nothing of it goes to the caller any more, and it is read on, since only its answer tells what
 * it used.
 */
export class RoutedTry implements AnswerSink {
  attempt: Attempt | null = null;
  private isToldOfTarget = false;
  private ending: CallEnding | null = null;
  private onUsed: ((used: TokenUsage) => void) | null = null;

  constructor(
    private readonly call: AnswerSink,
    private readonly circuit: Circuit,
  ) {}

  onJson(headers: AnswerHeaders, body: Buffer): void {
    this.tellOfTarget(null);
    if (this.ending === null) this.call.onJson(headers, body);
    else this.conclude(null);
  }

  onStreamData(headers: AnswerHeaders, events: Buffer): void {
    this.tellOfTarget(null);
    if (this.ending === null) this.call.onStreamData(headers, events);
    else if (this.ending.readTo === 'answer' && (this.attempt?.usage().outputTokens ?? 0) > 0) this.conclude(null);
  }

  onStreamEnd(): void {
    this.tellOfTarget(null);
    if (this.ending === null) this.call.onStreamEnd();
    else this.conclude(null);
  }

  onFailure(failure: ProviderFailure): void {
    this.tellOfTarget(failure);
    if (this.ending === null) this.call.onFailure(failure);
    else this.conclude(failure);
  }

  onLate(failure: ProviderFailure): boolean {
    this.tellOfTarget(failure);
    return this.call.onLate(failure);
  }

  onKept(bytes: number): boolean {
    return this.call.onKept?.(bytes) !== false;
  }

  /** The call goes on without this try. @param onUsed hears once what it used */
  part(ending: CallEnding, onUsed: (used: TokenUsage) => void): void {
    this.ending = ending;
    this.onUsed = onUsed;
  }

  /** Ends a try that the call has gone on without; any other one is the call's to end. */
  conclude(failure: ProviderFailure | null): void {
    const { ending, onUsed } = this;
    if (ending === null || onUsed === null) return;
    this.onUsed = null;
    this.attempt?.abort();
    onUsed(this.attempt === null ? NOTHING_USED : usedAtEnding(ending, this.attempt, failure));
  }

  /** Once: what comes after the first word of an answer says nothing of whether the target answers. */
  private tellOfTarget(failure: ProviderFailure | null): void {
    if (this.isToldOfTarget) return;
    this.isToldOfTarget = true;
    if (failure?.outcome === 'SHUTDOWN') return;
    if (failure === null || reasonOf(failure) === null) this.circuit.succeeded();
    else this.circuit.failed(performance.now(), retryAfterMsOf(failure, Date.now()));
  }
}
