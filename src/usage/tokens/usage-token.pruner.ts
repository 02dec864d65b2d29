import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { Database } from '../../platform/database/index.js';
import { logger } from '../../platform/logging/index.js';

const PRUNE = { name: 'prune_usage_tokens', text: 'SELECT prune_usage_tokens()' };
const PRUNE_EVERY_MS = 60_000;

/** Forgets tokens that ended an hour ago. Every replica does; they take different rows. */
@Injectable()
export class UsageTokenPruner implements OnApplicationBootstrap, OnApplicationShutdown {
  private timer: NodeJS.Timeout | null = null;

  constructor(private readonly database: Database) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => {
      this.database
        .call(PRUNE, [])
        .catch((error: unknown) => logger.warn({ err: error }, 'Old usage tokens could not be pruned.'));
    }, PRUNE_EVERY_MS);
  }

  onApplicationShutdown(): void {
    if (this.timer !== null) clearInterval(this.timer);
  }
}
