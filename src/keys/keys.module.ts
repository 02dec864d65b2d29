import { Module } from '@nestjs/common';
import { Database, versionCounts } from '../platform/database/index.js';
import { Metrics } from '../platform/metrics/index.js';
import { ApiKeyDirectory } from './api-key.directory.js';
import { IssuedOnce } from './issued-once.js';
import { KeyModels } from './key-models.js';
import { KeysController } from './keys.controller.js';
import { KeysRepository } from './keys.repository.js';
import { KeysService } from './keys.service.js';
import { PepperCheck } from './pepper-check.js';
import { PublishableKeyStrategy } from './publishable-key.strategy.js';
import { SecretKeyStrategy } from './secret-key.strategy.js';
import { TenantIssuers } from './tenant-issuers.js';

@Module({
  controllers: [KeysController],
  providers: [
    IssuedOnce,
    KeysService,
    KeysRepository,
    TenantIssuers,
    ApiKeyDirectory,
    KeyModels,
    PepperCheck,
    SecretKeyStrategy,
    PublishableKeyStrategy,
  ],
  exports: [KeysService, ApiKeyDirectory, KeyModels],
})
export class KeysModule {
  constructor(database: Database, metrics: Metrics) {
    metrics.storedSecrets('api_keys', () => versionCounts(database, 'api_key_pepper'));
  }
}
