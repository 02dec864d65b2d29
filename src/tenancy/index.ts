export { ClaimsWriter, UnknownUserError, mergeClaims, type DashboardClaims } from './claims-writer.js';
export { DashboardModule } from './dashboard.module.js';
export { DASHBOARD_ISSUERS, type DashboardIssuer } from './dashboard.strategy.js';
export { firebaseAccounts } from './firebase-account-status.js';
export { FirebaseAdmin, type FirebaseAdminOptions } from './firebase-admin.js';
export { FirebaseAdminModule } from './firebase-admin.module.js';
export { FirebaseClaimsWriter } from './firebase-claims-writer.js';
export { firebaseIssuer } from './firebase-issuer.js';
export { MembershipDirectory, type Membership } from './membership-directory.js';
export { OrgsService } from './orgs.service.js';
export { TenancyModule } from './tenancy.module.js';
export {
  LIMIT_TYPES,
  usageLimitChanges,
  exactAmount,
  unitsOf,
  usageLimits,
  usageLimitView,
  viewLimits,
  type LimitType,
  type StoredLimit,
} from './usage-limits.js';
