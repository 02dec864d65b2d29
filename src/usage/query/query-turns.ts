import { Fault } from '../../platform/errors/index.js';

/** Of one tenant: that running or waiting, so that others find a place. */
const OF_ONE = 5;

/**
 * How many queries of the ledger run at once: each holds one of the pool's connections for as long as it adds up, and calls
 * in flight need these more. Others wait their turn without one; too many, of one tenant or of all, are told to come again.
 */
export class QueryTurns {
  private running = 0;
  private readonly waiting: (() => void)[] = [];
  private readonly of = new Map<string, number>();

  constructor(
    private readonly atOnce: number,
    private readonly mayWait: number,
  ) {}

  /** @throws Fault unavailable; whatever the work throws */
  async run<T>(tenantId: string, work: () => Promise<T>): Promise<T> {
    const own = this.of.get(tenantId) ?? 0;
    if (own >= OF_ONE || (this.running >= this.atOnce && this.waiting.length >= this.mayWait)) throw tooMany();
    this.of.set(tenantId, own + 1);
    if (this.running < this.atOnce) this.running += 1;
    else await new Promise<void>((resolve) => this.waiting.push(resolve));
    try {
      return await work();
    } finally {
      const left = (this.of.get(tenantId) ?? 1) - 1;
      if (left === 0) this.of.delete(tenantId);
      else this.of.set(tenantId, left);
      // The turn is handed over as it is, so that nobody who comes now gets in before.
      const next = this.waiting.shift();
      if (next === undefined) this.running -= 1;
      else next();
    }
  }
}

function tooMany(): Fault {
  return new Fault('unavailable', 'Too many usage queries at once; try again shortly.', { retryAfterSeconds: 2 });
}
