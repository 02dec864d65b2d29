/** Where a governed call stands. Decision 0018 says what each state means, and why there are no others. */
export type CallState =
  /** Its reservation is being committed. Nothing was sent. */
  | 'admitting'
  /** The provider has the request, and the caller has nothing yet. */
  | 'dispatching'
  /** A try failed before anything of an answer reached the caller, and another one follows: after a pause, and admitted anew. */
  | 'retrying'
  /** A stream has begun to go to the caller. */
  | 'answering'
  /** The caller has left, or was told of a time-out. How the call ends is certain; what it used is still being read. */
  | 'settling'
  /** Nothing more happens: what it used went to the ledger, or no reservation was made. */
  | 'over';

export type CallEvent =
  /** The ledger committed the reservation of a try. */
  | 'admitted'
  /** The ledger made no reservation. */
  | 'refused'
  /** The caller left before a try could begin, or the service is stopping. */
  | 'withdrawn'
  /** The provider sent events of a stream. */
  | 'streamed'
  /** The provider sent a whole answer, or the end of its stream. */
  | 'answered'
  /** The provider failed, or its answer did. */
  | 'failed'
  /** The provider failed or did not begin in time, and another try follows: of the same target or of the route's next one. */
  | 'retried'
  /** The provider did not begin in time, and is waited for. */
  | 'delayed'
  /** The caller closed the connection. */
  | 'left'
  /** The provider was read on for its usage, and enough was read. */
  | 'read'
  /** The service can't wait any longer. */
  | 'stopped';

/**
 * Every transition that there is. An event that has no entry can't happen in that state: the ledger answers once for each
 * try, and a provider hears of a call only after the ledger's answer. A call that is over hears no more, whatever else comes.
 */
export const TRANSITIONS: Readonly<Record<CallState, Readonly<Partial<Record<CallEvent, CallState>>>>> = {
  admitting: { admitted: 'dispatching', refused: 'over', withdrawn: 'over', stopped: 'admitting' },
  dispatching: {
    streamed: 'answering',
    answered: 'over',
    failed: 'over',
    retried: 'retrying',
    delayed: 'settling',
    left: 'settling',
    stopped: 'over',
  },
  retrying: { admitted: 'dispatching', refused: 'over', withdrawn: 'over', left: 'retrying', stopped: 'retrying' },
  answering: { streamed: 'answering', answered: 'over', failed: 'over', left: 'settling', stopped: 'over' },
  settling: {
    streamed: 'settling',
    answered: 'over',
    failed: 'over',
    delayed: 'settling',
    left: 'settling',
    read: 'over',
    stopped: 'over',
  },
  over: {
    streamed: 'over',
    answered: 'over',
    failed: 'over',
    delayed: 'over',
    left: 'over',
    read: 'over',
    stopped: 'over',
  },
};

/** @throws Error where the event can't happen in that state: a mistake in this service */
export function stateAfter(state: CallState, event: CallEvent): CallState {
  const next = TRANSITIONS[state][event];
  if (next === undefined) throw new Error(`A call that is ${state} can't be ${event}.`);
  return next;
}
