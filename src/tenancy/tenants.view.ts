import { formatTimestamp } from '../platform/http/index.js';
import type { TenantRecord } from './tenants.repository.js';

/** A tenant as somebody sees it whose token is for `currentTenantId`. */
export function viewTenant({ id, name, createdAt }: TenantRecord, currentTenantId: string): object {
  return { id, name, createdAt: formatTimestamp(createdAt), current: id === currentTenantId };
}
