import { Global, Module } from '@nestjs/common';
import { Database, queueState } from '../platform/database/index.js';
import { Metrics } from '../platform/metrics/index.js';
import { ClaimWrites } from './claim-writes.js';
import { ClaimWritesRepository } from './claim-writes.repository.js';
import { DashboardStrategies } from './dashboard.strategy.js';
import { CachedMembershipDirectory, MembershipDirectory } from './membership-directory.js';

/** The dashboard's sign-in. The composition root provides its issuers and the writer of their claims, by mode. */
@Global()
@Module({
  providers: [
    ClaimWrites,
    ClaimWritesRepository,
    DashboardStrategies,
    { provide: MembershipDirectory, useClass: CachedMembershipDirectory },
  ],
  exports: [ClaimWrites, ClaimWritesRepository, MembershipDirectory],
})
export class SigninModule {
  constructor(database: Database, metrics: Metrics) {
    metrics.queue('claims', () => queueState(database, 'claim'));
  }
}
