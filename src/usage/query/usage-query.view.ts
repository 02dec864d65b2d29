import { decimalOf } from '../../limits/index.js';
import { formatTimestamp } from '../../platform/protojson/index.js';
import type { Group, Measures, UsageRowView } from './usage-query.dto.js';
import type { UsageRow, UsageSums } from './usage-query.repository.js';

export function viewUsageRow(row: UsageRow, groupBy: readonly Group[]): UsageRowView {
  const byTime = groupBy.includes('HOUR') || groupBy.includes('DAY');
  return {
    ...(byTime ? { startTime: formatTimestamp(row.bucket) } : {}),
    ...(row.model === '' ? {} : { model: row.model }),
    ...(row.key_id === '' ? {} : { keyId: row.key_id }),
    ...(row.human_id === '' ? {} : { humanId: row.human_id }),
    ...(row.human === null ? {} : { human: row.human }),
    ...viewSums(row),
  };
}

export function viewSums(sums: UsageSums): Measures {
  return {
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
