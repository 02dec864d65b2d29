import { decimalOf } from '../../limits/index.js';
import { formatTimestamp } from '../../platform/protojson/index.js';
import { isByTime, type Group, type Measures, type UsageRowView } from './usage-query.dto.js';
import type { UsageRow, UsageSums } from './usage-query.repository.js';

export function viewUsageRow(row: UsageRow, groupBy: readonly Group[]): UsageRowView {
  const texts = {
    model: row.model,
    keyId: row.key_id,
    keyName: row.key_name,
    humanId: row.human_id,
    human: row.human,
    userId: row.user_id,
    provider: row.provider,
    gatewayId: row.gateway_id,
    gatewayName: row.gateway_name,
    outcome: row.outcome,
  };
  const present = Object.entries(texts).filter(([, text]) => text !== null && text !== '');
  return {
    ...(isByTime(groupBy) ? { startTime: formatTimestamp(row.bucket) } : {}),
    ...(row.other ? { other: true } : {}),
    ...Object.fromEntries(present),
    ...viewSums(row),
  };
}

export function viewSums(sums: UsageSums): Measures {
  return {
    callCnt: sums.calls,
    failedCallCnt: sums.failed,
    requestCnt: sums.requests,
    tokenCnt: (BigInt(sums.input_tokens) + BigInt(sums.output_tokens)).toString(),
    inputTokens: sums.input_tokens,
    outputTokens: sums.output_tokens,
    costMicros: decimalOf(sums.cost),
    unpricedRequestCnt: sums.unpriced,
    conversationalSeconds: decimalOf(sums.conversational),
    voiceSynthesisSeconds: decimalOf(sums.voice),
    memoryMessageCnt: decimalOf(sums.memory),
  };
}
