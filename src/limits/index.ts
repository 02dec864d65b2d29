export { BudgetsModule } from './budgets/budgets.module.js';
export {
  LIMIT_TYPES,
  defaultOutputTokens,
  usageLimitChanges,
  exactAmount,
  unitsOf,
  usageLimits,
  usageLimitView,
  viewLimits,
  type LimitType,
  type StoredLimit,
} from './usage-limits.js';
export { RateLimitGuard } from './windows/rate-limit.guard.js';
export { RateLimitModule } from './windows/rate-limit.module.js';
export { RateWindowStore, type RateWindow } from './windows/rate-window.store.js';
