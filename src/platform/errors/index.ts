export * from './credential-codes.js';
export * from './error-codes.js';
export * from './fault-guide.js';
export * from './fault-kinds.js';
export * from './fault.js';
export { OperatorError } from './operator-error.js';
