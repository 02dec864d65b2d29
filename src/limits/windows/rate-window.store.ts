/** A request's result from its window. */
export interface RateWindow {
  readonly allowed: boolean;
  readonly limit: number;
  readonly remaining: number;
  /** When the window closes: Unix time in milliseconds. */
  readonly resetsAtMs: number;
}

/**
 * At least 1, so that no caller is told to retry at once, and at most the window, since the store's clock may
 * be ahead of this process's.
 */
export function secondsUntilReset({ resetsAtMs }: RateWindow, windowMs: number): number {
  return Math.max(1, Math.ceil(Math.min(resetsAtMs - Date.now(), windowMs) / 1000));
}

/**
 * Counts requests in fixed windows. A window opens with the first request after the last one closed, by the
 * store's clock. Taking a place is atomic: of any number of parallel requests exactly `limit` pass per window, and
 * refused requests are not counted.
 */
export abstract class RateWindowStore {
  /** @throws Fault unavailable when the store can't be reached. */
  abstract take(key: string, limit: number): RateWindow | Promise<RateWindow>;

  /**
   * The window that a request would find; takes no place and opens no window. If none is open, it is one that would open now.
   *
   * @throws Fault unavailable when the store can't be reached.
   */
  abstract peek(key: string, limit: number): RateWindow | Promise<RateWindow>;

  /**
   * Gives back a place that this store's `take` gave to a request that was refused after all. If its window has
   * closed, no window changes.
   *
   * @throws Fault unavailable when the store can't be reached.
   */
  abstract release(key: string, taken: RateWindow): void | Promise<void>;
}
