import { group, integer } from './setting-definition.js';

const ledger = group('Ledger').define;

/** How calls are recorded, and what dead processes left is found. */
export const LEDGER_SETTINGS = {
  leaseSeconds: ledger(
    'GATEHOUSE_LEASE_SECONDS',
    integer(1, 3600),
    "How long a process's reservations stay its own after its last sign of life. It renews every quarter of that.",
    { fallback: '20' },
  ),
  sweepSeconds: ledger(
    'GATEHOUSE_SWEEP_SECONDS',
    integer(1, 3600),
    'How often the service looks for calls that a dead process left open.',
    { fallback: '10' },
  ),
  admissionWaitMs: ledger(
    'GATEHOUSE_ADMISSION_WAIT_MS',
    integer(0, 60_000),
    'Longest that a call waits for room in a budget that open calls hold; then it is answered 429 `usage_limit_busy`.',
    { fallback: '3000' },
  ),
  ledgerQueueLimit: ledger(
    'GATEHOUSE_LEDGER_QUEUE_LIMIT',
    integer(1, 10_000_000),
    'Most settlements that wait for the database; beyond it new calls answer 503.',
    { fallback: '10000' },
  ),
} as const;
