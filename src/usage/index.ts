export { CALL_STATUSES, CallLog, statusOf, type CallRecord } from './calls/call-log.js';
export { keepLedger } from './ledger/ledger-retention.js';
export { ProcessLease, sweepUsage } from './ledger/process-lease.js';
export { UsageLedger } from './ledger/usage-ledger.js';
export { UsageQueryService } from './query/usage-query.service.js';
export { UsageModule } from './usage.module.js';
export type { Admission, DefaultOutput, Outcome, Reservation, Settlement, TokenRoom } from './ledger/usage.types.js';
