export { IdempotencyKey } from './idempotency-key.decorator.js';
export { IdempotencyKeys, sendIdempotent, type IdempotentAnswer, type IdempotentWork } from './idempotency-keys.js';
export { IdempotencyModule } from './idempotency.module.js';
