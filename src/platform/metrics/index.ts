export { Metrics, type QueueState, type VersionCount } from './metrics.js';
export { MetricsModule } from './metrics.module.js';
export type { Samples } from './samples.js';
