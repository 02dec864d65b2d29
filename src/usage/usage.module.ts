import { Module } from '@nestjs/common';
import { ProcessLease } from './process-lease.js';
import { UsageLedger } from './usage-ledger.js';

@Module({ providers: [ProcessLease, UsageLedger], exports: [UsageLedger] })
export class UsageModule {}
