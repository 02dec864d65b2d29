import { Injectable } from '@nestjs/common';
import type { DashboardUserPrincipal, SecretKeyPrincipal } from '../identity/index.js';
import { invalidField } from '../platform/errors/index.js';
import { PageTokens, newestFirst, type Cursor, type Page } from '../platform/http/index.js';
import { csvEvent, csvHeader } from './audit-csv.js';
import type { ListEventsRequest } from './audit.dto.js';
import { AuditRepository, type AuditEventRecord, type AuditFilter } from './audit.repository.js';

/** Who may look at the log: the tenant's people and servers. */
export type AuditReader = DashboardUserPrincipal | SecretKeyPrincipal;

const MAX_CSV_EVENTS = 50_000;
const BATCH = 1000;

/** The audit log, to look at. */
@Injectable()
export class AuditService {
  constructor(
    private readonly repository: AuditRepository,
    private readonly pageTokens: PageTokens,
  ) {}

  /** @throws Fault invalid_input: a page token that is not of this tenant and these filters */
  list({ tenantId }: AuditReader, request: ListEventsRequest): Promise<Page<AuditEventRecord>> {
    const { pageSize, pageToken } = request;
    const filter = filterOf(request);
    return newestFirst(
      this.pageTokens,
      `audit/list:${tenantId}:${JSON.stringify(filter)}`,
      { pageSize, pageToken },
      cursorOf,
      (after, take) => this.repository.list(tenantId, filter, after, take),
    );
  }

  /** All that match, newest first, as CSV. @throws Fault invalid_input: a page token, or more events than a file may have */
  async table({ tenantId }: AuditReader, request: ListEventsRequest): Promise<string> {
    if (request.pageToken !== '')
      throw invalidField('pageToken', 'must not be sent with format CSV, which has no pages');
    const filter = filterOf(request);
    const parts = [csvHeader()];
    let after: Cursor | null = null;
    for (let count = 0; ; count += BATCH) {
      const records: AuditEventRecord[] = await this.repository.list(tenantId, filter, after, BATCH);
      parts.push(...records.map(csvEvent));
      const last = records.at(-1);
      if (records.length < BATCH || last === undefined) return parts.join('');
      if (count + BATCH >= MAX_CSV_EVENTS)
        throw invalidField('startTime', `leaves more than ${MAX_CSV_EVENTS} events; ask for a shorter time`);
      after = cursorOf(last);
    }
  }
}

const cursorOf = ({ occurredAt, id }: AuditEventRecord): Cursor => ({ createdAt: occurredAt, id });

/** @throws Fault invalid_input: times in the wrong order */
function filterOf(request: ListEventsRequest): AuditFilter {
  const { startTime, endTime, action, actorType, actorId, human, humanId, resourceType, resourceId, requestId } =
    request;
  if (startTime !== undefined && endTime !== undefined && endTime < startTime)
    throw invalidField('endTime', 'must not be before startTime');
  const texts = { action, actorType, actorId, human, humanId, resourceType, resourceId, requestId };
  const named = Object.entries({ ...texts, startTime, endTime });
  return Object.fromEntries(named.filter(([, value]) => value !== '' && value !== undefined));
}
