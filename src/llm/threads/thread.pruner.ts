import { Injectable } from '@nestjs/common';
import { Database } from '../../platform/database/index.js';
import { inFullSteps, Jobs } from '../../platform/jobs/index.js';

const PRUNE = { name: 'prune_threads', text: 'SELECT prune_threads($1) AS pruned' };
const PRUNE_EVERY_MS = 10 * 60_000;
const AT_ONCE = 500;

/** Deletes what tenants keep for a number of days only. */
@Injectable()
export class ThreadPruner {
  constructor(database: Database, jobs: Jobs) {
    jobs.repeat({
      failure: 'Old threads could not be pruned.',
      everyMs: PRUNE_EVERY_MS,
      atOnce: true,
      run: (stopping) =>
        inFullSteps(AT_ONCE, stopping, async () => {
          const [row] = await database.callAside<{ pruned: number }>(PRUNE, [AT_ONCE]);
          return row?.pruned ?? 0;
        }),
    });
  }
}
