export { inviteFirstOwner } from './first-owner.js';
export { invitationLink } from './invitation-tokens.js';
export { OrgFounding } from './org-founding.js';
export { OrgsModule } from './orgs.module.js';
export { OrgsService } from './orgs.service.js';
