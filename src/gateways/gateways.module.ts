import { Module } from '@nestjs/common';
import { BudgetsModule } from '../limits/index.js';
import { LlmModule } from '../llm/index.js';
import { Dialects } from '../platform/http/index.js';
import { GatewayCallsController } from './gateway-calls.controller.js';
import { GatewayCalls } from './gateway-calls.js';
import { GatewayTokenStrategy } from './gateway-token.strategy.js';
import { GatewayTokensController } from './gateway-tokens.controller.js';
import { GatewayTokensRepository } from './gateway-tokens.repository.js';
import { GatewayTokensService } from './gateway-tokens.service.js';
import { GatewayTokens } from './gateway-tokens.js';
import { GATEWAY_DIALECT } from './gateway.dialect.js';
import { GatewayDirectory } from './gateway.directory.js';
import { GatewayRoutes } from './gateway.routes.js';
import { GatewaysController } from './gateways.controller.js';
import { GatewaysRepository } from './gateways.repository.js';
import { GatewaysService } from './gateways.service.js';

/** Gateways: doors of a tenant with providers and tokens of their own. */
@Module({
  imports: [BudgetsModule, LlmModule],
  controllers: [GatewaysController, GatewayTokensController, GatewayCallsController],
  providers: [
    GatewayCalls,
    GatewayDirectory,
    GatewayRoutes,
    GatewayTokens,
    GatewayTokensRepository,
    GatewayTokensService,
    GatewayTokenStrategy,
    GatewaysRepository,
    GatewaysService,
  ],
})
export class GatewaysModule {
  constructor(dialects: Dialects) {
    dialects.register(GATEWAY_DIALECT);
  }
}
