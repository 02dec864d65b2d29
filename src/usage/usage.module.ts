import { Module } from '@nestjs/common';
import { HumansModule } from '../humans/index.js';
import { Allowances } from '../limits/index.js';
import { Dialects, OPENAI_DIALECT } from '../platform/http/index.js';
import { CallLog } from './calls/call-log.js';
import { CallNames } from './calls/call-names.js';
import { UsageCallsController } from './calls/usage-calls.controller.js';
import { UsageCallsService } from './calls/usage-calls.service.js';
import { CallerAllowances } from './ledger/caller-allowances.js';
import { HumansSeen } from './ledger/humans-seen.js';
import { LedgerPartitions } from './ledger/ledger-partitions.js';
import { LedgerRetention } from './ledger/ledger-retention.js';
import { ProcessLease } from './ledger/process-lease.js';
import { UsageLedger } from './ledger/usage-ledger.js';
import { UsageQueryController } from './query/usage-query.controller.js';
import { UsageQueryRepository } from './query/usage-query.repository.js';
import { UsageQueryService } from './query/usage-query.service.js';
import { UsageReportsController } from './reports/usage-reports.controller.js';
import { UsageReportsRepository } from './reports/usage-reports.repository.js';
import { UsageReportsService } from './reports/usage-reports.service.js';
import { UsageTokenDirectory } from './tokens/usage-token.directory.js';
import { UsageTokenJwt } from './tokens/usage-token.jwt.js';
import { UsageTokenPruner } from './tokens/usage-token.pruner.js';
import { UsageTokenStrategy } from './tokens/usage-token.strategy.js';
import { TenantUsageTokensController } from './tokens/tenant-usage-tokens.controller.js';
import { TenantUsageTokensRepository } from './tokens/tenant-usage-tokens.repository.js';
import { TenantUsageTokensService } from './tokens/tenant-usage-tokens.service.js';
import { OlderUsageTokensController, UsageTokensController } from './tokens/usage-tokens.controller.js';
import { UsageTokensRepository } from './tokens/usage-tokens.repository.js';
import { UsageTokensService } from './tokens/usage-tokens.service.js';

@Module({
  imports: [HumansModule],
  controllers: [
    UsageQueryController,
    UsageCallsController,
    UsageReportsController,
    UsageTokensController,
    OlderUsageTokensController,
    TenantUsageTokensController,
  ],
  providers: [
    { provide: Allowances, useClass: CallerAllowances },
    CallLog,
    CallNames,
    HumansSeen,
    LedgerPartitions,
    LedgerRetention,
    ProcessLease,
    UsageLedger,
    TenantUsageTokensRepository,
    TenantUsageTokensService,
    UsageCallsService,
    UsageQueryRepository,
    UsageQueryService,
    UsageReportsRepository,
    UsageReportsService,
    UsageTokenDirectory,
    UsageTokenJwt,
    UsageTokenPruner,
    UsageTokenStrategy,
    UsageTokensRepository,
    UsageTokensService,
  ],
  exports: [Allowances, CallLog, ProcessLease, UsageLedger],
})
export class UsageModule {
  constructor(dialects: Dialects) {
    dialects.register(OPENAI_DIALECT);
  }
}
