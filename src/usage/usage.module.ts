import { Module } from '@nestjs/common';
import { HumansModule } from '../humans/index.js';
import { ProcessLease } from './process-lease.js';
import { UsageLedger } from './usage-ledger.js';
import { UsageTokenDirectory } from './usage-token.directory.js';
import { UsageTokenJwt } from './usage-token.jwt.js';
import { UsageTokenPruner } from './usage-token.pruner.js';
import { UsageTokenStrategy } from './usage-token.strategy.js';
import { OlderUsageTokensController, UsageTokensController } from './usage-tokens.controller.js';
import { UsageTokensRepository } from './usage-tokens.repository.js';
import { UsageTokensService } from './usage-tokens.service.js';

@Module({
  imports: [HumansModule],
  controllers: [UsageTokensController, OlderUsageTokensController],
  providers: [
    ProcessLease,
    UsageLedger,
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
