import { formatTimestamp } from '../../platform/protojson/index.js';
import type { RetryReason } from './retry-reason.js';
import type { RouteStrategy, RouteView } from './routes.dto.js';
import type { RouteRecord } from './routes.repository.js';

export function viewRoute(record: RouteRecord): RouteView {
  return {
    routeId: record.id,
    name: record.name,
    strategy: record.strategy as RouteStrategy,
    targets: record.targets.map(({ providerId, model, weight }) => ({ providerId, model, weight })),
    retry: { attempts: record.attempts, on: record.retryOn as RetryReason[] },
    createdAt: formatTimestamp(record.createdAt),
    updatedAt: formatTimestamp(record.updatedAt),
  };
}
