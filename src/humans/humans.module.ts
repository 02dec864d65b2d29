import { Module } from '@nestjs/common';
import { EndUserStrategy } from './end-user.strategy.js';
import { HumanLimits } from './human-limits.js';
import { OidcIssuers } from './oidc-issuers.js';
import { PlatformIssuer } from './platform-issuer.js';

@Module({ providers: [EndUserStrategy, HumanLimits, OidcIssuers, PlatformIssuer], exports: [HumanLimits] })
export class HumansModule {}
