import { Injectable } from '@nestjs/common';
import type { ThrottlerStorage } from '@nestjs/throttler';
import { RateWindowStore, secondsUntilReset, type RateWindow } from './rate-window.store.js';

/** The library's record of a window. It has no Unix time of the reset, so that the guard takes the window itself. */
interface RateWindowRecord {
  readonly totalHits: number;
  readonly timeToExpire: number;
  readonly isBlocked: boolean;
  readonly timeToBlockExpire: number;
}

/**
 * The exact stores in the form of @nestjs/throttler's storage. The store knows the windows' length; nothing is
 * blocked beyond its window.
 */
@Injectable()
export class RateWindowStorage implements ThrottlerStorage {
  constructor(private readonly store: RateWindowStore) {}

  /** As the store's `take`. */
  take(key: string, limit: number): RateWindow | Promise<RateWindow> {
    return this.store.take(key, limit);
  }

  /**
   * Takes a place.
   *
   * @throws Fault unavailable when the store can't be reached.
   */
  async increment(key: string, ttlMs: number, limit: number): Promise<RateWindowRecord> {
    const window = await this.take(key, limit);
    const seconds = secondsUntilReset(window, ttlMs);
    return {
      totalHits: limit - window.remaining,
      timeToExpire: seconds,
      isBlocked: !window.allowed,
      timeToBlockExpire: window.allowed ? 0 : seconds,
    };
  }

  /** As the store's `peek`. */
  peek(key: string, limit: number): RateWindow | Promise<RateWindow> {
    return this.store.peek(key, limit);
  }

  /** As the store's `release`. */
  release(key: string, taken: RateWindow): void | Promise<void> {
    return this.store.release(key, taken);
  }
}
