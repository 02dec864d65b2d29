import { Module } from '@nestjs/common';
import { HumansModule } from '../humans/index.js';
import { KeysModule } from '../keys/index.js';
import { Database, queueState } from '../platform/database/index.js';
import { Dialects, OPENAI_DIALECT } from '../platform/http/index.js';
import { Metrics } from '../platform/metrics/index.js';
import { UsageModule } from '../usage/index.js';
import { Calls } from './calls/calls.service.js';
import { CallersModels } from './catalogue/callers-models.js';
import { LlmsController } from './catalogue/llms.controller.js';
import { ModelsController } from './catalogue/models.controller.js';
import { TenantsModelsController } from './catalogue/tenants-models.controller.js';
import { TenantsModelsService } from './catalogue/tenants-models.service.js';
import { ChatController } from './chat/chat.controller.js';
import { GabberRequests } from './chat/gabber-request.js';
import { BroughtProviders } from './connections/brought-providers.js';
import { CredentialStore } from './connections/credential-store.js';
import { GatewayConnections } from './connections/gateway-connections.js';
import { ProviderBuilder } from './connections/provider-builder.js';
import { ProviderTester } from './connections/provider-tester.js';
import { ProvidersController } from './connections/providers.controller.js';
import { ProvidersRepository } from './connections/providers.repository.js';
import { ProvidersService } from './connections/providers.service.js';
import { TenantProviders } from './connections/tenant-providers.js';
import { ContextsController } from './contexts/contexts.controller.js';
import { ContextsRepository } from './contexts/contexts.repository.js';
import { ContextsService } from './contexts/contexts.service.js';
import { EmbeddingsController } from './embeddings/embeddings.controller.js';
import { KnownModels } from './models/model-facts.js';
import { ModelOverridesRepository } from './models/model-overrides.repository.js';
import { TenantModels } from './models/tenant-models.js';
import { KeptResponsesRepository } from './responses/kept-responses.repository.js';
import { KeptResponses } from './responses/kept-responses.service.js';
import { ResponsePruner } from './responses/response.pruner.js';
import { ResponsesController } from './responses/responses.controller.js';
import { Circuits } from './routing/circuit.js';
import { CallerRoutes } from './routing/caller-routes.js';
import { ModelRouter } from './routing/model-router.js';
import { PlatformProviderTenants } from './routing/platform-provider-tenants.js';
import { RoutesController } from './routing/routes.controller.js';
import { RoutesRepository } from './routing/routes.repository.js';
import { RoutesService } from './routing/routes.service.js';
import { TenantRoutes } from './routing/tenant-routes.js';
import { RUN_PROVIDERS } from './runs/run-providers.js';
import { Runs } from './runs/runs.service.js';
import { ThreadRuns } from './threads/thread-runs.service.js';
import { ThreadPruner } from './threads/thread.pruner.js';
import { ThreadsController } from './threads/threads.controller.js';
import { ThreadsRepository } from './threads/threads.repository.js';
import { ThreadsService } from './threads/threads.service.js';
import { Tokenizer } from './tokens/tokenizer.js';

/**
 * Chat completions, responses, embeddings, models and tenants' providers. Needs the settings, `OutboundHttp` and
 * `Drain` from global modules.
 */
@Module({
  imports: [HumansModule, KeysModule, UsageModule],
  controllers: [
    ChatController,
    ContextsController,
    EmbeddingsController,
    LlmsController,
    ModelsController,
    ProvidersController,
    ResponsesController,
    RoutesController,
    TenantsModelsController,
    ThreadsController,
  ],
  providers: [
    BroughtProviders,
    CallerRoutes,
    CallersModels,
    Calls,
    Circuits,
    ContextsRepository,
    ContextsService,
    CredentialStore,
    GabberRequests,
    GatewayConnections,
    KeptResponses,
    KeptResponsesRepository,
    KnownModels,
    ModelOverridesRepository,
    TenantModels,
    TenantsModelsService,
    ModelRouter,
    PlatformProviderTenants,
    ProviderBuilder,
    ProviderTester,
    ProvidersRepository,
    ProvidersService,
    ResponsePruner,
    RoutesRepository,
    RoutesService,
    ...RUN_PROVIDERS,
    TenantProviders,
    TenantRoutes,
    ThreadPruner,
    ThreadRuns,
    ThreadsRepository,
    ThreadsService,
    Tokenizer,
  ],
  exports: [
    BroughtProviders,
    CallerRoutes,
    Calls,
    GatewayConnections,
    ModelRouter,
    PlatformProviderTenants,
    TenantProviders,
  ],
})
export class LlmModule {
  constructor(dialects: Dialects, database: Database, metrics: Metrics, runs: Runs) {
    metrics.queue('runs', () => queueState(database, 'run'));
    metrics.read('gatehouse_runs_live', () => runs.liveRuns.length);
    dialects.register(OPENAI_DIALECT);
  }
}
