import type { Outcome } from '../../usage/index.js';

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
