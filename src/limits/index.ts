export { Allowances } from './allowances.js';
export { NothingLeftGuard } from './nothing-left.guard.js';
export { BudgetsModule } from './budgets/budgets.module.js';
export { HolderBudgets, PLAIN_PERIODS, type PlainBudget } from './budgets/holder-budgets.js';
export {
  LIMIT_TYPES,
  decimalOf,
  defaultOutputTokens,
  usageLimitChanges,
  exactAmount,
  usageLimits,
  usageLimitView,
  viewLimits,
  type LimitType,
  type StoredLimit,
} from './budgets/usage-limits.js';
export { durationText } from './windows/duration-text.js';
export { RateLimitGuard, rateLimitOptions } from './windows/rate-limit.guard.js';
export { RateLimitModule } from './windows/rate-limit.module.js';
export { RateWindowStorage } from './windows/rate-window.storage.js';
export { RateWindowStore, type RateWindow } from './windows/rate-window.store.js';
