import { Fault } from '../platform/errors/index.js';

/**
 * How many queries of the ledger run at once: each holds one of the pool's connections for as long as it adds up, and calls
 * in flight need these more. Others wait their turn without one; too many are told to come again.
 */
export class QueryTurns {
  private running = 0;
  private readonly waiting: (() => void)[] = [];

  constructor(
    private readonly atOnce: number,
    private readonly mayWait: number,
  ) {}

  /** @throws Fault unavailable; whatever the work throws */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.running < this.atOnce) this.running += 1;
    else if (this.waiting.length < this.mayWait) await new Promise<void>((resolve) => this.waiting.push(resolve));
    else throw new Fault('unavailable', 'Too many usage queries at once; try again shortly.', { retryAfterSeconds: 2 });
    try {
      return await work();
    } finally {
      // The turn is handed over as it is, so that nobody who comes now gets in before.
      const next = this.waiting.shift();
      if (next === undefined) this.running -= 1;
      else next();
    }
  }
}
