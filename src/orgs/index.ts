export { OrgFounding } from './org-founding.js';
export { OrgsModule } from './orgs.module.js';
export { OrgsService } from './orgs.service.js';
