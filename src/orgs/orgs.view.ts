import { formatTimestamp } from '../platform/protojson/index.js';
import type { OrgRecord } from './orgs.repository.js';

/** An org as its people see it from one of its tenants. */
export function viewOrg({ id, name, slug, createdAt }: OrgRecord, tenantId: string): object {
  return { id, tenantId, name, slug, createdAt: formatTimestamp(createdAt) };
}
