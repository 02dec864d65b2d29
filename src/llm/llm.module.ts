import { Module } from '@nestjs/common';
import { Dialects, OPENAI_DIALECT } from '../platform/http/index.js';
import { UsageModule } from '../usage/index.js';
import { Calls } from './calls/calls.service.js';
import { ChatController } from './chat/chat.controller.js';
import { KnownModels } from './models/model-facts.js';
import { ModelRouter } from './routing/model-router.js';
import { ModelsController } from './routing/models.controller.js';
import { PlatformProviderTenants } from './routing/platform-provider-tenants.js';
import { RUN_PROVIDERS } from './runs/run-providers.js';
import { ThreadPruner } from './threads/thread.pruner.js';
import { ThreadsController } from './threads/threads.controller.js';
import { ThreadsRepository } from './threads/threads.repository.js';
import { ThreadsService } from './threads/threads.service.js';
import { Tokenizer } from './tokens/tokenizer.js';

/** Chat completions and models. Needs the settings, `OutboundHttp` and `Drain` from modules that are global. */
@Module({
  imports: [UsageModule],
  controllers: [ChatController, ModelsController, ThreadsController],
  providers: [
    Calls,
    KnownModels,
    ModelRouter,
    PlatformProviderTenants,
    ...RUN_PROVIDERS,
    ThreadPruner,
    ThreadsRepository,
    ThreadsService,
    Tokenizer,
  ],
  exports: [PlatformProviderTenants, ModelRouter],
})
export class LlmModule {
  constructor(dialects: Dialects) {
    dialects.register(OPENAI_DIALECT);
  }
}
