export * from './fault.js';
export { OperatorError } from './operator-error.js';
