import { SETTINGS } from '../platform/config/index.js';
import { retryInMs } from './retry-schedule.js';

const DEFAULTS = {
  webhookRetryMs: Number(SETTINGS.webhookRetryMs.fallback),
  webhookAttempts: Number(SETTINGS.webhookAttempts.fallback),
};
const waits = (random: number): (number | null)[] =>
  Array.from({ length: DEFAULTS.webhookAttempts }, (_, index) => retryInMs(index + 1, 'REFUSED', DEFAULTS, random));

it('grows from seconds to hours, and ends after about a day', () => {
  const seconds = waits(0.5).map((wait) => (wait === null ? null : wait / 1000));
  expect(seconds).toEqual([5, 20, 80, 320, 1280, 5120, 20_480, 28_800, 28_800, null]);
  const hours = seconds.reduce<number>((sum, wait) => sum + (wait ?? 0), 0) / 3600;
  expect(hours).toBeGreaterThan(22);
  expect(hours).toBeLessThan(26);
});

it('is a fifth earlier or later, so that simultaneous failures do not retry together', () => {
  const [earliest, latest] = [waits(0), waits(1)];
  expect(earliest[0]).toBe(4000);
  expect(latest[0]).toBe(6000);
  const drawn = new Set(Array.from({ length: 20 }, () => retryInMs(5, 'TIMEOUT', DEFAULTS)));
  expect(drawn.size).toBeGreaterThan(10);
});

it('does not retry an endpoint that is gone', () => {
  expect(retryInMs(1, 'GONE', DEFAULTS)).toBeNull();
});

it('keeps waiting where the failure is our own, however often', () => {
  expect(retryInMs(DEFAULTS.webhookAttempts + 100, 'INTERNAL', DEFAULTS, 0.5)).toBe(28_800_000);
});
