import { Inject, Injectable } from '@nestjs/common';
import { SETTINGS_TOKEN, type Settings } from '../../platform/config/index.js';
import { uuidV7 } from '../../platform/crypto/index.js';
import { Database } from '../../platform/database/index.js';
import { RepeatingJob } from '../../platform/jobs/index.js';
import { logger } from '../../platform/logging/index.js';

const RENEW = { name: 'renew_lease', text: 'SELECT renew_lease($1, $2, make_interval(secs => $3)) AS alive' };
const END = { name: 'end_lease', text: 'SELECT end_lease($1)' };
const SWEEP = {
  name: 'sweep_usage',
  text: 'SELECT sweep_usage(make_interval(secs => $1), make_interval(secs => $2), $3) AS swept',
};
/** How many calls one statement charges: more would keep the budgets' other calls waiting. */
const MAX_SWEPT = 500;

/**
 * Charges the calls that processes with an ended lease left open.
 *
 * @param inTouchSeconds how long the caller has been in touch with the database: leases of a longer term are not declared dead
 * @returns how many calls were charged
 */
export async function sweepUsage(database: Database, termSeconds: number, inTouchSeconds: number): Promise<number> {
  let swept = 0;
  for (let last = MAX_SWEPT; last === MAX_SWEPT; swept += last) {
    const [row] = await database.call<{ swept: number }>(SWEEP, [termSeconds, inTouchSeconds, MAX_SWEPT]);
    last = row?.swept ?? 0;
  }
  return swept;
}

/**
 * This process's lease on its own reservations, and the sweeper of dead processes' reservations. All times are the database's.
 *
 * - While a process renews its lease, its calls are not swept, however long they last.
 * - Once it is dead, its open calls are charged within lease + sweep interval, by a process whose lease is no longer. Each
 *   lease has its own term, since processes may be configured differently.
 * - A sweeper that could not renew its own lease lately judges no other: after an outage of the
 *   database every lease looks dead.
 */
@Injectable()
export class ProcessLease {
  private leaseId = uuidV7();
  private oldestOpenMs: () => number | null = () => null;
  /** Started and stopped here, not by the service's jobs: the lease must outlast the last settlement. */
  private readonly jobs: readonly RepeatingJob[];
  private aliveSinceMs = Infinity;
  private renewedAtMs = -Infinity;
  private renewing: Promise<void> | null = null;
  private stopped = false;
  private onSwept: (count: number) => void = () => undefined;
  private readonly followers: (() => Promise<unknown>)[] = [];

  constructor(
    private readonly database: Database,
    @Inject(SETTINGS_TOKEN) private readonly settings: Settings,
  ) {
    this.jobs = [
      new RepeatingJob({
        failure: "The ledger's lease could not be renewed.",
        everyMs: settings.leaseSeconds * 250,
        run: () => this.renew(),
      }),
      new RepeatingJob({
        failure: 'The ledger could not be swept.',
        everyMs: settings.sweepSeconds * 1000,
        run: async () => {
          await this.sweep();
          for (const follow of this.followers) await follow();
        },
      }),
    ];
  }

  get id(): string {
    return this.leaseId;
  }

  /**
   * Takes the lease and begins to renew and to sweep.
   *
   * @param oldestOpenMs how long the oldest open call has been open; null: none is
   */
  async start(oldestOpenMs: () => number | null, onSwept: (count: number) => void): Promise<void> {
    this.oldestOpenMs = oldestOpenMs;
    this.onSwept = onSwept;
    await this.renew();
    for (const job of this.jobs) job.start();
  }

  /** Registers work of another room that follows each sweep, when it is known which processes are dead. */
  onSweep(follow: () => Promise<unknown>): void {
    this.followers.push(follow);
  }

  /** Renews now; where the lease was declared dead meanwhile, takes a new one. */
  renew(): Promise<void> {
    this.renewing ??= this.renewNow().finally(() => {
      this.renewing = null;
    });
    return this.renewing;
  }

  /** @returns how many orphans were charged */
  async sweep(): Promise<number> {
    const termMs = this.settings.leaseSeconds * 1000;
    const now = performance.now();
    if (now - this.renewedAtMs > termMs / 2 || now - this.aliveSinceMs < termMs) return 0;
    const swept = await sweepUsage(this.database, this.settings.leaseSeconds, (now - this.aliveSinceMs) / 1000);
    if (swept > 0) {
      logger.warn({ swept }, 'Charged calls that a dead process left open.');
      this.onSwept(swept);
    }
    return swept;
  }

  /** Ends the lease in good order: the next sweep charges what is still open. */
  async stop(): Promise<void> {
    await Promise.all(this.jobs.map((job) => job.stop()));
    if (this.stopped || this.renewedAtMs === -Infinity) return;
    this.stopped = true;
    await this.database.call(END, [this.leaseId]).catch(() => undefined);
  }

  private async renewNow(): Promise<void> {
    const rows = await this.sendRenewal();
    if (rows[0]?.alive !== true) {
      logger.warn("The ledger's lease had run out; its open calls may have been charged whole and will be corrected.");
      this.leaseId = uuidV7();
      this.aliveSinceMs = performance.now();
      await this.sendRenewal();
    }
    const now = performance.now();
    // After a gap of half a term: another process that lost the database as well may have lost it for a little longer.
    if (now - this.renewedAtMs > this.settings.leaseSeconds * 500) this.aliveSinceMs = now;
    this.renewedAtMs = now;
  }

  private sendRenewal(): Promise<{ alive: boolean }[]> {
    const values = [this.leaseId, this.oldestOpenMs(), this.settings.leaseSeconds];
    return this.database.call<{ alive: boolean }>(RENEW, values);
  }
}
