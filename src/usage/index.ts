export { ProcessLease } from './process-lease.js';
export { UsageLedger } from './usage-ledger.js';
export { UsageModule } from './usage.module.js';
export type { Admission, Outcome, Reservation, Settlement, TokenPrice } from './usage.types.js';
