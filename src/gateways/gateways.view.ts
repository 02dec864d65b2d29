import type { PlainBudget } from '../limits/index.js';
import type { ProviderKind, ProviderRecord, ProviderSettings } from '../llm/index.js';
import { formatTimestamp } from '../platform/protojson/index.js';
import type { GatewayView } from './gateways.dto.js';
import type { GatewayRecord } from './gateways.repository.js';
import { viewRateLimit } from './rate-limit.js';

/** A gateway with what other rooms keep of it. */
export interface WholeGateway {
  readonly record: GatewayRecord;
  readonly providers: readonly ProviderRecord[];
  readonly budgets: readonly PlainBudget[];
}

export function viewGateway({ record, providers, budgets }: WholeGateway): GatewayView {
  return {
    id: record.id,
    name: record.name,
    authenticated: record.authenticated,
    providers: providers.map(viewProvider),
    rateLimit: viewRateLimit(budgets),
    cache: { ttlSeconds: record.cacheTtlSeconds ?? 0, maxBytes: String(record.cacheMaxBytes) },
    bodies: { retentionDays: record.bodyRetentionDays ?? 0 },
    createdAt: formatTimestamp(record.createdAt),
    updatedAt: formatTimestamp(record.updatedAt),
  };
}

function viewProvider({ kind, name, baseUrl, models, settings, credentialsSetAt }: ProviderRecord) {
  return {
    provider: kind as ProviderKind,
    name,
    ...(baseUrl === null ? {} : { endpoint: baseUrl }),
    models,
    settings: settings as ProviderSettings,
    ...(credentialsSetAt === null ? {} : { apiKeySetAt: formatTimestamp(credentialsSetAt) }),
  };
}
