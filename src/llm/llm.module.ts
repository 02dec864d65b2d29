import { Module } from '@nestjs/common';
import { Dialects, OPENAI_DIALECT } from '../platform/http/index.js';
import { UsageModule } from '../usage/index.js';
import { ChatController } from './chat/chat.controller.js';
import { ChatService } from './chat/chat.service.js';
import { KnownModels } from './models/model-facts.js';
import { ModelsController } from './models/models.controller.js';
import { PlatformProviderTenants } from './providers/platform-provider-tenants.js';
import { ProviderRouter } from './providers/provider-router.js';
import { ThreadsController } from './threads/threads.controller.js';
import { Tokenizer } from './tokens/tokenizer.js';

/** Chat completions and models. Needs the settings, `OutboundHttp` and `Drain` from modules that are global. */
@Module({
  imports: [UsageModule],
  controllers: [ChatController, ModelsController, ThreadsController],
  providers: [ChatService, KnownModels, ProviderRouter, PlatformProviderTenants, Tokenizer],
  exports: [PlatformProviderTenants, ProviderRouter],
})
export class LlmModule {
  constructor(dialects: Dialects) {
    dialects.register(OPENAI_DIALECT);
  }
}
