import type { Principal } from '../identity/index.js';

/** What callers may still use, as far as that is known before a request's body is read. */
export abstract class Allowances {
  /**
   * Refuses a caller whose every call would be refused. Reserves nothing.
   *
   * @throws Fault usage_limit_exceeded: nothing is left
   */
  abstract assertSomethingLeft(principal: Principal, requestId: string): Promise<void>;
}
