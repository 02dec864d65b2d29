import { Controller, HttpCode, Post } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { Access, CurrentPrincipal, type DashboardUserPrincipal, type SecretKeyPrincipal } from '../identity/index.js';
import { CSV_TYPE, csvFile } from '../platform/csv/index.js';
import { Answers, PlatformBody, PLATFORM_DIALECT, SpeaksDialect } from '../platform/http/index.js';
import { formatTimestamp } from '../platform/protojson/index.js';
import { listEventsRequest, listEventsResponse, type EventView, type ListEventsRequest } from './audit.dto.js';
import type { AuditEventRecord } from './audit.repository.js';
import { AuditService } from './audit.service.js';

@ApiTags('Audit')
@SpeaksDialect(PLATFORM_DIALECT)
@Controller('api/v1/audit')
export class AuditController {
  constructor(private readonly audit: AuditService) {}

  @Post('list')
  @HttpCode(200)
  @ApiOperation({ summary: 'The audit log of the tenant and its org, newest first, as JSON or CSV.' })
  @Access({ dashboardUser: { scope: 'audit:read' }, secretKey: { scope: 'audit:read' } })
  @Answers(listEventsResponse, { orFile: CSV_TYPE })
  async list(
    @CurrentPrincipal(['dashboardUser', 'secretKey']) principal: DashboardUserPrincipal | SecretKeyPrincipal,
    @PlatformBody(listEventsRequest) request: ListEventsRequest,
  ): Promise<object> {
    if (request.format === 'CSV') return csvFile('audit-log.csv', await this.audit.table(principal, request));
    const { records, nextPageToken } = await this.audit.list(principal, request);
    return { events: records.map(viewOf), nextPageToken };
  }
}

function viewOf(record: AuditEventRecord): EventView {
  const { humanId, human, actorId, tenantId, requestId, address } = record;
  return {
    id: record.id,
    occurredAt: formatTimestamp(record.occurredAt),
    action: record.action,
    actor: { type: record.actorType, ...(actorId === null ? {} : { id: actorId }) },
    ...(humanId === null ? {} : { subject: { humanId, ...(human === null ? {} : { human }) } }),
    resource: { type: record.resourceType, id: record.resourceId },
    ...(tenantId === null ? {} : { tenantId }),
    ...(requestId === null ? {} : { requestId }),
    ...(address === null ? {} : { address }),
    details: record.details,
  };
}
