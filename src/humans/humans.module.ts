import { Module } from '@nestjs/common';
import { EndUserStrategy } from './end-user.strategy.js';
import { HumanLimits } from './human-limits.js';
import { HumansController } from './humans.controller.js';
import { HumansRepository } from './humans.repository.js';
import { HumansService } from './humans.service.js';
import { OidcIssuers } from './oidc-issuers.js';
import { PlatformIssuer } from './platform-issuer.js';

@Module({
  controllers: [HumansController],
  providers: [EndUserStrategy, HumanLimits, HumansRepository, HumansService, OidcIssuers, PlatformIssuer],
  exports: [HumanLimits],
})
export class HumansModule {}
