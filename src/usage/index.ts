export { ProcessLease } from './ledger/process-lease.js';
export { UsageLedger } from './ledger/usage-ledger.js';
export { UsageModule } from './usage.module.js';
export type { Admission, DefaultOutput, Outcome, Reservation, Settlement, TokenPrice } from './ledger/usage.types.js';
