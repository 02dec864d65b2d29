import { Global, Module } from '@nestjs/common';
import { ClaimWrites } from './claim-writes.js';
import { DashboardStrategies } from './dashboard.strategy.js';
import { CachedMembershipDirectory, MembershipDirectory } from './membership-directory.js';
import { OrgsController } from './orgs.controller.js';
import { OrgsRepository } from './orgs.repository.js';
import { OrgsService } from './orgs.service.js';

/** Orgs, tenants and people. ClaimsWriter and the dashboard's issuers come from the composition root, by mode. */
@Global()
@Module({
  controllers: [OrgsController],
  providers: [
    OrgsService,
    OrgsRepository,
    ClaimWrites,
    DashboardStrategies,
    { provide: MembershipDirectory, useClass: CachedMembershipDirectory },
  ],
  exports: [OrgsService, MembershipDirectory],
})
export class TenancyModule {}
