import { csvLine, textCell } from '../platform/csv/index.js';
import { formatTimestamp } from '../platform/protojson/index.js';
import type { AuditEventRecord } from './audit.repository.js';

type Cells = Readonly<Record<string, string | null>>;

const cellsOf = (record: AuditEventRecord): Cells => ({
  occurredAt: formatTimestamp(record.occurredAt),
  action: record.action,
  actorType: record.actorType,
  actorId: record.actorId,
  humanId: record.humanId,
  human: record.human,
  resourceType: record.resourceType,
  resourceId: record.resourceId,
  tenantId: record.tenantId,
  requestId: record.requestId,
  address: record.address,
  details: JSON.stringify(record.details),
  id: record.id,
});

const COLUMNS = [
  ...['occurredAt', 'action', 'actorType', 'actorId', 'humanId', 'human', 'resourceType', 'resourceId'],
  ...['tenantId', 'requestId', 'address', 'details', 'id'],
] as const;

export const csvHeader = (): string => csvLine(COLUMNS);

export function csvEvent(record: AuditEventRecord): string {
  const cells = cellsOf(record);
  return csvLine(COLUMNS.map((column) => textCell(cells[column] ?? '')));
}
