import { Injectable } from '@nestjs/common';
import { Database } from '../../platform/database/index.js';
import { Jobs } from '../../platform/jobs/index.js';

const PRUNE = { name: 'prune_usage_tokens', text: 'SELECT prune_usage_tokens()' };
const PRUNE_EVERY_MS = 60_000;

/** Deletes tokens that ended an hour ago. Every replica does; they take different rows. */
@Injectable()
export class UsageTokenPruner {
  constructor(database: Database, jobs: Jobs) {
    jobs.repeat({
      failure: 'Old usage tokens could not be pruned.',
      everyMs: PRUNE_EVERY_MS,
      run: () => database.callAside(PRUNE, []),
    });
  }
}
