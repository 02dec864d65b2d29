import { Fault } from '../../platform/errors/index.js';
import type { Outcome } from '../../usage/index.js';
import { NOTHING_USED, type Attempt, type ProviderFailure, type TokenUsage } from '../providers/provider.js';

/**
 * How a call ends whose caller left or was told of a time-out, and how far its provider is still read:
 * - `report`: to its end, since its report alone tells what was used
 * - `answer`: to the first that it says, since that tells that it is charged for
 * - `silence`: until nothing more comes; the caller read slowly, and what the provider had sent by then waits unread
 */
export interface CallEnding {
  readonly outcome: Outcome;
  readonly readTo: 'report' | 'answer' | 'silence';
}

/**
 * How a call ends whose caller has left: the provider stops at once, and what it had produced is charged. A stream that had
 * come to its end mark is a whole one, whichever side closes first. An answer that is not streamed, and a model that may
 * hide what it thinks, are read to their report, which alone tells what was used, as far as there are places for late calls.
 * Where the caller read slowly, what the provider had sent by then is read first, or reading slowly would be a way not to
 * pay.
 */
export function endingOfLeaver(attempt: Attempt, tellsAtItsEnd: boolean, takesLatePlace: () => boolean): CallEnding {
  const outcome = attempt.complete ? 'OK' : 'CLIENT_ABORTED';
  const isReadOn = outcome !== 'OK' && tellsAtItsEnd && takesLatePlace();
  return { outcome, readTo: isReadOn ? 'report' : 'silence' };
}

/** What was used up to now. */
export function usedBy(attempt: Attempt | null): TokenUsage {
  return attempt?.usage() ?? NOTHING_USED;
}

/**
 * What a call is charged that ended without its caller. One who left pays for the prompt, whatever came of it but a
 * refusal; one who was told of a time-out, only for an answer.
 */
export function usedAtEnding(ending: CallEnding, attempt: Attempt | null, failure: ProviderFailure | null): TokenUsage {
  const used = usedBy(attempt);
  const isRefused = failure?.outcome === 'UPSTREAM_ERROR' && attempt?.status !== null && used.outputTokens === 0;
  const isCharged = !isRefused && (ending.outcome !== 'UPSTREAM_TIMEOUT' || attempt?.status === 200);
  return isCharged ? used : NOTHING_USED;
}

/**
 * What a try is charged that failed before anything of its answer reached the caller: what was produced by then. Errors that
 * the provider answered with cost nothing.
 */
export function usedAtFailure(attempt: Attempt | null, error: ProviderFailure['error']): TokenUsage {
  if (!(error instanceof Fault) || attempt?.status !== 200) return NOTHING_USED;
  const used = attempt.usage();
  return used.outputTokens > 0 ? used : NOTHING_USED;
}

/** A silence of this length says that the network's buffers are empty; a provider that never falls silent gets so many. */
const SILENCE_MS = 250;
const MOST_WAITS = 8;

/** Waits for a provider to fall silent. */
export class Silence {
  private heard = false;

  constructor(private readonly onSilence: () => void) {
    this.wait(MOST_WAITS);
  }

  hear(): void {
    this.heard = true;
  }

  /** What is there to be read is read before the silence is judged: a busy machine may have had no time for it. */
  private wait(times: number): void {
    this.heard = false;
    const judge = (): void => {
      if (this.heard && times > 1) this.wait(times - 1);
      else this.onSilence();
    };
    setTimeout(() => setImmediate(judge), SILENCE_MS);
  }
}
