import { Inject, Injectable } from '@nestjs/common';
import { SETTINGS_TOKEN, type Settings } from '../config/index.js';
import { Jobs } from '../jobs/index.js';
import { DataKeyRewrap } from './data-key-rewrap.js';

/** At the start and from time to time: moves data keys to the newest encryption key, so that an older one may go. */
@Injectable()
export class KeyRotation {
  constructor(
    rewrap: DataKeyRewrap,
    jobs: Jobs,
    @Inject(SETTINGS_TOKEN) { webhookPruneSeconds }: Pick<Settings, 'webhookPruneSeconds'>,
  ) {
    jobs.repeat({
      failure: "Tenants' data keys could not be moved to the newest encryption key.",
      everyMs: webhookPruneSeconds * 1000,
      atOnce: true,
      run: (stopping) => rewrap.run(stopping),
    });
  }
}
