import { group, integer } from './setting-definition.js';

const shares = group('Shares').define;

/** What many tenants share, and how much of it one of them may have. */
export const SHARE_SETTINGS = {
  providerCalls: shares(
    'GATEHOUSE_PROVIDER_CALLS',
    integer(2, 100_000),
    'Most calls that one process has under way, streams and calls whose caller has left included; so many connections one ' +
      'provider gets. Beyond it calls answer 503.',
    { fallback: '512' },
  ),
  tenantCalls: shares(
    'GATEHOUSE_TENANT_CALLS',
    integer(1, 100_000),
    'Of these, most of one tenant; beyond it calls answer 429. Whatever this says, one tenant and one org get at most twice ' +
      'what is still free, so that others find a place.',
    { fallback: '256' },
  ),
  orgCalls: shares('GATEHOUSE_ORG_CALLS', integer(1, 100_000), 'Of these, most of all tenants of one org together.', {
    fallback: '320',
  }),
  tenantQueries: shares(
    'GATEHOUSE_TENANT_QUERIES',
    integer(1, 500),
    "Most connections of `DATABASE_POOL_SIZE` that one tenant's management, reports and queries use at once. Further ones wait.",
    { fallback: '4' },
  ),
  orgQueries: shares(
    'GATEHOUSE_ORG_QUERIES',
    integer(1, 500),
    'The same of all tenants of one org together. At most one less than `DATABASE_POOL_SIZE`.',
    { fallback: '6' },
  ),
  tenantQueriesWaiting: shares(
    'GATEHOUSE_TENANT_QUERIES_WAITING',
    integer(0, 100_000),
    'How many of one tenant wait for such a connection; of one org four times as many. Further ones answer 429.',
    { fallback: '200' },
  ),
  tenantQueriesRestingFrom: shares(
    'GATEHOUSE_TENANT_QUERIES_RESTING_FROM',
    integer(0, 100_000),
    'While more than so many of one tenant wait, each of its connections rests after each query: three times as long as the ' +
      'query took, at most 100 ms. So a flood of short queries leaves the processors to other tenants.',
    { fallback: '16' },
  ),
  queryWaitMs: shares(
    'GATEHOUSE_QUERY_WAIT_MS',
    integer(10, 60_000),
    'Longest wait for such a connection; then 429 where it is the own share that is full, else 503.',
    { fallback: '5000' },
  ),
  usageQueries: shares(
    'GATEHOUSE_USAGE_QUERIES',
    integer(2, 500),
    'Most sums over the ledger (`usage/query`) that one process has added up at once.',
    { fallback: '2' },
  ),
  orgUsageQueries: shares(
    'GATEHOUSE_ORG_USAGE_QUERIES',
    integer(1, 500),
    'Of these, most of one org, and so of one tenant. At most one less than `GATEHOUSE_USAGE_QUERIES`.',
    { fallback: '1' },
  ),
  tenantUsageQueriesWaiting: shares(
    'GATEHOUSE_TENANT_USAGE_QUERIES_WAITING',
    integer(0, 10_000),
    'How many of one tenant wait for their turn, at most twice `GATEHOUSE_QUERY_WAIT_MS`; of one org four times as many. ' +
      'Further ones answer 429.',
    { fallback: '4' },
  ),
  refusalsPerSecond: shares(
    'GATEHOUSE_REFUSALS_PER_SECOND',
    integer(1, 1_000_000),
    'Most requests that one process refuses in a second (answers 400 to 499 of its own), of all callers together. Beyond it the answers wait: ' +
      'tenants, and addresses of callers without a valid credential, take turns. So a flood of refused requests leaves the ' +
      'processor to the calls of others.',
    { fallback: '500' },
  ),
  refusalsWaiting: shares(
    'GATEHOUSE_REFUSALS_WAITING',
    integer(4, 1_000_000),
    'How many such answers wait at most: of one tenant or address a quarter, of all callers without a valid credential half. The ' +
      'connection of a further one is closed.',
    { fallback: '10000' },
  ),
  maxConnections: shares(
    'GATEHOUSE_MAX_CONNECTIONS',
    integer(1, 1_000_000),
    'Most connections of callers that one process has open; a further one is closed at once. Keep it below the limit of open files ' +
      '(`ulimit -n`), less the connections to providers and to Postgres.',
    { fallback: '20000' },
  ),
  mostRequestsPerMinute: shares(
    'GATEHOUSE_MOST_REQUESTS_PER_MINUTE',
    integer(1, 1_000_000_000),
    'Most requests a minute that a tenant may set for a key or for its humans; keys that say more, from before, get this.',
    { fallback: '60000' },
  ),
} as const;
