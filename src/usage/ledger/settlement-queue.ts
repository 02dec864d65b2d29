import { isLockTimeout, type Database } from '../../platform/database/index.js';
import { Fault } from '../../platform/errors/index.js';
import { logger } from '../../platform/logging/index.js';
import type { Metrics } from '../../platform/metrics/index.js';
import { SETTLE, settlementText, type SettledRow } from './ledger-statements.js';
import type { Settlement } from './usage.types.js';

/** A longer batch would hold its budgets for longer than others like to wait. */
const MAX_BATCH = 96;
const GATHER_MS = 10;
const RETRY_MS = 500;
/** Another transaction holds what all of a batch needs. */
const HELD_MS = 50;
/** So long batches take what is free, once one has met a lock that lasts. */
const SKIP_MS = 1000;
/** Once the process is about to end: a connection that just broke is made anew. */
const LAST_TRIES = 3;

/**
 * Settlements on their way to the database, many in one statement. One that can't be written waits here; one that the
 * database refuses is left to be charged whole, and holds up none of the others. Like admissions, batches wait for a lock for
 * 100 ms at most, and pass over what is locked for a second after one that lasted.
 */
export class SettlementQueue {
  private pending: Settlement[] = [];
  private draining: Promise<void> | null = null;
  private closing = false;
  private skipUntilMs = -Infinity;

  /** @param onWritten what was settled just now */
  constructor(
    private readonly database: Database,
    private readonly metrics: Metrics,
    private readonly onWritten: (written: readonly Settlement[]) => void,
  ) {}

  get size(): number {
    return this.pending.length;
  }

  add(settlement: Settlement): void {
    this.pending.push(settlement);
    this.draining ??= this.drain();
  }

  some(is: (settlement: Settlement) => boolean): boolean {
    return this.pending.some(is);
  }

  /** Waits until what is settled so far is written, or the database refuses. */
  async flush(): Promise<void> {
    await this.draining;
  }

  /** The process is about to end: what is there is written now, or after a few tries left to the sweeper. */
  async close(): Promise<void> {
    this.closing = true;
    await this.flush();
  }

  private async drain(): Promise<void> {
    let failures = 0;
    while (this.pending.length > 0) {
      // No caller waits for a settlement: those of the next moment go along.
      if (!this.closing && this.pending.length < MAX_BATCH) await pause(GATHER_MS);
      const batch = this.pending.slice(0, MAX_BATCH);
      try {
        const passedOver = await this.write(batch);
        this.take(batch, passedOver);
        failures = 0;
        if (passedOver.length === batch.length) await pause(HELD_MS);
      } catch (error) {
        if (!(error instanceof Fault) && (await this.writeOneByOne(batch))) continue;
        logger.warn({ pending: this.pending.length }, 'Settlements wait for the database.');
        // What is left then is charged whole by the next sweep, and stays so.
        failures += 1;
        if (this.closing && failures > LAST_TRIES) break;
        await pause(RETRY_MS);
      }
    }
    this.draining = null;
  }

  /** Those that were passed over go to the end of the queue. */
  private take(batch: readonly Settlement[], passedOver: readonly Settlement[]): void {
    this.pending = [...this.pending.slice(batch.length), ...passedOver];
    this.onWritten(passedOver.length === 0 ? batch : batch.filter((one) => !passedOver.includes(one)));
  }

  /**
   * One settlement that Postgres refuses must not hold up the others.
   *
   * @returns false where the database went away meanwhile: what is not decided waits on
   */
  private async writeOneByOne(batch: readonly Settlement[]): Promise<boolean> {
    for (const one of batch) {
      try {
        this.take([one], await this.write([one]));
      } catch (error) {
        if (error instanceof Fault || !isRefused(error)) return false;
        // Its id stays among the open ones: it is charged whole by the sweep after this process.
        logger.error({ err: error, usageRecordId: one.id }, 'A call could not be settled.');
        this.pending = this.pending.slice(1);
      }
    }
    return true;
  }

  /** @returns those that were passed over, since another transaction holds what they need */
  private async write(batch: readonly Settlement[]): Promise<readonly Settlement[]> {
    const wait = performance.now() >= this.skipUntilMs;
    let row: SettledRow | undefined;
    try {
      [row] = await this.database.call<SettledRow & Record<string, unknown>>(SETTLE, [batch.map(settlementText), wait]);
    } catch (error) {
      if (!isLockTimeout(error)) throw error;
      this.skipUntilMs = performance.now() + SKIP_MS;
      return batch;
    }
    const overruns = row?.overruns ?? 0;
    if (overruns > 0) {
      this.metrics.overruns.inc(overruns);
      logger.warn({ overruns }, 'Calls used more than the bound that had been reserved for them.');
    }
    return (row?.again ?? []).map((place) => batch[place - 1] as Settlement);
  }
}

/** Postgres refuses what it was told (SQLSTATE classes 22 and 23), and would refuse it again. */
function isRefused(error: unknown): boolean {
  return error instanceof Error && 'code' in error && /^2[23]/.test(String(error.code));
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
