/**
 * Every metric of the service, defined once: its type, labels and meaning; docs/operations/metrics.md is generated from here.
 * Rooms only report numbers. Labels take few values, whatever callers send: never a tenant, a key, a human or a text.
 */

export interface MetricDefinition {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels?: readonly string[];
  /** For a histogram, in its unit. */
  readonly buckets?: readonly number[];
}

const REQUEST_SECONDS = [0.005, 0.02, 0.1, 0.5, 2, 10, 60, 600];
const FIRST_BYTE_SECONDS = [0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 120];
const TRY_SECONDS = [0.1, 0.5, 1, 2, 5, 10, 30, 60, 180, 600];

const MODEL = '`model` is a model of the catalogue or of GATEHOUSE_MODELS, else `other`.';

export const METRICS = {
  gatehouse_http_requests_total: {
    type: 'counter',
    help: 'Requests answered, by route and status.',
    labels: ['route', 'status'],
  },
  gatehouse_http_request_duration_seconds: {
    type: 'histogram',
    help: 'From the first byte of a request to the last of its answer.',
    labels: ['route'],
    buckets: REQUEST_SECONDS,
  },
  gatehouse_http_requests_open: { type: 'gauge', help: 'Requests and calls that are open now.' },
  gatehouse_http_bodies_open: {
    type: 'gauge',
    help: 'Request bodies that are in memory now; their bytes are `gatehouse_share_taken{share="body_bytes"}`.',
  },
  gatehouse_http_connections_open: { type: 'gauge', help: 'Connections of callers that are open now.' },
  gatehouse_http_connections_dropped_total: {
    type: 'counter',
    help: 'Connections that were closed at once, since GATEHOUSE_MAX_CONNECTIONS were open.',
  },
  gatehouse_failed_authentications_total: {
    type: 'counter',
    help: 'Callers that could not be authenticated, by the real reason.',
    labels: ['reason'],
  },

  gatehouse_calls_total: {
    type: 'counter',
    help: 'Calls that are over, by operation, by how they ended, and by how many tries they took: 1, 2, 3 or `more`.',
    labels: ['operation', 'outcome', 'tries'],
  },
  gatehouse_provider_tries_total: {
    type: 'counter',
    help: `Tries of model providers, by the provider's kind, the model and how they ended. ${MODEL}`,
    labels: ['provider', 'model', 'outcome'],
  },
  gatehouse_provider_retries_total: {
    type: 'counter',
    help: "Tries that failed and were followed by another one, by the provider's kind and the reason.",
    labels: ['provider', 'reason'],
  },
  gatehouse_provider_tries_open: {
    type: 'gauge',
    help: "Tries that providers answer now, by the provider's kind.",
    labels: ['provider'],
  },
  gatehouse_provider_first_byte_seconds: {
    type: 'histogram',
    help: `From sending a try to the first of its answer that the caller gets: of one that is not a stream, all of it. ${MODEL}`,
    labels: ['provider', 'model'],
    buckets: FIRST_BYTE_SECONDS,
  },
  gatehouse_provider_try_duration_seconds: {
    type: 'histogram',
    help: `From sending a try to its end, whatever the outcome. ${MODEL}`,
    labels: ['provider', 'model'],
    buckets: TRY_SECONDS,
  },
  gatehouse_provider_circuits_open: {
    type: 'gauge',
    help: 'Targets of routes that are passed over now, since they failed too often in a row.',
  },
  gatehouse_provider_circuits_opened_total: {
    type: 'counter',
    help: 'How often a target of a route came to be passed over.',
  },
  gatehouse_tokens_total: {
    type: 'counter',
    help:
      'Tokens as the ledger charges them, by type: input, output, and of these cached_input, cache_write and reasoning. ' +
      MODEL,
    labels: ['provider', 'model', 'type'],
  },
  gatehouse_cost_usd_total: {
    type: 'counter',
    help: `What calls cost, in US dollars; calls of models without a known price add nothing. ${MODEL}`,
    labels: ['provider', 'model'],
  },
  gatehouse_runs_live: { type: 'gauge', help: 'Runs of threads that this process answers now.' },

  gatehouse_ledger_admissions_refused_total: {
    type: 'counter',
    help: 'Calls that were not admitted, by the limit or the reason.',
    labels: ['reason'],
  },
  gatehouse_ledger_waiting_calls: {
    type: 'gauge',
    help: 'Calls that wait for room in a budget that open calls hold.',
  },
  gatehouse_ledger_waiting_budgets: { type: 'gauge', help: 'Budgets that such calls wait for.' },
  gatehouse_ledger_pending_settlements: { type: 'gauge', help: 'Settlements that wait for the database.' },
  gatehouse_ledger_orphans_swept_total: {
    type: 'counter',
    help: 'Calls that a dead process left open and that were charged whole.',
  },
  gatehouse_ledger_overruns_total: {
    type: 'counter',
    help: 'Calls under a limit that used more than was reserved for them.',
  },

  gatehouse_share_most: {
    type: 'gauge',
    help: 'How much of what tenants share one process has: calls to providers, database connections, look-ups of credentials, usage queries, bytes of bodies.',
    labels: ['share'],
  },
  gatehouse_share_taken: { type: 'gauge', help: 'How much of it is taken now.', labels: ['share'] },
  gatehouse_share_waiting: { type: 'gauge', help: 'How many wait for some of it.', labels: ['share'] },
  gatehouse_share_resting: {
    type: 'gauge',
    help: 'How much of it pauses, since many of the same tenant wait.',
    labels: ['share'],
  },
  gatehouse_share_refused_total: {
    type: 'counter',
    help: 'Work that was refused since a tenant, an org or all together had as much of it as may be.',
    labels: ['share'],
  },

  gatehouse_refusals_waiting: {
    type: 'gauge',
    help: 'Refused requests whose answers wait, since more are refused than GATEHOUSE_REFUSALS_PER_SECOND.',
  },
  gatehouse_refusals_delayed_total: { type: 'counter', help: 'Refused requests whose answers had to wait.' },
  gatehouse_refusals_dropped_total: {
    type: 'counter',
    help: 'Refused requests whose connections were closed without an answer, since GATEHOUSE_REFUSALS_WAITING was reached.',
  },

  gatehouse_database_connections: {
    type: 'gauge',
    help: 'Connections to Postgres, by pool (`calls`, `other`) and state (`in_use`, `idle`).',
    labels: ['pool', 'state'],
  },
  gatehouse_database_connections_most: {
    type: 'gauge',
    help: 'The most connections that a pool opens.',
    labels: ['pool'],
  },
  gatehouse_database_waiting: { type: 'gauge', help: 'Statements that wait for a connection.', labels: ['pool'] },
  gatehouse_listener_up: {
    type: 'gauge',
    help: '1 while revocations are heard; 0: each credential is looked up in the database.',
  },
  gatehouse_listener_losses_total: {
    type: 'counter',
    help: 'How often the listener of revocations lost its connection.',
  },
  gatehouse_redis_up: {
    type: 'gauge',
    help: '1 while Redis counts request windows; 0: Postgres counts them. Absent without REDIS_URL.',
  },

  gatehouse_queue_depth: {
    type: 'gauge',
    help:
      'What is due in a queue of all replicas, at most 100,000: `webhooks` deliveries, `runs` that wait for their thread, ' +
      '`claims` that wait to be written to accounts of the sign-in, and with GATEHOUSE_LEDGER_RETENTION_DAYS months of the `ledger` ' +
      'that wait to be dropped. Read at most every 10 seconds.',
    labels: ['queue'],
  },
  gatehouse_queue_oldest_seconds: {
    type: 'gauge',
    help: 'How long the oldest of a queue has been due.',
    labels: ['queue'],
  },
  gatehouse_retention_dropped_total: {
    type: 'counter',
    help: 'Rows that this process dropped since they are older than they are kept: `calls`, `reports` of usage, `audit_events`.',
    labels: ['what'],
  },
  gatehouse_webhook_attempts_total: {
    type: 'counter',
    help: 'Attempts of webhook deliveries: delivered, retried (failed, and tried again), failed (for good).',
    labels: ['outcome'],
  },

  gatehouse_secret_newest_version: {
    type: 'gauge',
    help: 'The version that new secrets are stored under, by `pepper` and `encryption_key`.',
    labels: ['secret'],
  },
  gatehouse_stored_secrets: {
    type: 'gauge',
    help:
      'Stored secrets by the version of the pepper (`api_keys`, `gateway_tokens`) or of the encryption key (`data_keys`, ' +
      '`webhook_secrets`) that they need. Read at most every 10 minutes.',
    labels: ['stored', 'version'],
  },
} as const satisfies Readonly<Record<`gatehouse_${string}`, MetricDefinition>>;

export type MetricName = keyof typeof METRICS;
