import { formatTimestamp } from '../../platform/protojson/index.js';
import type { Group, Measures, UsageRowView } from './usage-query.dto.js';
import type { UsageRow, UsageSums } from './usage-query.repository.js';

const DECIMALS = 6;

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

/** Millionths as units, exactly, without zeros at the end. */
export function decimalOf(millionths: string): string {
  const negative = millionths.startsWith('-');
  const digits = (negative ? millionths.slice(1) : millionths).padStart(DECIMALS + 1, '0');
  const fraction = digits.slice(-DECIMALS).replace(/0+$/, '');
  return `${negative ? '-' : ''}${digits.slice(0, -DECIMALS)}${fraction === '' ? '' : `.${fraction}`}`;
}
