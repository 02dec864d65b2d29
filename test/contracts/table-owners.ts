/** Which room owns which tables, as data: table-owners.spec.ts checks the sources against it. */

/** Rooms, and the tables that only they read and write. A file belongs to the room with the longest path. */
export const TABLES: Readonly<Record<string, readonly string[]>> = {
  'src/platform/encryption': ['tenant_data_keys'],
  'src/platform/idempotency': ['idempotency_keys'],
  'src/audit': ['audit_events'],
  'src/webhooks': [
    'webhook_endpoints',
    'webhook_subscriptions',
    'webhook_secrets',
    'webhook_events',
    'webhook_deliveries',
  ],
  'src/limits/budgets': ['budgets', 'budget_epochs'],
  'src/limits/windows': ['rate_windows'],
  'src/signin': ['claim_writes'],
  'src/orgs': ['users', 'orgs', 'tenants', 'memberships', 'invitations'],
  'src/keys': ['api_keys', 'api_key_retired_secrets', 'pepper_checks'],
  'src/humans': ['humans'],
  'src/usage/ledger': ['usage_records', 'usage_records_retired', 'usage_months', 'usage_rollups', 'process_leases'],
  'src/usage/reports': ['usage_reports'],
  'src/usage/tokens': ['usage_tokens'],
  'src/llm/runs': ['runs', 'thread_messages', 'run_deltas'],
  'src/llm/threads': ['threads'],
  'src/llm/connections': ['llm_providers'],
  'src/llm/models': ['llm_model_overrides'],
  'src/llm/contexts': ['llm_contexts', 'llm_context_messages'],
  'src/sealed': ['sealed_quotas', 'sealed_revocations'],
  'src/llm/responses': ['llm_responses'],
  'src/llm/routing': ['llm_routes', 'llm_route_targets'],
  'src/gateways': ['gateways', 'gateway_tokens', 'gateway_cache_entries', 'gateway_cache_sizes', 'gateway_call_bodies'],
};

export interface Exception {
  readonly file: string;
  readonly tables: readonly string[];
  readonly reason: string;
}

/** Files whose statements name another room's tables. All others ask the owner, by TypeScript or by its functions. */
export const EXCEPTIONS: readonly Exception[] = [
  {
    file: 'src/app/cli/operator.commands.ts',
    tables: ['tenants', 'orgs', 'memberships', 'api_keys', 'llm_providers', 'gateways', 'usage_records'],
    reason: 'An operator at the command line sees all tenants, as a role that no room and no request has.',
  },
  {
    file: 'src/platform/database/database.ts',
    tables: ['tenants'],
    reason: 'A transaction that changes a tenant holds it against deletion first; every room writes by it.',
  },
  {
    file: 'src/audit/audit.repository.ts',
    tables: ['humans'],
    reason: 'A page shows the own id of each event’s human, and filters by it: a join, or a query for each event.',
  },
  {
    file: 'src/humans/humans.repository.ts',
    tables: ['budgets'],
    reason:
      'An erasure locks the budgets that the foreign key takes away, in the order in which every call locks them.',
  },
  {
    file: 'src/limits/budgets/budgets.repository.ts',
    tables: ['api_keys', 'humans'],
    reason: 'A budget is set for a key or a human that exists, and a page shows the own id of each human.',
  },
  {
    file: 'src/llm/runs/runs.repository.ts',
    tables: ['threads'],
    reason: 'A run is found in threads of one owner alone: one look, so that another’s is answered as a missing one.',
  },
  {
    file: 'src/llm/contexts/contexts.repository.ts',
    tables: ['humans'],
    reason: 'A context belongs to the stored id of a human, and its caller is known by the own one.',
  },
  {
    file: 'src/usage/ledger/caller-allowances.ts',
    tables: ['budgets', 'humans'],
    reason: 'One look says whether a caller has nothing left, before its body is read; admit_usage decides.',
  },
  {
    file: 'src/usage/calls/call-log.ts',
    tables: ['usage_records'],
    reason: 'The log of calls is the ledger, read one row after another.',
  },
  {
    file: 'src/usage/calls/call-names.ts',
    tables: ['api_keys', 'humans', 'gateways'],
    reason: 'A page of calls shows names beside ids: one look for all of it, and gateways come after usage.',
  },
  {
    file: 'src/usage/query/usage-query-statement.ts',
    tables: [
      ...['usage_records', 'usage_records_retired', 'usage_rollups', 'usage_reports'],
      ...['humans', 'api_keys', 'gateways'],
    ],
    reason: 'Sums of the two halves of the ledger, in one statement, with names beside ids.',
  },
  {
    file: 'src/usage/query/usage-query.repository.ts',
    tables: ['humans'],
    reason: 'A filter names a human by their own id, and the statement wants the stored one.',
  },
  {
    file: 'src/keys/keys.repository.ts',
    tables: ['users'],
    reason: 'A page of keys shows the address of each key’s creator: one look for all of it.',
  },
  {
    file: 'src/usage/tokens/tenant-usage-tokens.repository.ts',
    tables: ['humans', 'api_keys'],
    reason:
      'A page of tokens shows and filters by the human’s own id and the key’s name, and a token is over with its key.',
  },
  {
    file: 'src/usage/tokens/usage-tokens.repository.ts',
    tables: ['humans', 'api_keys', 'tenants'],
    reason: 'A token lives as long as its key and its human; one statement locks and changes all that are live.',
  },
];
