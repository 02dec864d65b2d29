/**
 * Jest runs each spec in a realm of its own, whose `Error` is not the one that Node's own modules throw: there
 * `error instanceof Error` is false for a refused connection, as it never is in the service. This makes it true again.
 */
const ordinary = Object.getOwnPropertyDescriptor(Function.prototype, Symbol.hasInstance)!.value as (
  this: unknown,
  value: unknown,
) => boolean;

Object.defineProperty(Error, Symbol.hasInstance, {
  configurable: true,
  value(this: unknown, value: unknown): boolean {
    return (this === Error && Object.prototype.toString.call(value) === '[object Error]') || ordinary.call(this, value);
  },
});
