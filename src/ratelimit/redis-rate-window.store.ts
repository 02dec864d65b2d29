import { Redis, type Result } from 'ioredis';
import { logger } from '../platform/logging/index.js';
import { RateWindowStore, type RateWindow } from './rate-window.store.js';

/**
 * One atomic step: opens the window, or takes a place in it if there is one. Times are the server's own. Gives whether
 * the request is allowed, how many places are taken, and the milliseconds until the window closes.
 */
const TAKE = `
local used = tonumber(redis.call('GET', KEYS[1]) or '0')
local limit = tonumber(ARGV[1])
local window = tonumber(ARGV[2])
local allowed = 0
if used < limit then
  allowed = 1
  used = redis.call('INCR', KEYS[1])
  if used == 1 then redis.call('PEXPIRE', KEYS[1], window) end
end
local left = redis.call('PTTL', KEYS[1])
if left < 0 then
  redis.call('PEXPIRE', KEYS[1], window)
  left = window
end
local time = redis.call('TIME')
return { allowed, used, tostring(time[1] * 1000 + math.floor(time[2] / 1000) + left) }
`;

declare module 'ioredis' {
  interface RedisCommander<Context> {
    takeRateWindow(key: string, limit: number, windowMs: number): Result<[number, number, string], Context>;
  }
}

/**
 * Windows in Redis or Valkey, shared by all replicas; while it can't be reached, the store behind it counts instead. It is
 * given half a second per request, then it is left alone for a second: losing it costs at most one window's allowance
 * more, never an error to a caller.
 */
export class RedisRateWindowStore extends RateWindowStore {
  private readonly redis: Redis;
  private askAgainAtMs = 0;

  constructor(
    url: string,
    private readonly windowMs: number,
    private readonly behind: RateWindowStore,
  ) {
    super();
    this.redis = new Redis(url, {
      commandTimeout: 500,
      connectTimeout: 3000,
      maxRetriesPerRequest: 0,
      enableOfflineQueue: false,
      enableAutoPipelining: true,
      retryStrategy: (attempt) => Math.min(1000, 50 * attempt),
    });
    this.redis.defineCommand('takeRateWindow', { numberOfKeys: 1, lua: TAKE });
    this.redis.on('error', (error) => logger.debug({ err: error }, 'Redis reported an error.'));
  }

  async take(key: string, limit: number): Promise<RateWindow> {
    if (this.redis.status !== 'ready' || Date.now() < this.askAgainAtMs) return this.behind.take(key, limit);
    try {
      const [allowed, used, resetsAt] = await this.redis.takeRateWindow(
        `gatehouse:window:${key}`,
        limit,
        this.windowMs,
      );
      return { allowed: allowed === 1, limit, remaining: Math.max(0, limit - used), resetsAtMs: Number(resetsAt) };
    } catch (error) {
      if (Date.now() >= this.askAgainAtMs)
        logger.warn({ err: error }, 'Redis can not be reached; Postgres counts requests.');
      this.askAgainAtMs = Date.now() + 1000;
      return this.behind.take(key, limit);
    }
  }

  close(): void {
    this.redis.disconnect();
  }
}
