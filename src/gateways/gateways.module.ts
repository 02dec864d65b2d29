import { Module } from '@nestjs/common';
import { BudgetsModule } from '../limits/index.js';
import { LlmModule } from '../llm/index.js';
import { UsageModule } from '../usage/index.js';
import { Database, versionCounts } from '../platform/database/index.js';
import { Dialects } from '../platform/http/index.js';
import { Metrics } from '../platform/metrics/index.js';
import { GatewayBodies } from './gateway-bodies.js';
import { GatewayCache } from './gateway-cache.js';
import { GatewayCallLogController } from './gateway-call-log.controller.js';
import { GatewayCallLogService } from './gateway-call-log.service.js';
import { GatewayCallsController } from './gateway-calls.controller.js';
import { GatewayCalls } from './gateway-calls.js';
import { GatewayTokenStrategy } from './gateway-token.strategy.js';
import { GatewayTokensController } from './gateway-tokens.controller.js';
import { GatewayTokensRepository } from './gateway-tokens.repository.js';
import { GatewayTokensService } from './gateway-tokens.service.js';
import { GatewayTokens } from './gateway-tokens.js';
import { GATEWAY_DIALECT } from './gateway.dialect.js';
import { GatewayDirectory } from './gateway.directory.js';
import { GatewayPruner } from './gateway.pruner.js';
import { GatewayRoutes } from './gateway.routes.js';
import { GatewaysController } from './gateways.controller.js';
import { GatewaysRepository } from './gateways.repository.js';
import { GatewaysService } from './gateways.service.js';
import { KeptCalls } from './kept-calls.js';

/** Gateways: doors of a tenant with providers and tokens of their own. */
@Module({
  imports: [BudgetsModule, LlmModule, UsageModule],
  controllers: [GatewaysController, GatewayTokensController, GatewayCallLogController, GatewayCallsController],
  providers: [
    GatewayBodies,
    GatewayCache,
    GatewayCallLogService,
    GatewayCalls,
    GatewayDirectory,
    GatewayPruner,
    GatewayRoutes,
    GatewayTokens,
    GatewayTokensRepository,
    GatewayTokensService,
    GatewayTokenStrategy,
    GatewaysRepository,
    GatewaysService,
    KeptCalls,
  ],
})
export class GatewaysModule {
  constructor(dialects: Dialects, database: Database, metrics: Metrics) {
    metrics.storedSecrets('gateway_tokens', () => versionCounts(database, 'gateway_token_pepper'));
    dialects.register(GATEWAY_DIALECT);
  }
}
