/** What a request got of its window. */
export interface RateWindow {
  readonly allowed: boolean;
  readonly limit: number;
  readonly remaining: number;
  /** When the window closes: Unix time in milliseconds. */
  readonly resetsAtMs: number;
}

/**
 * Counts requests in fixed windows. A window opens with the first request after the last one closed, by the store's own
 * clock. Taking a place is one atomic step: of any number of parallel requests exactly `limit` are allowed per window,
 * and refused ones are not counted.
 */
export abstract class RateWindowStore {
  /** @throws Fault unavailable when the store can't be reached. */
  abstract take(key: string, limit: number): RateWindow | Promise<RateWindow>;
}
