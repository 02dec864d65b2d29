import type { Fault } from '../platform/errors/index.js';

/** Weighs failed authentications by where they come from. The rate limit's room keeps the count. */
export abstract class FailedAuthentications {
  /**
   * @param address the caller's, as trusted proxies tell it
   * @returns what to answer: the failure itself, or 429 where too many came from there. An expired credential weighs
   *   nothing, but takes as long
   * @throws Fault unavailable
   */
  abstract weigh(address: string, failure: Fault): Promise<Fault>;
}
