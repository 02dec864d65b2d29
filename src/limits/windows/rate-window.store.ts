/** What a request got of its window. */
export interface RateWindow {
  readonly allowed: boolean;
  readonly limit: number;
  readonly remaining: number;
  /** When the window closes: Unix time in milliseconds. */
  readonly resetsAtMs: number;
}

/**
 * At least one, so that no caller is told to come back at once, and never more than the window has: the store's clock may
 * be ahead of this process'.
 */
export function secondsUntilReset({ resetsAtMs }: RateWindow, windowMs: number): number {
  return Math.max(1, Math.ceil(Math.min(resetsAtMs - Date.now(), windowMs) / 1000));
}

/**
 * Counts requests in fixed windows. A window opens with the first request after the last one closed, by the store's own
 * clock. Taking a place is one atomic step: of any number of parallel requests exactly `limit` are allowed per window,
 * and refused ones are not counted.
 */
export abstract class RateWindowStore {
  /** @throws Fault unavailable when the store can't be reached. */
  abstract take(key: string, limit: number): RateWindow | Promise<RateWindow>;

  /**
   * What a request would find, without taking a place. Opens no window: where none is open, it tells of one that would
   * open now.
   *
   * @throws Fault unavailable when the store can't be reached.
   */
  abstract peek(key: string, limit: number): RateWindow | Promise<RateWindow>;

  /**
   * Gives back the place that this store's `take` gave, of a request that was refused after all. A window that closed
   * meanwhile is left alone, and so is the one after it.
   *
   * @throws Fault unavailable when the store can't be reached.
   */
  abstract release(key: string, taken: RateWindow): void | Promise<void>;
}
