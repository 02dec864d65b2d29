import { once } from 'node:events';
import { Redis, type Result } from 'ioredis';
import { logger } from '../../platform/logging/index.js';
import { RateWindowStore, type RateWindow } from './rate-window.store.js';

/**
 * One atomic step: opens the window, or takes a place in it if one is free. Times are the server's. Returns whether the request
 * is allowed, how many places are taken, and when the window closes.
 */
const TAKE = `
local used = tonumber(redis.call('GET', KEYS[1]) or '0')
local limit = tonumber(ARGV[1])
local window = tonumber(ARGV[2])
local allowed = 0
if used < limit then
  allowed = 1
  used = redis.call('INCR', KEYS[1])
end
local left = redis.call('PTTL', KEYS[1])
if left < 0 then
  redis.call('PEXPIRE', KEYS[1], window)
  left = window
end
local time = redis.call('TIME')
return { allowed, used, tostring(time[1] * 1000 + math.floor(time[2] / 1000) + left) }
`;

/** Changes nothing. Returns how many places are taken, and when the window closes, or would close if it opened now. */
const PEEK = `
local left = redis.call('PTTL', KEYS[1])
if left < 0 then left = tonumber(ARGV[1]) end
local time = redis.call('TIME')
return { tonumber(redis.call('GET', KEYS[1]) or '0'), tostring(time[1] * 1000 + math.floor(time[2] / 1000) + left) }
`;

/**
 * Gives a place back to the window that closes at ARGV[1]. The sum of TIME and PTTL may be off by a millisecond. The key's next
 * window closes at least a whole window later, so a difference of less than half a window means the same one.
 */
const RELEASE = `
local used = tonumber(redis.call('GET', KEYS[1]) or '0')
local left = redis.call('PTTL', KEYS[1])
if used < 1 or left < 0 then return 0 end
local time = redis.call('TIME')
local closes = time[1] * 1000 + math.floor(time[2] / 1000) + left
if math.abs(closes - tonumber(ARGV[1])) * 2 >= tonumber(ARGV[2]) then return 0 end
return redis.call('DECR', KEYS[1])
`;

declare module 'ioredis' {
  interface RedisCommander<Context> {
    takeRateWindow(key: string, limit: number, windowMs: number): Result<[number, number, string], Context>;
    peekRateWindow(key: string, windowMs: number): Result<[number, string], Context>;
    releaseRateWindow(key: string, resetsAtMs: number, windowMs: number): Result<number, Context>;
  }
}

interface Places {
  readonly behind: RateWindow;
  readonly inRedis: RateWindow | null;
}

const CONNECT_TIMEOUT_MS = 3000;
const COMMAND_TIMEOUT_MS = 500;
/** How much later one replica may notice than another that Redis is back: twice the pause between their attempts. */
const NOTICED_WITHIN_MS = 3000;

/**
 * Windows in Redis or Valkey, shared by all replicas; while it can't be reached, the store behind it counts instead. A request
 * waits for Redis at most half a second, and then Redis is not asked for a second: a loss is never an error to a caller, and
 * costs at most one window's places more.
 *
 * Redis may come back empty. So for one window after its return a request needs a place in both stores; then every window that
 * is open in Redis has counted all replicas.
 */
export class RedisRateWindowStore extends RateWindowStore {
  private readonly redis: Redis;
  private askAgainAtMs = 0;
  private aloneFromMs = 0;
  /** The places of requests that Redis did not count alone. */
  private readonly placesOf = new WeakMap<RateWindow, Places>();

