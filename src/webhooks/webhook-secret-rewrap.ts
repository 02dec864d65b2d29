import { Injectable } from '@nestjs/common';
import type { EncryptionKeyRing } from '../platform/crypto/index.js';
import type { Database } from '../platform/database/index.js';
import { rewrapAll, type Rewrapped } from '../platform/encryption/index.js';
import { DeliveryQueueRepository } from './delivery-queue.repository.js';
import { WebhookSecrets, type StoredSecret } from './webhook-secrets.js';

const BATCH = 1000;
const BEFORE_ALL = '00000000-0000-0000-0000-000000000000';

/** Moves endpoints' secrets to the operator's newest encryption key. */
@Injectable()
export class WebhookSecretRewrap {
  constructor(
    private readonly queue: DeliveryQueueRepository,
    private readonly secrets: WebhookSecrets,
  ) {}

  run(stopping: AbortSignal): Promise<Rewrapped> {
    const { queue, secrets } = this;
    const version = secrets.newestKeyVersion;
    return rewrapAll<StoredSecret & { readonly tenantId: string }>(
      {
        what: 'A webhook secret',
        find: (after) => queue.findToRewrap(version, after?.id ?? BEFORE_ALL, BATCH),
        move: async (stored) => queue.rewrap(stored, secrets.rewrap(stored.tenantId, stored), version),
      },
      stopping,
    );
  }
}

/** For the command, which runs without the service. */
export function webhookSecretRewrap(database: Database, ring: EncryptionKeyRing): WebhookSecretRewrap {
  return new WebhookSecretRewrap(new DeliveryQueueRepository(database), new WebhookSecrets(ring));
}
