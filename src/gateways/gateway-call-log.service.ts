import { Injectable } from '@nestjs/common';
import { decimalOf } from '../limits/index.js';
import { Fault } from '../platform/errors/index.js';
import { newestFirst, PageTokens, type Page } from '../platform/http/index.js';
import { formatTimestamp } from '../platform/protojson/index.js';
import { CallLog, statusOf, type CallRecord } from '../usage/index.js';
import type { GatewayManager } from './gateway-access.js';
import { GatewayBodies, type KeptBodies } from './gateway-bodies.js';
import type { CallView, GetCallRequest, ListCallsRequest } from './gateway-call-log.dto.js';
import { GatewayTokensRepository } from './gateway-tokens.repository.js';
import { GatewaysRepository, type TenantGateways } from './gateways.repository.js';
import { CACHE } from './kept-calls.js';

/** Any other text can't be a call's id. */
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The calls that came by a gateway, one by one; their bodies, where it keeps them. */
@Injectable()
export class GatewayCallLogService {
  constructor(
    private readonly gateways: GatewaysRepository,
    private readonly tokens: GatewayTokensRepository,
    private readonly log: CallLog,
    private readonly bodies: GatewayBodies,
    private readonly pageTokens: PageTokens,
  ) {}

  /** @throws Fault not_found: the gateway; invalid_input: a page token that is not of this listing */
  list({ tenantId }: GatewayManager, request: ListCallsRequest): Promise<Page<CallView>> {
    const { pageSize, pageToken, tokenId: gatewayTokenId, ...filter } = request;
    const { gatewayId } = filter;
    return this.gateways.read(tenantId, async (own) => {
      await this.assertGateway(own, gatewayId);
      const { records, nextPageToken } = await newestFirst<CallRecord>(
        this.pageTokens,
        `gateways/list-calls:${tenantId}:${JSON.stringify([gatewayTokenId, filter])}`,
        { pageSize, pageToken },
        (record) => record,
        (after, take) => this.log.list(own, { ...filter, gatewayTokenId }, after, take),
      );
      const names = await this.tokens.namesOf(own, gatewayId);
      return { records: records.map((record) => viewCall(record, names)), nextPageToken };
    });
  }

  /** @throws Fault not_found: the gateway, or the call */
  get(
    { tenantId }: GatewayManager,
    { gatewayId, callId }: GetCallRequest,
  ): Promise<{ readonly call: CallView; readonly bodies: KeptBodies }> {
    return this.gateways.read(tenantId, async (own) => {
      await this.assertGateway(own, gatewayId);
      const record = UUID.test(callId) ? await this.log.find(own, { gatewayId }, callId) : null;
      if (record === null)
        throw new Fault('not_found', 'No call of the gateway has this id. List them with /api/v1/gateways/list-calls.');
      const names = await this.tokens.namesOf(own, gatewayId);
      return { call: viewCall(record, names), bodies: await this.bodies.find(own, gatewayId, callId) };
    });
  }

  private async assertGateway(own: TenantGateways, id: string): Promise<void> {
    if ((await this.gateways.find(own, id)) === null)
      throw new Fault('not_found', 'No gateway has this id. List them with /api/v1/gateways/list.');
  }
}

function viewCall(record: CallRecord, names: ReadonlyMap<string, string>): CallView {
  const { gatewayTokenId: tokenId, statusCode, costPicoUsd, latencyMs, firstByteMs } = record;
  const tokenName = tokenId === null ? undefined : names.get(tokenId);
  return {
    callId: record.id,
    createdAt: formatTimestamp(record.createdAt),
    status: statusOf(record.outcome),
    outcome: record.outcome ?? '',
    ...(statusCode === null ? {} : { statusCode }),
    operation: record.operation,
    provider: record.provider,
    model: record.model,
    cached: record.provider === CACHE,
    streamed: record.streamed,
    ...(tokenId === null ? {} : { tokenId }),
    ...(tokenName === undefined ? {} : { tokenName }),
    inputTokens: String(record.inputTokens),
    cachedInputTokens: String(record.cachedInputTokens),
    outputTokens: String(record.outputTokens),
    reasoningTokens: String(record.reasoningTokens),
    estimated: record.estimated,
    ...(costPicoUsd === null ? {} : { costMicros: decimalOf(String(costPicoUsd)) }),
    ...(latencyMs === null ? {} : { durationMs: latencyMs }),
    ...(firstByteMs === null ? {} : { firstByteMs }),
    requestId: record.requestId,
  };
}
