import { Module } from '@nestjs/common';
import { EndUserStrategy } from './end-user.strategy.js';
import { OidcIssuers } from './oidc-issuers.js';
import { PlatformIssuer } from './platform-issuer.js';

@Module({ providers: [EndUserStrategy, OidcIssuers, PlatformIssuer] })
export class HumansModule {}
