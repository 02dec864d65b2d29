import { Injectable } from '@nestjs/common';
import { Database } from '../../platform/database/index.js';
import { logger } from '../../platform/logging/index.js';
import { ProcessLease } from '../../usage/index.js';
import { SWEEP } from './run-statements.js';
import { Runs } from './runs.service.js';

/** How long a run waits for the outputs of tools. */
const TOOLS_PATIENCE_SECONDS = 15 * 60;
const MAX_SWEPT = 200;

/**
 * Ends what dead processes left of runs, right after the ledger has said which processes are dead: within lease and sweep,
 * each such run has moved here or has failed, and what waited for it goes on.
 */
@Injectable()
export class RunSweeper {
  constructor(
    private readonly database: Database,
    private readonly lease: ProcessLease,
    private readonly runs: Runs,
  ) {
    lease.onSweep(() => this.sweep());
  }

  async sweep(): Promise<void> {
    const values = [this.lease.id, this.runs.knownIds, TOOLS_PATIENCE_SECONDS, MAX_SWEPT];
    const rows = await this.database.call<{ id: string }>(SWEEP, values);
    if (rows.length > 0) logger.warn({ runs: rows.length }, 'Went on with runs that a dead process left.');
    for (const { id } of rows) this.runs.start(id);
  }
}
