import { group, integer, zeroOr } from './setting-definition.js';

const ledger = group('Ledger').define;

/** How calls are recorded, and how those of dead processes are found. */
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
  ledgerRetentionDays: ledger(
    'GATEHOUSE_LEDGER_RETENTION_DAYS',
    zeroOr(35, 36_500),
    'How many days calls and reports of usage are kept at least, 35 or more: a month of the ledger that is older as a whole is ' +
      'dropped, and its sums stay. 0: for ever.',
    { fallback: '0' },
  ),
  auditRetentionDays: ledger(
    'GATEHOUSE_AUDIT_RETENTION_DAYS',
    zeroOr(30, 36_500),
    'How many days events of the audit log are kept, 30 or more. 0: for ever.',
    { fallback: '0' },
  ),
} as const;
