export { HumanLimits, remainingOf, type LimitChange } from './human-limits.js';
export { HumansModule } from './humans.module.js';
