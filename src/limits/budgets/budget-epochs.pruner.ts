import { Injectable } from '@nestjs/common';
import { Database } from '../../platform/database/index.js';
import { Jobs } from '../../platform/jobs/index.js';

const MOST = 10_000;
const PRUNE = { name: 'prune_budget_epochs', text: `SELECT prune_budget_epochs(${MOST}) AS pruned` };
const PRUNE_EVERY_MS = 60_000;

/** Deletes budgets' epochs that ended long ago. Every replica does; they take different rows. */
@Injectable()
export class BudgetEpochsPruner {
  constructor(database: Database, jobs: Jobs) {
    jobs.repeat({
      failure: 'Old epochs of budgets could not be pruned.',
      everyMs: PRUNE_EVERY_MS,
      run: () => database.callAside(PRUNE, []),
    });
  }
}
