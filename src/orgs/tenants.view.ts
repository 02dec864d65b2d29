import { formatTimestamp } from '../platform/protojson/index.js';
import type { TenantRecord } from './tenants.repository.js';
import { viewLimits } from '../limits/index.js';

/** A tenant as a user sees it whose token is for `currentTenantId`. */
export function viewTenant(tenant: TenantRecord, currentTenantId: string): object {
  const { id, name, createdAt, defaultLimits, defaultOutputTokens, threadRetentionDays } = tenant;
  return {
    id,
    name,
    createdAt: formatTimestamp(createdAt),
    defaultLimits: viewLimits(defaultLimits),
    ...(defaultOutputTokens === null ? {} : { defaultOutputTokens }),
    ...(threadRetentionDays === null ? {} : { threadRetentionDays }),
    current: id === currentTenantId,
  };
}
