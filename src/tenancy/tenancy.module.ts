import { Global, Module } from '@nestjs/common';
import { ClaimWrites } from './claim-writes.js';
import { ClaimWritesRepository } from './claim-writes.repository.js';
import { DashboardStrategies } from './dashboard.strategy.js';
import { InvitationsController } from './invitations.controller.js';
import { InvitationsRepository } from './invitations.repository.js';
import { InvitationsService } from './invitations.service.js';
import { CachedMembershipDirectory, MembershipDirectory } from './membership-directory.js';
import { MembersController } from './members.controller.js';
import { MembersRepository } from './members.repository.js';
import { MembersService } from './members.service.js';
import { OrgTransactions } from './org-transactions.js';
import { OrgsController } from './orgs.controller.js';
import { OrgsRepository } from './orgs.repository.js';
import { OrgsService } from './orgs.service.js';
import { TenantsController } from './tenants.controller.js';
import { TenantsRepository } from './tenants.repository.js';
import { TenantsService } from './tenants.service.js';

/** Orgs, tenants and people. ClaimsWriter and the dashboard's issuers come from the composition root, by mode. */
@Global()
@Module({
  controllers: [OrgsController, MembersController, InvitationsController, TenantsController],
  providers: [
    OrgTransactions,
    OrgsService,
    OrgsRepository,
    MembersService,
    MembersRepository,
    InvitationsService,
    InvitationsRepository,
    TenantsService,
    TenantsRepository,
    ClaimWrites,
    ClaimWritesRepository,
    DashboardStrategies,
    { provide: MembershipDirectory, useClass: CachedMembershipDirectory },
  ],
  exports: [OrgsService, MembershipDirectory],
})
export class TenancyModule {}
