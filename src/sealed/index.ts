export { SealedModule } from './sealed.module.js';
export { SealedQuotasGuard } from './sealed-quotas.guard.js';
export { tokenIdOf } from './sealed-token.js';
