export { AuditModule } from './audit.module.js';
export { ImpersonationAuditGuard } from './impersonation-audit.guard.js';
