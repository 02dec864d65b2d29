import { Module } from '@nestjs/common';
import { ApiKeyDirectory } from './api-key.directory.js';
import { KeysController } from './keys.controller.js';
import { KeysRepository } from './keys.repository.js';
import { KeysService } from './keys.service.js';
import { SecretKeyStrategy } from './secret-key.strategy.js';

@Module({
  controllers: [KeysController],
  providers: [KeysService, KeysRepository, ApiKeyDirectory, SecretKeyStrategy],
  exports: [KeysService, ApiKeyDirectory],
})
export class KeysModule {}
