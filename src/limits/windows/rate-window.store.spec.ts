import { secondsUntilReset } from './rate-window.store.js';

const WINDOW_MS = 60_000;

const secondsTo = (resetsAtMs: number): number =>
  secondsUntilReset({ allowed: true, limit: 1, remaining: 0, resetsAtMs }, WINDOW_MS);

describe('the seconds until a window closes', () => {
  it('are at least one, even where it has already closed', () => expect(secondsTo(Date.now() - 5000)).toBe(1));
  it('are never more than the window has, even where the clock of the store is ahead', () =>
    expect(secondsTo(Date.now() + WINDOW_MS + 5000)).toBe(60));
});
