import { Injectable } from '@nestjs/common';
import { Database } from '../platform/database/index.js';
import { inFullSteps, Jobs } from '../platform/jobs/index.js';

const PRUNE = { name: 'prune_gateways', text: 'SELECT prune_gateways($1) AS pruned' };
const PRUNE_EVERY_MS = 10 * 60_000;
const AT_ONCE = 500;

/** Deletes kept answers and bodies whose time is over. They are shown and given no more before that. */
@Injectable()
export class GatewayPruner {
  constructor(database: Database, jobs: Jobs) {
    jobs.repeat({
      failure: 'Kept answers and bodies of gateways could not be pruned.',
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
