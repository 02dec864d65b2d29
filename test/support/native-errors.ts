/**
 * Jest runs each spec in a realm of its own, whose `Error` is not the one that Node's own modules throw: there
 * `error instanceof Error` is false for a refused connection, as it never is in the service. This makes it true again.
 */
import { types } from 'node:util';

const ordinary = Function.prototype[Symbol.hasInstance];

Object.defineProperty(Error, Symbol.hasInstance, {
  configurable: true,
  value(this: unknown, value: unknown): boolean {
    return this === Error && types.isNativeError(value) ? true : (ordinary.call(this as typeof Error, value) as boolean);
  },
});
