import { formatTimestamp } from '../platform/protojson/index.js';
import { viewLimits } from '../limits/index.js';
import { remainingOf } from './human-limits.js';
import type { HumanView } from './humans.dto.js';
import type { HumanRecord } from './humans.repository.js';

export function viewHuman(record: HumanRecord): HumanView {
  return {
    human: record.human,
    createdAt: formatTimestamp(record.createdAt),
    ...(record.lastSeenAt === null ? {} : { lastSeenAt: formatTimestamp(record.lastSeenAt) }),
    limits: viewLimits(remainingOf(record.limits)),
  };
}
