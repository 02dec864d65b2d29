export { IdempotencyKey } from './idempotency-key.decorator.js';
export {
  IdempotencyKeys,
  repeated,
  sendIdempotent,
  usedOtherwise,
  type IdempotentAnswer,
  type IdempotentRequest,
  type IdempotentWork,
} from './idempotency-keys.js';
export { IdempotencyModule } from './idempotency.module.js';
