/** What holds for every store of request windows, whichever counts. */
import type { RateWindow, RateWindowStore } from '../../src/ratelimit/index.js';
import { eventually, pause } from './eventually.js';

export interface StoreUnderTest {
  /** Stores that count together, as replicas do; one where the store is one process's alone. */
  readonly long: readonly RateWindowStore[];
  /** The same, with windows of a second. */
  readonly short: readonly RateWindowStore[];
  close(): Promise<void>;
}

/** The windows of `long` are this long: no test outlasts one. */
export const LONG_WINDOW_SECONDS = 3600;
export const SHORT_WINDOW_SECONDS = 1;

export function describeRateWindows(name: string, open: () => Promise<StoreUnderTest>): void {
  describe(name, () => {
    let opened: StoreUnderTest;
    let sequence = 0;
    let key: string;

    beforeAll(async () => {
      opened = await open();
    });

    afterAll(() => opened.close());

    beforeEach(() => {
      sequence += 1;
      key = `key:key_${sequence}`;
    });

    /** So many requests at once, spread over the replicas. */
    const takeMany = (count: number, limit: number, stores = opened.long): Promise<RateWindow[]> =>
      Promise.all(Array.from({ length: count }, async (_, index) => stores[index % stores.length]!.take(key, limit)));
    const allowed = (windows: readonly RateWindow[]): number => windows.filter((window) => window.allowed).length;

    it.each([1, 7, 100, 999])('allows exactly %d of 1,000 requests that come at once', async (limit) => {
      expect(allowed(await takeMany(1000, limit))).toBe(limit);
      expect(allowed(await takeMany(100, limit))).toBe(0);
    });

    it('allows all of 1,000 requests under a limit of 1,000', async () => {
      expect(allowed(await takeMany(1000, 1000))).toBe(1000);
    });

    it('tells each request the places that are left after it, never twice the same, and none below zero', async () => {
      const windows = await takeMany(50, 20);
      const left = windows.filter((window) => window.allowed).map(({ remaining }) => remaining);
      expect(left.sort((a, b) => b - a)).toEqual(Array.from({ length: 20 }, (_, index) => 19 - index));
      for (const window of windows)
        expect(window).toMatchObject({ limit: 20, ...(window.allowed ? {} : { remaining: 0 }) });
    });

    it('counts each key by itself', async () => {
      expect(allowed(await takeMany(20, 5))).toBe(5);
      key += ':other';
      expect(allowed(await takeMany(20, 5))).toBe(5);
    });

    it('counts many keys at once in any order, each exactly', async () => {
      const keys = Array.from({ length: 30 }, (_, index) => `${key}:${index}`);
      const shuffled = keys.flatMap((one) => Array.from({ length: 20 }, () => one)).sort(() => Math.random() - 0.5);
      const passed = new Map(keys.map((one) => [one, 0]));
      await Promise.all(
        shuffled.map(async (one, index) => {
          const window = await opened.long[index % opened.long.length]!.take(one, 7);
          if (window.allowed) passed.set(one, passed.get(one)! + 1);
        }),
      );
      expect([...passed.values()]).toEqual(keys.map(() => 7));
    });

    it('does not count what it refuses: a higher limit has all its places', async () => {
      await takeMany(500, 5);
      expect(allowed(await takeMany(100, 8))).toBe(3);
    });

    it('refuses by a limit that was lowered below what was taken, and takes nothing back', async () => {
      expect(allowed(await takeMany(10, 10))).toBe(10);
      const [window] = await takeMany(1, 4);
      expect(window).toMatchObject({ allowed: false, limit: 4, remaining: 0 });
      expect(allowed(await takeMany(10, 12))).toBe(2);
    });

    it('says when the window closes: a time to come, the same for all of its requests', async () => {
      const before = Date.now();
      const windows = [...(await takeMany(5, 3)), ...(await takeMany(5, 3))];
      for (const { resetsAtMs } of windows) {
        expect(Number.isInteger(resetsAtMs)).toBe(true);
        expect(resetsAtMs).toBeGreaterThan(before);
        expect(resetsAtMs).toBeLessThanOrEqual(Date.now() + LONG_WINDOW_SECONDS * 1000 + 1000);
      }
      const closing = windows.map(({ resetsAtMs }) => resetsAtMs);
      expect(Math.max(...closing) - Math.min(...closing)).toBeLessThanOrEqual(1);
    });

    it('opens a new window with the first request after the last one closed, with all its places', async () => {
      const first = await takeMany(3, 2, opened.short);
      expect(allowed(first)).toBe(2);
      const closedAt = first[0]!.resetsAtMs;
      await eventually(async () => (await takeMany(1, 2, opened.short))[0]!.allowed);
      const [next] = await takeMany(1, 2, opened.short);
      expect(next!.resetsAtMs).toBeGreaterThanOrEqual(closedAt + SHORT_WINDOW_SECONDS * 1000);
    });

    it('lets a key that asks without pause through no oftener than its windows allow', async () => {
      const windows: RateWindow[] = [];
      const until = Date.now() + 2500;
      while (Date.now() < until) {
        windows.push(...(await takeMany(10, 3, opened.short)));
        await pause(20);
      }
      const perWindow = new Map<number, number>();
      for (const window of windows.filter((one) => one.allowed)) {
        // Stores tell the closing time to the millisecond, by one more or less.
        const closing = Math.round(window.resetsAtMs / 100);
        perWindow.set(closing, (perWindow.get(closing) ?? 0) + 1);
      }
      expect(perWindow.size).toBeGreaterThanOrEqual(2);
      for (const count of perWindow.values()) expect(count).toBeLessThanOrEqual(3);
    });
  });
}
