import { Global, Module } from '@nestjs/common';
import { TenantCipher } from './tenant-cipher.js';
import { TenantDataKeys } from './tenant-data-keys.js';

@Global()
@Module({ providers: [TenantDataKeys, TenantCipher], exports: [TenantCipher] })
export class EncryptionModule {}
