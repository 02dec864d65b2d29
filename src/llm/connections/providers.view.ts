import { formatTimestamp } from '../../platform/protojson/index.js';
import type { ProviderKind, ProviderSettings } from '../providers/provider-factory.js';
import type { ProviderView } from './providers.dto.js';
import type { ProviderRecord } from './providers.repository.js';

export function viewProvider(record: ProviderRecord): ProviderView {
  return {
    providerId: record.id,
    name: record.name,
    kind: record.kind as ProviderKind,
    ...(record.baseUrl === null ? {} : { baseUrl: record.baseUrl }),
    models: record.models,
    settings: record.settings as ProviderSettings,
    status: record.enabled ? 'ENABLED' : 'DISABLED',
    ...(record.credentialsSetAt === null ? {} : { credentialsSetAt: formatTimestamp(record.credentialsSetAt) }),
    createdAt: formatTimestamp(record.createdAt),
    updatedAt: formatTimestamp(record.updatedAt),
  };
}
