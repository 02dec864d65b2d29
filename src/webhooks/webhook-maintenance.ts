import { Inject, Injectable } from '@nestjs/common';
import { SETTINGS_TOKEN, type Settings } from '../platform/config/index.js';
import { Jobs } from '../platform/jobs/index.js';
import { DeliveryQueueRepository } from './delivery-queue.repository.js';
import { WebhookSecretRewrap } from './webhook-secret-rewrap.js';

const BATCH = 1000;

/**
 * At the start and from time to time: deletes old events, and moves all stored secrets to the newest encryption key, so that
 * the operator can tell when an older key is no longer needed.
 */
@Injectable()
export class WebhookMaintenance {
  constructor(
    private readonly queue: DeliveryQueueRepository,
    private readonly rewrap: WebhookSecretRewrap,
    @Inject(SETTINGS_TOKEN) private readonly settings: Settings,
    jobs: Jobs,
  ) {
    jobs.repeat({
      failure: 'Webhooks could not be tidied up.',
      everyMs: settings.webhookPruneSeconds * 1000,
      atOnce: true,
      run: (stopping) => this.tidy(stopping),
    });
  }

  private async tidy(stopping: AbortSignal): Promise<void> {
    await this.rewrap.run(stopping);
    let pruned = BATCH;
    while (pruned === BATCH && !stopping.aborted) {
      pruned = await this.queue.prune(this.settings.webhookKeepSeconds, BATCH);
    }
  }
}
