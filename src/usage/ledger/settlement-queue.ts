import { isLockTimeout, type Database } from '../../platform/database/index.js';
import { Fault } from '../../platform/errors/index.js';
import { logger } from '../../platform/logging/index.js';
import type { Metrics } from '../../platform/metrics/index.js';
import { SETTLE, settlementValues, type SettledRow } from './ledger-statements.js';
import type { Settlement } from './usage.types.js';

/** A longer batch would hold its budgets for too long. */
const MAX_BATCH = 96;
const GATHER_MS = 10;
const RETRY_MS = 500;
/** The pause after a batch whose rows are all locked by another transaction. */
const HELD_MS = 50;
/** How long batches skip locked rows, after one met a lock that lasts. */
const SKIP_MS = 1000;
/** Tries at the end of the process: a connection that just broke is replaced. */
const LAST_TRIES = 3;

/**
 * Settlements on their way to the database, many in one statement. One that can't be written waits here; one that the database
 * refuses is left for the sweeper to charge whole, and delays no other. A batch waits at most 100 ms for a lock; after a longer
 * one, batches skip locked rows for a second.
 */
export class SettlementQueue {
  private pending: Settlement[] = [];
  private draining: Promise<void> | null = null;
  private closing = false;
  private skipUntilMs = -Infinity;

  /** @param onWritten gets the settlements that were just written */
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

  /** Waits until all current settlements are written or refused. */
  async flush(): Promise<void> {
    await this.draining;
  }

  /** Called before the process ends: writes all settlements now, or after a few tries leaves them to the sweeper. */
  async close(): Promise<void> {
    this.closing = true;
    await this.flush();
  }

  private async drain(): Promise<void> {
    let failures = 0;
    while (this.pending.length > 0) {
      // No caller waits for a settlement: those of the next moment join the batch.
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
        // What is left then is charged whole by the next sweep, and is not corrected.
        failures += 1;
        if (this.closing && failures > LAST_TRIES) break;
        await pause(RETRY_MS);
      }
    }
    this.draining = null;
  }

  /** Skipped settlements go to the end of the queue. */
  private take(batch: readonly Settlement[], passedOver: readonly Settlement[]): void {
    this.pending = [...this.pending.slice(batch.length), ...passedOver];
    this.onWritten(passedOver.length === 0 ? batch : batch.filter((one) => !passedOver.includes(one)));
  }

  /**
   * One settlement that Postgres refuses must not hold up the others.
   *
   * @returns false: the database went away; the rest keeps waiting
   */
  private async writeOneByOne(batch: readonly Settlement[]): Promise<boolean> {
    for (const one of batch) {
      try {
        this.take([one], await this.write([one]));
      } catch (error) {
        if (error instanceof Fault || !isRefused(error)) return false;
        // The call stays open, and the sweep charges it whole after this process has ended.
        logger.error({ err: error, usageRecordId: one.id }, 'A call could not be settled.');
        this.pending = this.pending.slice(1);
      }
    }
    return true;
  }

  /** @returns the settlements that were skipped because another transaction holds their rows */
  private async write(batch: readonly Settlement[]): Promise<readonly Settlement[]> {
    const wait = performance.now() >= this.skipUntilMs;
    let row: SettledRow | undefined;
    try {
      [row] = await this.database.call<SettledRow & Record<string, unknown>>(SETTLE, settlementValues(batch, wait));
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

/** Postgres refuses the values (SQLSTATE classes 22 and 23), and would refuse them again. */
function isRefused(error: unknown): boolean {
  return error instanceof Error && 'code' in error && /^2[23]/.test(String(error.code));
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
