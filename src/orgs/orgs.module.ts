import { Global, Module } from '@nestjs/common';
import { InvitationsController } from './invitations.controller.js';
import { InvitationsRepository } from './invitations.repository.js';
import { InvitationsService } from './invitations.service.js';
import { MeController } from './me.controller.js';
import { MembersController } from './members.controller.js';
import { MembersRepository } from './members.repository.js';
import { MembersService } from './members.service.js';
import { OrgFounding } from './org-founding.js';
import { OrgTransactions } from './org-transactions.js';
import { OrgsController } from './orgs.controller.js';
import { OrgsRepository } from './orgs.repository.js';
import { OrgsService } from './orgs.service.js';
import { TenantsController } from './tenants.controller.js';
import { TenantsRepository } from './tenants.repository.js';
import { TenantsService } from './tenants.service.js';

/** Orgs, tenants, members and invitations. */
@Global()
@Module({
  controllers: [OrgsController, MeController, MembersController, InvitationsController, TenantsController],
  providers: [
    OrgTransactions,
    OrgFounding,
    OrgsService,
    OrgsRepository,
    MembersService,
    MembersRepository,
    InvitationsService,
    InvitationsRepository,
    TenantsService,
    TenantsRepository,
  ],
  exports: [OrgsService],
})
export class OrgsModule {}
