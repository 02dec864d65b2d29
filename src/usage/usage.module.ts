import { Module } from '@nestjs/common';
import { HumansModule } from '../humans/index.js';
import { ProcessLease } from './process-lease.js';
import { UsageLedger } from './usage-ledger.js';
import { UsageQueryController } from './usage-query.controller.js';
import { UsageQueryRepository } from './usage-query.repository.js';
import { UsageQueryService } from './usage-query.service.js';
import { UsageReportsController } from './usage-reports.controller.js';
import { UsageReportsRepository } from './usage-reports.repository.js';
import { UsageReportsService } from './usage-reports.service.js';
import { UsageTokenDirectory } from './usage-token.directory.js';
import { UsageTokenJwt } from './usage-token.jwt.js';
import { UsageTokenPruner } from './usage-token.pruner.js';
import { UsageTokenStrategy } from './usage-token.strategy.js';
import { OlderUsageTokensController, UsageTokensController } from './usage-tokens.controller.js';
import { UsageTokensRepository } from './usage-tokens.repository.js';
import { UsageTokensService } from './usage-tokens.service.js';

@Module({
  imports: [HumansModule],
  controllers: [UsageQueryController, UsageReportsController, UsageTokensController, OlderUsageTokensController],
  providers: [
    ProcessLease,
    UsageLedger,
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
  exports: [UsageLedger],
})
export class UsageModule {}
