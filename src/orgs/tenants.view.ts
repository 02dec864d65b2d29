import { formatTimestamp } from '../platform/protojson/index.js';
import type { TenantRecord } from './tenants.repository.js';
import { viewLimits } from '../limits/index.js';

/** A tenant as somebody sees it whose token is for `currentTenantId`. */
export function viewTenant({ id, name, createdAt, defaultLimits }: TenantRecord, currentTenantId: string): object {
  return {
    id,
    name,
    createdAt: formatTimestamp(createdAt),
    defaultLimits: viewLimits(defaultLimits),
    current: id === currentTenantId,
  };
}
