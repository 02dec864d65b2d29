import type { Settlement, TokenRoom } from '../../usage/index.js';
import type { AnswerHeaders, ProviderFailure, ProviderRefusal } from '../providers/provider.js';

/**
 * Where a call's answer goes: a caller's reply now; a run's events or a cache entry are others of its kind. It takes one
 * of: `json`; `refuse`; or `begin`, any number of `write`, and `end`.
 */
export interface CallSink {
  /** The caller takes no more of the answer. */
  readonly isGone: boolean;
  /** Something that was written waits for a caller who reads slowly. */
  readonly isBehind: boolean;
  /** Tells of what the caller does from now on. */
  listen(listener: CallSinkListener): void;
  json(headers: AnswerHeaders, body: Buffer, by: Attribution): void;
  refuse(refusal: ProviderRefusal, by: Attribution): void;
  begin(headers: AnswerHeaders, by: Attribution): void;
  /** Who failed, before a failure that the caller is told as a fault. */
  attribute(by: Attribution): void;
  /** @returns false: it waits; `onCaughtUp` follows */
  write(events: Buffer): boolean;
  /** Ends the stream; where it failed, with that as its last event, unless the events written hold it already (`told`). */
  end(failure: ProviderFailure | null): void;
  /** Calls back once nothing of the answer waits for the caller any more. Absent: nothing ever does. */
  whenTaken?(callback: () => void): void;
}

/** Whose answer a caller gets. */
export interface Attribution {
  readonly provider: string;
  /** The provider's own name for it. */
  readonly model: string;
  /** Which try it was, from 1. */
  readonly attempts: number;
  /** The time in which the call waited for providers, and between two tries. */
  readonly awaitedMs: number;
  /** What the call left of a budget of tokens; null: no budget with a period judged it. */
  readonly tokenRoom: TokenRoom | null;
}

export interface CallSinkListener {
  /** The caller takes no more of the answer; also told once a whole answer has been taken. */
  onLeft(): void;
  onCaughtUp(): void;
  /** What the call would be charged if it ended well now. */
  settlement(): Settlement;
}