  constructor(
    url: string,
    private readonly windowMs: number,
    private readonly behind: RateWindowStore,
    commandTimeoutMs = COMMAND_TIMEOUT_MS,
  ) {
    super();
    this.redis = new Redis(url, {
      commandTimeout: commandTimeoutMs,
      connectTimeout: CONNECT_TIMEOUT_MS,
      disconnectTimeout: 500,
      maxRetriesPerRequest: 0,
      enableOfflineQueue: false,
      enableAutoPipelining: true,
      retryStrategy: (attempt) => Math.min(1000, 50 * attempt),
    });
    this.redis.defineCommand('takeRateWindow', { numberOfKeys: 1, lua: TAKE });
    this.redis.defineCommand('peekRateWindow', { numberOfKeys: 1, lua: PEEK });
    this.redis.defineCommand('releaseRateWindow', { numberOfKeys: 1, lua: RELEASE });
    this.redis.on('error', (error) => logger.debug({ err: error }, 'Redis reported an error.'));
    // A replica without requests at the time must notice the loss too.
    this.redis.on('close', () => this.countBehind());
  }

  /** Whether Redis counts, as far as this process knows. */
  get isCounting(): boolean {
    return this.redis.status === 'ready' && performance.now() >= this.askAgainAtMs;
  }

  /** Resolves once Redis counts, or can't be reached for now. */
  async open(): Promise<void> {
    if (this.redis.status === 'ready') return;
    await once(this.redis, 'ready', { signal: AbortSignal.timeout(CONNECT_TIMEOUT_MS) }).catch(() => undefined);
  }

  async take(key: string, limit: number): Promise<RateWindow> {
    const alone = this.countsAlone;
    if (alone) {
      const window = await this.takeInRedis(key, limit);
      if (window !== null) return window;
    }
    const behind = await this.behind.take(key, limit);
    const inRedis = !alone && behind.allowed ? await this.takeInRedis(key, limit) : null;
    if (inRedis?.allowed === false) {
      await this.behind.release(key, behind);
      return inRedis;
    }
    const window = inRedis !== null && inRedis.remaining < behind.remaining ? inRedis : behind;
    this.placesOf.set(window, { behind, inRedis });
    return window;
  }

  async peek(key: string, limit: number): Promise<RateWindow> {
    const answer = this.countsAlone
      ? await this.ask(() => this.redis.peekRateWindow(nameOf(key), this.windowMs))
      : null;
    if (answer === null) return this.behind.peek(key, limit);
    const [used, resetsAt] = answer;
    const remaining = Math.max(0, limit - used);
    return { allowed: remaining > 0, limit, remaining, resetsAtMs: Number(resetsAt) };
  }

  /** A place that was lost with Redis is not given back: the caller has one place less until the window closes. */
  async release(key: string, taken: RateWindow): Promise<void> {
    const { behind, inRedis } = this.placesOf.get(taken) ?? { behind: null, inRedis: taken };
    if (behind !== null) await this.behind.release(key, behind);
    if (inRedis === null) return;
    await this.ask(() => this.redis.releaseRateWindow(nameOf(key), inRedis.resetsAtMs, this.windowMs));
  }

  close(): void {
    this.redis.disconnect();
  }

  private get countsAlone(): boolean {
    return performance.now() >= this.aloneFromMs;
  }

  private countBehind(): void {
    this.aloneFromMs = performance.now() + this.windowMs + NOTICED_WITHIN_MS;
  }

  private async takeInRedis(key: string, limit: number): Promise<RateWindow | null> {
    const answer = await this.ask(() => this.redis.takeRateWindow(nameOf(key), limit, this.windowMs));
    if (answer === null) return null;
    const [allowed, used, resetsAt] = answer;
    return { allowed: allowed === 1, limit, remaining: Math.max(0, limit - used), resetsAtMs: Number(resetsAt) };
  }

  /** @returns null: Redis can't be reached */
  private async ask<Answer>(command: () => Promise<Answer>): Promise<Answer | null> {
    if (this.redis.status === 'ready' && performance.now() >= this.askAgainAtMs) {
      try {
        return await command();
      } catch (error) {
        const now = performance.now();
        if (now >= this.askAgainAtMs)
          logger.warn({ err: error }, 'Redis can not be reached; Postgres counts requests.');
        this.askAgainAtMs = now + 1000;
      }
    }
    this.countBehind();
    return null;
  }
}

function nameOf(key: string): string {
  return `gatehouse:window:${key}`;
}
