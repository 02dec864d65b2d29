import { Inject, Injectable, type BeforeApplicationShutdown } from '@nestjs/common';
import { SETTINGS_TOKEN, type Settings } from '../platform/config/index.js';
import { Drain } from '../platform/http/index.js';
import { Jobs, type RepeatingJob } from '../platform/jobs/index.js';
import { logger } from '../platform/logging/index.js';
import { Metrics } from '../platform/metrics/index.js';
import { DeliveryAttempts } from './delivery-attempts.js';
import { DeliveryQueueRepository } from './delivery-queue.repository.js';
import type { ClaimedDelivery } from './delivery.types.js';
import { retryInMs } from './retry-schedule.js';

/** Deliveries of one endpoint at once in one process; a failing endpoint gets one. */
const PER_ENDPOINT = 4;
/** A claim lasts for so many timeouts of an attempt: once it has run out, its process can be taken for dead. */
const CLAIM_TIMEOUTS = 3;

/**
 * Brings deliveries to their receivers: each at least once. Every process has one worker; a claimed delivery is hidden from the
 * others until its claim runs out, as when its process died. Only as many are claimed as can begin at once, so that the payload
 * is current: a human who was just erased is not named.
 */
@Injectable()
export class DeliveryWorker implements BeforeApplicationShutdown {
  /** By the delivery's id. */
  private readonly underWay = new Map<string, { readonly endpointId: string; readonly done: Promise<void> }>();
  private readonly claiming: RepeatingJob;
  private servedLast = '';

  constructor(
    private readonly queue: DeliveryQueueRepository,
    private readonly attempts: DeliveryAttempts,
    private readonly drain: Drain,
    private readonly metrics: Metrics,
    @Inject(SETTINGS_TOKEN) private readonly settings: Settings,
    jobs: Jobs,
  ) {
    this.claiming = jobs.repeat({
      failure: 'The queue of webhook deliveries could not be read.',
      everyMs: settings.webhookPollMs,
      run: () => this.claim(),
    });
  }

  /** Stops claiming, and waits for the deliveries under way. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.claiming.stop();
    await Promise.all([...this.underWay.values()].map(({ done }) => done));
  }

  private async claim(): Promise<void> {
    const limit = this.settings.webhookConcurrency - this.underWay.size;
    if (limit <= 0 || this.drain.isDraining) return;
    const claimed = await this.queue.claim({
      limit,
      busy: [...this.underWay.values()].map(({ endpointId }) => endpointId),
      perEndpoint: PER_ENDPOINT,
      after: this.servedLast,
      termMs: this.settings.webhookTimeoutMs * CLAIM_TIMEOUTS,
    });
    for (const delivery of claimed) this.begin(delivery);
  }

  private begin(delivery: ClaimedDelivery): void {
    const { id, endpointId } = delivery;
    this.servedLast = endpointId;
    const done = this.deliver(delivery)
      .catch((error: unknown) => {
        // The claim runs out, and the delivery is repeated: deliveries arrive at least once.
        logger.warn({ err: error, deliveryId: id }, 'The end of a webhook delivery could not be written.');
      })
      .finally(() => {
        this.underWay.delete(id);
        // After a delivery, more may be due.
        this.claiming.wake();
      });
    this.underWay.set(id, { endpointId, done });
  }

  private async deliver(delivery: ClaimedDelivery): Promise<void> {
    const outcome = await this.attempts.attempt(delivery);
    if (outcome === null) return;
    const { statusCode, error } = outcome;
    const retry = error === null ? null : retryInMs(delivery.attempt, error, this.settings);
    const disabled = await this.queue.finish(delivery, {
      statusCode,
      error,
      retryInMs: retry,
      deadAfterSeconds: this.settings.webhookDeadSeconds,
    });
    this.metrics.webhookAttempts.inc({ outcome: error === null ? 'delivered' : retry === null ? 'failed' : 'retried' });
    if (disabled !== null) logger.warn({ ...disabled }, 'A webhook endpoint was disabled.');
  }
}
