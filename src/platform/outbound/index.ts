export type { BodyFilter, Fetch, FetchOptions } from './outbound-fetch.js';
export * from './outbound.js';
export { OutboundModule } from './outbound.module.js';
export * from './outbound-request.js';
