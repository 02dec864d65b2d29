export { RateLimitGuard } from './rate-limit.guard.js';
export { RateLimitModule } from './rate-limit.module.js';
export { RateWindowStore, type RateWindow } from './rate-window.store.js';
