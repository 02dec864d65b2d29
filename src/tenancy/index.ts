export { ClaimsWriter, UnknownUserError, mergeClaims, type DashboardClaims } from './claims-writer.js';
export { DashboardModule } from './dashboard.module.js';
export type { DashboardIssuer } from './dashboard.strategy.js';
export { FirebaseClaimsWriter } from './firebase-claims-writer.js';
export { firebaseIssuer } from './firebase-issuer.js';
export { MembershipDirectory, type Membership } from './membership-directory.js';
export { OrgsService } from './orgs.service.js';
export { TenancyModule } from './tenancy.module.js';
