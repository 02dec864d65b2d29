import { Injectable } from '@nestjs/common';
import type { DashboardUserPrincipal, SecretKeyPrincipal } from '../../identity/index.js';
import { decimalOf } from '../../limits/index.js';
import { Database } from '../../platform/database/index.js';
import { Fault } from '../../platform/errors/index.js';
import { newestFirst, PageTokens, type Page } from '../../platform/http/index.js';
import { formatTimestamp } from '../../platform/protojson/index.js';
import { CallLog, statusOf, type CallRecord, type TenantLedger } from './call-log.js';
import { CallNames, type NamesOfCalls } from './call-names.js';
import type { ListUsageCallsRequest, UsageCallView } from './usage-calls.dto.js';

export type CallsReader = DashboardUserPrincipal | SecretKeyPrincipal;

/** Any other text can't be a call's id. */
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** A tenant's calls one by one: who called what, how it ended, what it used. Without prompts. */
@Injectable()
export class UsageCallsService {
  constructor(
    private readonly database: Database,
    private readonly log: CallLog,
    private readonly names: CallNames,
    private readonly pageTokens: PageTokens,
  ) {}

  /** @throws Fault invalid_input: a page token that is not of this listing */
  list({ tenantId }: CallsReader, request: ListUsageCallsRequest): Promise<Page<UsageCallView>> {
    const { pageSize, pageToken, human, ...filter } = request;
    return this.database.withTenant(tenantId, async (tx) => {
      const ledger: TenantLedger = { tx, tenantId };
      const humanId = human === undefined ? undefined : await this.names.humanIdOf(ledger, human);
      if (humanId === null) return { records: [], nextPageToken: '' };
      const { records, nextPageToken } = await newestFirst<CallRecord>(
        this.pageTokens,
        `usage/list-calls:${tenantId}:${JSON.stringify([human, filter])}`,
        { pageSize, pageToken },
        (record) => record,
        (after, take) => this.log.list(ledger, { ...filter, humanId }, after, take),
      );
      const names = await this.names.of(ledger, records);
      return { records: records.map((record) => viewUsageCall(record, names)), nextPageToken };
    });
  }

  /** @throws Fault not_found: the call is unknown, or still open */
  get({ tenantId }: CallsReader, callId: string): Promise<UsageCallView> {
    return this.database.withTenant(tenantId, async (tx) => {
      const ledger: TenantLedger = { tx, tenantId };
      const record = UUID.test(callId) ? await this.log.find(ledger, {}, callId) : null;
      if (record === null)
        throw new Fault(
          'not_found',
          'No finished call has this id, or it is older than calls are kept. List calls with /api/v1/usage/list-calls.',
        );
      return viewUsageCall(record, await this.names.of(ledger, [record]));
    });
  }
}

function viewUsageCall(record: CallRecord, { keys, humans, gateways }: NamesOfCalls): UsageCallView {
  const { keyId, humanId, gatewayId, userId, statusCode, costPicoUsd, latencyMs, firstByteMs } = record;
  const optional = {
    keyId,
    keyName: keys.get(keyId ?? ''),
    userId,
    humanId,
    human: humans.get(humanId ?? ''),
    gatewayId,
    gatewayName: gateways.get(gatewayId ?? ''),
    statusCode,
    costMicros: costPicoUsd === null ? null : decimalOf(String(costPicoUsd)),
    durationMs: latencyMs,
    firstByteMs,
  };
  const present = Object.entries(optional).filter(([, value]) => value !== null && value !== undefined);
  return {
    callId: record.id,
    createdAt: formatTimestamp(record.createdAt),
    status: statusOf(record.outcome),
    outcome: record.outcome ?? '',
    operation: record.operation,
    modelAsked: record.route ?? record.model,
    model: record.model,
    provider: record.provider,
    tries: record.attempt,
    streamed: record.streamed,
    inputTokens: String(record.inputTokens),
    cachedInputTokens: String(record.cachedInputTokens),
    outputTokens: String(record.outputTokens),
    reasoningTokens: String(record.reasoningTokens),
    estimated: record.estimated,
    requestId: record.requestId,
    ...(Object.fromEntries(present) as Partial<UsageCallView>),
  };
}
