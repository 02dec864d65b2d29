export * from './credential-codes.js';
export * from './fault.js';
export { OperatorError } from './operator-error.js';
