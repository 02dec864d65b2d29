import { Inject, Injectable } from '@nestjs/common';
import { SETTINGS_TOKEN, type Settings } from '../platform/config/index.js';
import { Database } from '../platform/database/index.js';
import { inFullSteps, Jobs } from '../platform/jobs/index.js';
import { Metrics } from '../platform/metrics/index.js';

const PRUNE = {
  name: 'prune_audit_events',
  text: 'SELECT prune_audit_events(make_interval(days => $1), $2) AS pruned',
};
const PRUNE_EVERY_MS = 3_600_000;
const BATCH = 5000;

/** Deletes events that are older than that, and says how many. */
export async function auditPruning(database: Database, days: number, stopping: AbortSignal): Promise<number> {
  let all = 0;
  await inFullSteps(BATCH, stopping, async () => {
    const [row] = await database.callAside<{ pruned: number }>(PRUNE, [days, BATCH]);
    const pruned = row?.pruned ?? 0;
    all += pruned;
    return pruned;
  });
  return all;
}

/** Takes events away that are older than the operator keeps them. */
@Injectable()
export class AuditPruner {
  constructor(
    database: Database,
    metrics: Metrics,
    @Inject(SETTINGS_TOKEN) { auditRetentionDays: days }: Settings,
    jobs: Jobs,
  ) {
    if (days === 0) return;
    jobs.repeat({
      failure: 'Old events of the audit log could not be deleted.',
      everyMs: PRUNE_EVERY_MS,
      atOnce: true,
      run: async (stopping) => {
        metrics.retentionDropped.inc({ what: 'audit_events' }, await auditPruning(database, days, stopping));
      },
    });
  }
}
