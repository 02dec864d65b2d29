export { boundedCache, type BoundedCacheOptions } from './bounded-cache.js';
