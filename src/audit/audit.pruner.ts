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

/** Takes events away that are older than the operator keeps them. */
@Injectable()
export class AuditPruner {
  constructor(
    database: Database,
    metrics: Metrics,
    @Inject(SETTINGS_TOKEN) { auditRetentionDays }: Settings,
    jobs: Jobs,
  ) {
    if (auditRetentionDays === 0) return;
    jobs.repeat({
      failure: 'Old events of the audit log could not be deleted.',
      everyMs: PRUNE_EVERY_MS,
      atOnce: true,
      run: (stopping) =>
        inFullSteps(BATCH, stopping, async () => {
          const [row] = await database.callAside<{ pruned: number }>(PRUNE, [auditRetentionDays, BATCH]);
          const pruned = row?.pruned ?? 0;
          metrics.retentionDropped.inc({ what: 'audit_events' }, pruned);
          return pruned;
        }),
    });
  }
}
