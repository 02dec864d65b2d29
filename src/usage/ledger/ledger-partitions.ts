import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Database } from '../../platform/database/index.js';
import { OperatorError } from '../../platform/errors/index.js';
import { Jobs } from '../../platform/jobs/index.js';
import { logger } from '../../platform/logging/index.js';

const PREPARE = { name: 'prepare_usage_partitions', text: 'SELECT prepare_usage_partitions() AS attached' };
const CLOCK = {
  name: 'ledger_clock',
  text: 'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS "nowMs"',
};
const PREPARE_EVERY_MS = 3_600_000;
/** The sweeper looks back a day more than it must, which leaves time to notice a clock that drifts. */
const MAX_CLOCK_DIFFERENCE_MS = 60_000;
/** A statement opens and locks every partition that it is planned for. */
const MANY_PARTITIONS = 14;

/**
 * Makes the ledger's partitions ahead, at the start and every hour, and compares this process's clock with the database's.
 *
 * Guarantee: a process with a wrong clock does not start. Its calls would get ids of the wrong time: without a partition for an
 * id, the whole batch of reservations fails, and the sweeper may not find it.
 */
@Injectable()
export class LedgerPartitions implements OnApplicationBootstrap {
  constructor(
    private readonly database: Database,
    jobs: Jobs,
  ) {
    jobs.repeat({
      failure: "The ledger's next partitions could not be made.",
      everyMs: PREPARE_EVERY_MS,
      run: () => this.maintain(),
    });
  }

  /** @throws OperatorError the clocks differ */
  async onApplicationBootstrap(): Promise<void> {
    const difference = await this.clockDifference();
    if (difference !== null) throw new OperatorError(difference);
    await this.prepare();
  }

  private async maintain(): Promise<void> {
    const difference = await this.clockDifference();
    if (difference !== null) logger.error(difference);
    await this.prepare();
  }

  private async prepare(): Promise<void> {
    const [row] = await this.database.callAside<{ attached: number }>(PREPARE, []);
    const attached = row?.attached ?? 0;
    if (attached > MANY_PARTITIONS) {
      logger.warn(
        { attached },
        'Each call opens every partition of the ledger: set GATEHOUSE_LEDGER_RETENTION_DAYS, or detach the oldest of usage_records.',
      );
    }
  }

  /** One sentence with both times; null where they are close enough. */
  private async clockDifference(): Promise<string | null> {
    const sentMs = Date.now();
    const [row] = await this.database.call<{ nowMs: number }>(CLOCK, []);
    const receivedMs = Date.now();
    const theirsMs = row?.nowMs ?? receivedMs;
    // The database read its clock between the two.
    if (theirsMs >= sentMs - MAX_CLOCK_DIFFERENCE_MS && theirsMs <= receivedMs + MAX_CLOCK_DIFFERENCE_MS) return null;
    const [ours, theirs] = [receivedMs, theirsMs].map((ms) => new Date(ms).toISOString());
    return (
      `This machine's clock says ${ours} and the database's says ${theirs}: ` +
      `set them by NTP to at most ${MAX_CLOCK_DIFFERENCE_MS / 1000} seconds apart, and start again.`
    );
  }
}
