import { Inject, Module } from '@nestjs/common';
import { CredentialStrategies } from '../identity/index.js';
import { KeysModule } from '../keys/index.js';
import { LlmModule } from '../llm/index.js';
import { SETTINGS_TOKEN, type Settings } from '../platform/config/index.js';
import { Dialects } from '../platform/http/index.js';
import { ConversationStates } from './conversation-state.js';
import { OauthTokenController } from './oauth-token.controller.js';
import { ProcessController } from './process.controller.js';
import { ProcessService } from './process.service.js';
import { PublicHostnames } from './public-hostnames.js';
import { OAUTH_TOKEN_DIALECT, PROCESS_DIALECT } from './sealed-dialects.js';
import { SealedKeys } from './sealed-keys.js';
import { SealedQuotas } from './sealed-quotas.js';
import { SealedRoutes } from './sealed-routes.js';
import { SealedTokenDirectory } from './sealed-token.directory.js';
import { SealedTokenStrategy } from './sealed-token.strategy.js';
import { ANONYMOUS_TENANT } from './sealed-token.js';
import { SealedTokensService } from './sealed-tokens.service.js';
import { ServiceOrigins } from './service-origins.js';

@Module({
  imports: [KeysModule, LlmModule],
  controllers: [OauthTokenController, ProcessController],
  providers: [
    ConversationStates,
    ProcessService,
    PublicHostnames,
    SealedKeys,
    SealedQuotas,
    SealedRoutes,
    SealedTokenDirectory,
    SealedTokenStrategy,
    SealedTokensService,
    ServiceOrigins,
  ],
  exports: [SealedQuotas],
})
export class SealedModule {
  constructor(
    dialects: Dialects,
    strategies: CredentialStrategies,
    @Inject(SETTINGS_TOKEN) { anonymousTokens }: Pick<Settings, 'anonymousTokens'>,
  ) {
    dialects.register(OAUTH_TOKEN_DIALECT);
    dialects.register(PROCESS_DIALECT);
    if (anonymousTokens === 'on') {
      strategies.anonymous = Object.freeze({ kind: 'anonymous', tenantId: ANONYMOUS_TENANT, gatewayId: null });
    }
  }
}
