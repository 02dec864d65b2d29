import { Global, Module } from '@nestjs/common';
import { Database, versionCounts } from '../database/index.js';
import { Metrics } from '../metrics/index.js';
import { DataKeyRewrap } from './data-key-rewrap.js';
import { KeyRotation } from './key-rotation.js';
import { TenantCipher } from './tenant-cipher.js';
import { TenantDataKeys } from './tenant-data-keys.js';

@Global()
@Module({ providers: [TenantDataKeys, TenantCipher, DataKeyRewrap, KeyRotation], exports: [TenantCipher] })
export class EncryptionModule {
  constructor(database: Database, metrics: Metrics) {
    metrics.storedSecrets('data_keys', () => versionCounts(database, 'tenant_data_key'));
  }
}
