/** Tests for every store of request windows. */
import type { RateWindow, RateWindowStore } from '../../src/limits/index.js';
import { describeEndUserWindows } from './end-user-windows.js';
import { eventually, pause } from './eventually.js';

export interface StoreUnderTest {
  /** Stores that count together, as replicas do; one store, where it belongs to one process. */
  readonly long: readonly RateWindowStore[];
  /** The same, with windows of a second. */
  readonly short: readonly RateWindowStore[];
  close(): Promise<void>;
}

/** The length of the windows of `long`: no test outlasts one. */
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

    /** Sends a number of requests at once, spread over the replicas. */
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

    it('shows each request how many places are left after it, never the same number twice, and none below zero', async () => {
      const windows = await takeMany(50, 20);
      const left = windows.filter((window) => window.allowed).map(({ remaining }) => remaining);
      expect(left.sort((a, b) => b - a)).toEqual(Array.from({ length: 20 }, (_, index) => 19 - index));
      for (const window of windows)
        expect(window).toMatchObject({ limit: 20, ...(window.allowed ? {} : { remaining: 0 }) });
    });

    it('counts each key separately', async () => {
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

    it('does not count what it refuses: with a higher limit all its places are free', async () => {
      await takeMany(500, 5);
      expect(allowed(await takeMany(100, 8))).toBe(3);
    });

    it('refuses by a limit that was lowered below what was taken, and takes no place back', async () => {
      expect(allowed(await takeMany(10, 10))).toBe(10);
      const [window] = await takeMany(1, 4);
      expect(window).toMatchObject({ allowed: false, limit: 4, remaining: 0 });
      expect(allowed(await takeMany(10, 12))).toBe(2);
    });

    it('shows when the window closes: a future time, the same for all of its requests', async () => {
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

    it('admits a key that asks without pause no more often than its windows allow', async () => {
      const windows: RateWindow[] = [];
      const until = Date.now() + 2500;
      while (Date.now() < until) {
        windows.push(...(await takeMany(10, 3, opened.short)));
        await pause(20);
      }
      const perWindow = new Map<number, number>();
      for (const window of windows.filter((one) => one.allowed)) {
        // Stores give the closing time in milliseconds, which may differ by one.
        const closing = Math.round(window.resetsAtMs / 100);
        perWindow.set(closing, (perWindow.get(closing) ?? 0) + 1);
      }
      expect(perWindow.size).toBeGreaterThanOrEqual(2);
      for (const count of perWindow.values()) expect(count).toBeLessThanOrEqual(3);
    });

    /** Reads the window many times at once. */
    const peekMany = (count: number, limit: number, stores = opened.long): Promise<RateWindow[]> =>
      Promise.all(Array.from({ length: count }, async (_, index) => stores[index % stores.length]!.peek(key, limit)));
    const releaseMany = (taken: readonly RateWindow[], stores = opened.long): Promise<unknown> =>
      Promise.all(taken.map(async (window, index) => stores[index % stores.length]!.release(key, window)));

    it('shows what is left without taking any of it', async () => {
      for (const window of await peekMany(20, 5))
        expect(window).toMatchObject({ allowed: true, limit: 5, remaining: 5 });
      expect(allowed(await takeMany(3, 5))).toBe(3);
      const [open] = await takeMany(1, 1);
      for (const window of await peekMany(20, 5)) {
        expect(window).toMatchObject({ allowed: true, limit: 5, remaining: 2 });
        expect(Math.abs(window.resetsAtMs - open!.resetsAtMs)).toBeLessThanOrEqual(1);
      }
      expect(allowed(await takeMany(50, 5))).toBe(2);
      expect((await peekMany(1, 5))[0]).toMatchObject({ allowed: false, limit: 5, remaining: 0 });
      expect((await peekMany(1, 3))[0]).toMatchObject({ allowed: false, limit: 3, remaining: 0 });
    });

    it('opens no window by a read: the first request opens it', async () => {
      const [seen] = await peekMany(1, 5);
      await pause(300);
      const [taken] = await takeMany(1, 5);
      expect(taken!.resetsAtMs - seen!.resetsAtMs).toBeGreaterThanOrEqual(250);
    });

    it('shows a full window once the last one has closed', async () => {
      const [window] = await takeMany(2, 2, opened.short);
      await eventually(async () => (await peekMany(1, 2, opened.short))[0]!.remaining === 2);
      expect((await peekMany(1, 2, opened.short))[0]!.resetsAtMs).toBeGreaterThan(window!.resetsAtMs);
    });

    it.each([1, 4, 20])('gives back exactly the %d of 20 places that are released at once', async (count) => {
      const taken = (await takeMany(20, 20)).filter((window) => window.allowed);
      await releaseMany(taken.slice(0, count));
      expect((await peekMany(1, 20))[0]!.remaining).toBe(count);
      expect(allowed(await takeMany(200, 20))).toBe(count);
    });

    it('gives back and takes at once, and gives no place to two requests', async () => {
      const taken = await takeMany(30, 30);
      const [windows] = await Promise.all([takeMany(300, 30), releaseMany(taken.slice(0, 12))]);
      expect(allowed(windows) + allowed(await takeMany(300, 30))).toBe(12);
    });

    it('never has more places than its limit, whatever is given back', async () => {
      const taken = await takeMany(2, 5);
      for (let round = 0; round < 5; round += 1) await releaseMany(taken);
      expect(allowed(await takeMany(50, 5))).toBe(5);
    });

    it("gives nothing back to a later window than the place's own", async () => {
      const old = await takeMany(2, 2, opened.short);
      for (;;) {
        let next: RateWindow[] = [];
        await eventually(async () => allowed((next = await takeMany(2, 2, opened.short))) === 2);
        await releaseMany(old, opened.short);
        const [window] = await takeMany(1, 2, opened.short);
        // If the machine stands still for a second here, a third window opens: then the test repeats.
        if (Math.abs(window!.resetsAtMs - next[0]!.resetsAtMs) > 1) continue;
        expect(window!.allowed).toBe(false);
        return;
      }
    });

    describeEndUserWindows(() => opened.long, LONG_WINDOW_SECONDS);
  });
}
