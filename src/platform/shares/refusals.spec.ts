import { Refusals } from './refusals.js';

let nowMs = 0;

/** The waiting times of a number of simultaneous refusals of a tenant. */
function waitsOf(refusals: Refusals, tenantId: string, count: number): number[] {
  return Array.from({ length: count }, () => refusals.add(tenantId));
}

it('spreads the waits of simultaneous refusals, further the more there are', () => {
  const refusals = new Refusals(() => nowMs);
  const few = Array.from({ length: 300 }, () => {
    nowMs += 1_000;
    return refusals.add('acme');
  });
  expect(new Set(few)).toEqual(new Set([1, 2, 3]));
  const crowd = waitsOf(refusals, 'acme', 3_000);
  expect(new Set(crowd)).toEqual(new Set(Array.from({ length: 15 }, (_, second) => second + 1)));
  expect(refusals.count).toBe(3_300);
});

it("counts only a tenant's own refusals of this second", () => {
  const refusals = new Refusals(() => nowMs);
  waitsOf(refusals, 'greedy', 500);
  expect(Math.max(...waitsOf(refusals, 'polite', 9))).toBeLessThanOrEqual(3);
  nowMs += 1_000;
  expect(Math.max(...waitsOf(refusals, 'greedy', 9))).toBeLessThanOrEqual(3);
});
