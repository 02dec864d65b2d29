import { Module } from '@nestjs/common';
import { Database, queueState, versionCounts } from '../platform/database/index.js';
import { Metrics } from '../platform/metrics/index.js';
import { DeliveryAttempts } from './delivery-attempts.js';
import { DeliveryQueueRepository } from './delivery-queue.repository.js';
import { DeliveryWorker } from './delivery-worker.js';
import { EventEnqueuer } from './event-enqueuer.js';
import { WebhookMaintenance } from './webhook-maintenance.js';
import { WebhookSecretRewrap } from './webhook-secret-rewrap.js';
import { WebhookSecrets } from './webhook-secrets.js';
import { WebhooksController } from './webhooks.controller.js';
import { WebhooksRepository } from './webhooks.repository.js';
import { WebhooksService } from './webhooks.service.js';

/** Takes events, stores deliveries for them, and delivers. */
@Module({
  controllers: [WebhooksController],
  providers: [
    WebhooksService,
    WebhooksRepository,
    WebhookSecrets,
    EventEnqueuer,
    DeliveryQueueRepository,
    DeliveryAttempts,
    DeliveryWorker,
    WebhookMaintenance,
    WebhookSecretRewrap,
  ],
})
export class WebhooksModule {
  constructor(database: Database, metrics: Metrics) {
    metrics.queue('webhooks', () => queueState(database, 'webhook'));
    metrics.storedSecrets('webhook_secrets', () => versionCounts(database, 'webhook_secret_key'));
  }
}
