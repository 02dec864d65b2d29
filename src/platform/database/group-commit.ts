import { Fault } from '../errors/index.js';

export interface GroupCommitOptions<Item, Result> {
  /** For the message of the 503. */
  readonly what: string;
  /** Sends many items as one statement; gives a result for each, in order, or a promise of one that comes later. */
  readonly run: (items: readonly Item[]) => Promise<readonly (Result | Promise<Result>)[]>;
  /** Most items in one statement. */
  readonly maxItems: number;
  /** How long an item may wait for its commit. */
  readonly waitMs: number;
  /** Called, once its statement is over, for an item whose caller was refused although it may have been committed. */
  readonly onAbandoned?: (item: Item) => void;
  /** Called for an item that was refused before any statement carried it. */
  readonly onNotSent?: (item: Item) => void;
}

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result | Promise<Result>) => void;
  readonly reject: (error: unknown) => void;
  abandoned: boolean;
}

/**
 * A batch of at least this many items says that the service is busy; the next one then waits a moment for company, the
 * longer the larger the last one was, since fewer, larger statements serve everybody sooner. A lone request never waits.
 */
const BUSY_FROM_ITEMS = 16;
const MAX_COMPANY_WAIT_MS = 4;

/**
 * Sends statements that many requests issue at once as one, each request still awaiting its own commit. While a
 * statement is on its way the next batch gathers. A batch that Postgres refuses is sent again one by one, so that one
 * failing item never fails the others. While the database hangs, a request that waits longer than `waitMs` gets a 503,
 * and so do new ones at once: nothing piles up, and no call goes on unrecorded.
 */
export class GroupCommit<Item, Result> {
  private queue: Waiting<Item, Result>[] = [];
  private busy = false;
  private stalled = false;

  constructor(private readonly options: GroupCommitOptions<Item, Result>) {}

  /** @throws Fault unavailable, or the error of this item's own statement. */
  add(item: Item): Promise<Result> {
    if (this.stalled) {
      this.options.onNotSent?.(item);
      return Promise.reject(this.unavailable());
    }
    return new Promise((resolve, reject) => {
      this.queue.push({ item, resolve, reject, abandoned: false });
      if (!this.busy) {
        this.busy = true;
        // After this turn's other requests have added theirs.
        setImmediate(() => void this.drain());
      }
    });
  }

  private async drain(): Promise<void> {
    while (this.queue.length > 0) {
      const batch =
        this.queue.length <= this.options.maxItems ? this.queue : this.queue.slice(0, this.options.maxItems);
      this.queue = batch === this.queue ? [] : this.queue.slice(this.options.maxItems);
      const timer = setTimeout(() => this.stall(batch), this.options.waitMs);
      await this.send(batch);
      clearTimeout(timer);
      this.stalled = false;
      const waitMs = Math.min(MAX_COMPANY_WAIT_MS, Math.floor(batch.length / BUSY_FROM_ITEMS));
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
    this.busy = false;
  }

  private async send(batch: readonly Waiting<Item, Result>[]): Promise<void> {
    try {
      const results = await this.options.run(batch.map(({ item }) => item));
      batch.forEach((waiting, index) => {
        const result = results[index] as Result | Promise<Result>;
        if (!waiting.abandoned) waiting.resolve(result);
        else {
          if (result instanceof Promise) result.catch(() => undefined);
          this.options.onAbandoned?.(waiting.item);
        }
      });
    } catch (error) {
      if (batch.length > 1 && !(error instanceof Fault)) {
        for (const waiting of batch) await this.send([waiting]);
        return;
      }
      for (const waiting of batch) {
        this.options.onAbandoned?.(waiting.item);
        waiting.reject(error);
      }
    }
  }

  /** The statement did not return: releases everyone who waits. */
  private stall(batch: readonly Waiting<Item, Result>[]): void {
    this.stalled = true;
    for (const waiting of batch) {
      waiting.abandoned = true;
      waiting.reject(this.unavailable());
    }
    for (const waiting of this.queue) {
      this.options.onNotSent?.(waiting.item);
      waiting.reject(this.unavailable());
    }
    this.queue = [];
  }

  private unavailable(): Fault {
    return new Fault('unavailable', `${this.options.what} cannot be reached; try again shortly.`, {
      retryAfterSeconds: 2,
    });
  }
}
