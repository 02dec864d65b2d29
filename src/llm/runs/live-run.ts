import type { RunRecord } from './run-record.js';
import type { RunSink } from './run-sink.js';

/** A run of this process, from its claim to its stored end. */
export class LiveRun {
  /** Null: it is being loaded, or its call has not begun. */
  record: RunRecord | null = null;
  sink: RunSink | null = null;
  /** Which answer of the model is being made. */
  step = 0;
  /** How much of that answer other processes can read. */
  storedLength = 0;
  /** For how many ticks its answer has been whole, and not stored yet. */
  wholeTicks: number | null = null;
  isCancelled = false;
  /** It is another process's now, or its thread is gone: nothing of it is stored any more. */
  isLost = false;

  constructor(readonly id: string) {}

  cancel(): void {
    this.isCancelled = true;
    this.sink?.leave();
  }

  lose(): void {
    this.isLost = true;
    this.cancel();
  }
}
