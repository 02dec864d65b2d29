import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { Database } from '../../platform/database/index.js';
import { logger } from '../../platform/logging/index.js';

const MOST = 10_000;
const PRUNE = { name: 'prune_budget_epochs', text: `SELECT prune_budget_epochs(${MOST}) AS pruned` };
const PRUNE_EVERY_MS = 60_000;

/** Forgets epochs of budgets that ended long ago. Every replica does; they take different rows. */
@Injectable()
export class BudgetEpochsPruner implements OnApplicationBootstrap, OnApplicationShutdown {
  private timer: NodeJS.Timeout | null = null;

  constructor(private readonly database: Database) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => {
      this.database
        .call(PRUNE, [])
        .catch((error: unknown) => logger.warn({ err: error }, 'Old epochs of budgets could not be pruned.'));
    }, PRUNE_EVERY_MS);
  }

  onApplicationShutdown(): void {
    if (this.timer !== null) clearInterval(this.timer);
  }
}
