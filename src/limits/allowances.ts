import type { Principal } from '../identity/index.js';

/** What callers may still use, as far as it can be told before a request's body is read. */
export abstract class Allowances {
  /**
   * Looks whether it is certain already that a call of this caller will be refused, whatever it asks for. Nothing is
   * reserved by it.
   *
   * @throws Fault usage_limit_exceeded: nothing is left
   */
  abstract assertSomethingLeft(principal: Principal, requestId: string): Promise<void>;
}
