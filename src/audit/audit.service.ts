import { Injectable } from '@nestjs/common';
import type { DashboardUserPrincipal, SecretKeyPrincipal } from '../identity/index.js';
import { invalidField } from '../platform/errors/index.js';
import { PageTokens, newestFirst, type Page } from '../platform/http/index.js';
import type { ListEventsRequest } from './audit.dto.js';
import { AuditRepository, type AuditEventRecord, type AuditFilter } from './audit.repository.js';

/** The audit log, to look at. */
@Injectable()
export class AuditService {
  constructor(
    private readonly repository: AuditRepository,
    private readonly pageTokens: PageTokens,
  ) {}

  /** @throws Fault invalid_input: a page token that is not of this tenant and these filters */
  list(
    { tenantId }: DashboardUserPrincipal | SecretKeyPrincipal,
    { pageSize, pageToken, ...request }: ListEventsRequest,
  ): Promise<Page<AuditEventRecord>> {
    const { startTime, endTime } = request;
    if (startTime !== undefined && endTime !== undefined && endTime < startTime)
      throw invalidField('endTime', 'must not be before startTime');
    const filter: AuditFilter = Object.fromEntries(Object.entries(request).filter(([, value]) => value !== ''));
    return newestFirst(
      this.pageTokens,
      `audit/list:${tenantId}:${JSON.stringify(filter)}`,
      { pageSize, pageToken },
      ({ occurredAt, id }) => ({ createdAt: occurredAt, id }),
      (after, take) => this.repository.list(tenantId, filter, after, take),
    );
  }
}
