import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import { SETTINGS_TOKEN, type Settings } from '../../platform/config/index.js';
import { Database, isLockTimeout, queueState } from '../../platform/database/index.js';
import { Jobs } from '../../platform/jobs/index.js';
import { logger } from '../../platform/logging/index.js';
import { Metrics } from '../../platform/metrics/index.js';

const KEEP = {
  name: 'keep_usage_ledger',
  text: 'SELECT did, month::text, rows FROM keep_usage_ledger(make_interval(days => $1), $2)',
};

const EVERY_MS = 600_000;
/** Rows that are summed in one transaction: well within a statement's time-out, even on a busy machine. */
const PIECE = 10_000;
/** Each try delays calls by at most 100 ms, while a query is under way. */
const RETRY_MS = 2000;
const RETRIES = 30;

/** The step that keep_usage_ledger did. */
interface Step {
  readonly did: 'retired' | 'rolled' | 'dropped' | 'reported' | 'open' | 'busy' | 'nothing';
  readonly month: string | null;
  readonly rows: string | null;
}

/**
 * Runs steps until nothing is left, another process is at it, or an open call makes it wait.
 *
 * @param onStep gets each step
 * @returns why it ended; `stopped`: `stopping` was aborted
 */
export async function keepLedger(
  database: Database,
  days: number,
  stopping: AbortSignal,
  onStep: (step: Step) => void,
): Promise<'open' | 'busy' | 'nothing' | 'stopped'> {
  for (let retries = 0; !stopping.aborted;) {
    const [step] = await database.callAside<Step>(KEEP, [days, PIECE]).catch((error: unknown) => {
      if (!isLockTimeout(error) || retries === RETRIES) throw error;
      return [];
    });
    if (step === undefined) {
      retries += 1;
      await sleep(RETRY_MS, undefined, { signal: stopping }).catch(() => undefined);
    } else if (step.did === 'busy' || step.did === 'open' || step.did === 'nothing') return step.did;
    else onStep(step);
  }
  return 'stopped';
}

/**
 * Drops the ledger's months that are older than the operator keeps them, once their sums are kept (decision 35). Every replica
 * tries, and one at a time works; the next replica, or the next start, continues after the last finished step.
 */
@Injectable()
export class LedgerRetention {
  private readonly days: number;

  constructor(
    private readonly database: Database,
    private readonly metrics: Metrics,
    @Inject(SETTINGS_TOKEN) { ledgerRetentionDays }: Settings,
    jobs: Jobs,
  ) {
    this.days = ledgerRetentionDays;
    if (this.days === 0) return;
    metrics.queue('ledger', () => queueState(database, 'ledger', [this.days]));
    jobs.repeat({
      failure: 'Old months of the ledger could not be dropped; they are kept, and tried again.',
      everyMs: EVERY_MS,
      atOnce: true,
      run: (stopping) => this.run(stopping),
    });
  }

  async run(stopping: AbortSignal): Promise<void> {
    await keepLedger(this.database, this.days, stopping, (step) => this.tell(step));
  }

  private tell({ did, month, rows }: Step): void {
    if (did === 'reported') this.metrics.retentionDropped.inc({ what: 'reports' }, Number(rows));
    if (did !== 'dropped') return;
    this.metrics.retentionDropped.inc({ what: 'calls' }, Number(rows));
    logger.info({ month: month?.slice(0, 7), rows }, 'A month of the ledger was dropped; its sums are kept.');
  }
}
