export { ProcessLease } from './process-lease.js';
export { UsageLedger } from './usage-ledger.js';
export { UsageModule } from './usage.module.js';
export type { Outcome, Reservation, Settlement } from './usage.types.js';
