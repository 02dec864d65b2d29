import { Inject, Injectable } from '@nestjs/common';
import { SETTINGS_TOKEN, type Settings } from '../platform/config/index.js';
import { EnvelopeError } from '../platform/crypto/index.js';
import { Jobs } from '../platform/jobs/index.js';
import { logger } from '../platform/logging/index.js';
import { DeliveryQueueRepository } from './delivery-queue.repository.js';
import { WebhookSecrets } from './webhook-secrets.js';

const BATCH = 1000;
const BEFORE_ALL = '00000000-0000-0000-0000-000000000000';

/**
 * At the start and from time to time: takes old events away, and moves stored secrets to the newest encryption key, used or
 * not, so that an operator knows when an older one may go.
 */
@Injectable()
export class WebhookMaintenance {
  constructor(
    private readonly queue: DeliveryQueueRepository,
    private readonly secrets: WebhookSecrets,
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
    await this.rewrapSecrets(stopping);
    let pruned = BATCH;
    while (pruned === BATCH && !stopping.aborted) {
      pruned = await this.queue.prune(this.settings.webhookKeepSeconds, BATCH);
    }
  }

  private async rewrapSecrets(stopping: AbortSignal): Promise<void> {
    const version = this.secrets.newestKeyVersion;
    let after = BEFORE_ALL;
    while (!stopping.aborted) {
      const batch = await this.queue.findToRewrap(version, after, BATCH);
      for (const stored of batch) {
        const rewrapped = this.rewrapped(stored.tenantId, stored);
        if (rewrapped !== null) await this.queue.rewrap(stored, rewrapped, version);
      }
      const last = batch.at(-1);
      if (last === undefined) return;
      after = last.id;
    }
  }

  /** Null: it can't be read, and stays as it is. */
  private rewrapped(
    tenantId: string,
    stored: { readonly id: string; readonly envelope: Uint8Array },
  ): Uint8Array | null {
    try {
      return this.secrets.rewrap(tenantId, stored);
    } catch (error) {
      if (!(error instanceof EnvelopeError)) throw error;
      logger.error({ err: error, tenantId }, 'A webhook secret could not be moved to the newest encryption key.');
      return null;
    }
  }
}
