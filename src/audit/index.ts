export { AuditWriter } from './audit-writer.js';
export { auditPruning } from './audit.pruner.js';
export { AuditModule } from './audit.module.js';
export { ImpersonationAuditGuard } from './impersonation-audit.guard.js';
