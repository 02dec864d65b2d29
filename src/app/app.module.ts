import { Module, type DynamicModule, type OnModuleInit, type Type } from '@nestjs/common';
import { APP_FILTER, APP_GUARD, DiscoveryModule, DiscoveryService, MetadataScanner } from '@nestjs/core';
import { AuditModule, ImpersonationAuditGuard } from '../audit/index.js';
import { GatewaysModule } from '../gateways/index.js';
import { HumansModule } from '../humans/index.js';
import { AccessGuard, AuthenticationGuard, IdentityModule } from '../identity/index.js';
import { KeysModule } from '../keys/index.js';
import { LlmModule } from '../llm/index.js';
import { SETTINGS_TOKEN, type Settings } from '../platform/config/index.js';
import { CryptoModule } from '../platform/crypto/index.js';
import { DatabaseModule } from '../platform/database/index.js';
import { EncryptionModule } from '../platform/encryption/index.js';
import { EventsModule } from '../platform/events/index.js';
import { DialectGuard, Dialects, FaultFilter, HttpModule } from '../platform/http/index.js';
import { OutboundModule } from '../platform/outbound/index.js';
import { IdempotencyModule } from '../platform/idempotency/index.js';
import { JobsModule } from '../platform/jobs/index.js';
import { MetricsModule } from '../platform/metrics/index.js';
import { TracingModule } from '../platform/tracing/index.js';
import { BudgetsModule, NothingLeftGuard, RateLimitGuard, RateLimitModule } from '../limits/index.js';
import { OrgsModule } from '../orgs/index.js';
import { SealedModule, SealedQuotasGuard } from '../sealed/index.js';
import { SigninModule } from '../signin/index.js';
import { UsageModule } from '../usage/index.js';
import { WebhooksModule } from '../webhooks/index.js';
import { assertRoutesDeclared } from './assert-routes-declared.js';
import { DashboardConfigController } from './dashboard-config.controller.js';
import { HealthController } from './health.controller.js';
import { ServedMethods } from './served-methods.js';
import { Startup } from './startup.js';
import { JwksController } from './jwks.controller.js';
import { UnknownPathController } from './unknown-path.controller.js';

/** What differs between development and production; the development parts exist in development alone. */
export interface ModeParts {
  /** Brings the dashboard's issuers and the writer of their claims, and whatever routes belong to them. */
  readonly modules: readonly (DynamicModule | Type)[];
}

/** The order in which global guards run stands here and nowhere else. */
const GUARDS = [
  DialectGuard,
  AuthenticationGuard,
  RateLimitGuard,
  AccessGuard,
  SealedQuotasGuard,
  NothingLeftGuard,
  ImpersonationAuditGuard,
] as const;

@Module({})
export class AppModule implements OnModuleInit {
  constructor(
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
    private readonly dialects: Dialects,
  ) {}

  static register(settings: Settings, parts: ModeParts): DynamicModule {
    return {
      module: AppModule,
      imports: [
        {
          module: SettingsModule,
          global: true,
          providers: [{ provide: SETTINGS_TOKEN, useValue: settings }],
          exports: [SETTINGS_TOKEN],
        },
        DiscoveryModule,
        CryptoModule,
        OutboundModule,
        HttpModule,
        MetricsModule,
        TracingModule,
        DatabaseModule,
        EncryptionModule,
        EventsModule,
        JobsModule,
        IdempotencyModule,
        IdentityModule,
        AuditModule,
        WebhooksModule,
        RateLimitModule,
        BudgetsModule,
        ...parts.modules,
        SigninModule,
        OrgsModule,
        KeysModule,
        HumansModule,
        UsageModule,
        LlmModule,
        SealedModule,
        GatewaysModule,
        UnknownPathModule,
      ],
      controllers: [HealthController, JwksController, DashboardConfigController],
      providers: [
        Startup,
        { provide: APP_FILTER, useClass: FaultFilter },
        ...GUARDS.map((guard) => ({ provide: APP_GUARD, useClass: guard })),
      ],
    };
  }

  onModuleInit(): void {
    assertRoutesDeclared(this.discovery, this.scanner, this.dialects);
  }
}

@Module({})
class SettingsModule {}

/** Last, so that every real route was there before. */
@Module({ imports: [DiscoveryModule], controllers: [UnknownPathController], providers: [ServedMethods] })
class UnknownPathModule {}
