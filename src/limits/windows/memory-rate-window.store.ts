import { RateWindowStore, type RateWindow } from './rate-window.store.js';

/** Windows in this process's memory: for the embedded database, which serves one process. */
export class MemoryRateWindowStore extends RateWindowStore {
  private readonly windows = new Map<string, { used: number; closesAtMs: number }>();
  private pruneAtMs = 0;

  constructor(private readonly windowMs: number) {
    super();
  }

  take(key: string, limit: number): RateWindow {
    const now = Date.now();
    if (now >= this.pruneAtMs) this.prune(now);
    let window = this.windows.get(key);
    if (window === undefined || window.closesAtMs <= now) {
      window = { used: 0, closesAtMs: now + this.windowMs };
      this.windows.set(key, window);
    }
    const allowed = window.used < limit;
    if (allowed) window.used += 1;
    return { allowed, limit, remaining: Math.max(0, limit - window.used), resetsAtMs: window.closesAtMs };
  }

  peek(key: string, limit: number): RateWindow {
    const now = Date.now();
    const window = this.windows.get(key);
    const open = window !== undefined && window.closesAtMs > now;
    const remaining = Math.max(0, limit - (open ? window.used : 0));
    return { allowed: remaining > 0, limit, remaining, resetsAtMs: open ? window.closesAtMs : now + this.windowMs };
  }

  release(key: string, { resetsAtMs }: RateWindow): void {
    const window = this.windows.get(key);
    if (window !== undefined && window.closesAtMs === resetsAtMs && window.used > 0) window.used -= 1;
  }

  private prune(now: number): void {
    this.pruneAtMs = now + this.windowMs;
    for (const [key, { closesAtMs }] of this.windows) if (closesAtMs <= now) this.windows.delete(key);
  }
}
