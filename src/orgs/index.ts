export { OrgsModule } from './orgs.module.js';
export { OrgsService } from './orgs.service.js';
