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
 * What a call is charged that ended without its caller. One who left pays for the prompt, whatever came of it but a
 * refusal; one who was told of a time-out, only for an answer.
 */
export function usedAtEnding(ending: CallEnding, attempt: Attempt | null, failure: ProviderFailure | null): TokenUsage {
  const used = attempt?.usage() ?? NOTHING_USED;
  const isRefused = failure?.outcome === 'UPSTREAM_ERROR' && attempt?.status !== null && used.outputTokens === 0;
  const isCharged = !isRefused && (ending.outcome !== 'UPSTREAM_TIMEOUT' || attempt?.status === 200);
  return isCharged ? used : NOTHING_USED;
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
