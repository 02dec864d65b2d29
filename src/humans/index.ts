export { HumanLimits, type LimitChange } from './human-limits.js';
export { human } from './humans.dto.js';
export { HumansModule } from './humans.module.js';
