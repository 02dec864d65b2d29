import { randomBase62 } from './base62.js';

describe('randomBase62', () => {
  it('gives exactly as many characters as asked for, all of them base62', () => {
    for (const length of [0, 1, 27, 1000]) expect(randomBase62(length)).toMatch(new RegExp(`^[0-9A-Za-z]{${length}}$`));
  });

  it('prefers no character: each of the 62 is equally frequent', () => {
    const expected = 10_000;
    const counts = new Map<string, number>();
    for (const character of randomBase62(62 * expected)) counts.set(character, (counts.get(character) ?? 0) + 1);
    expect(counts.size).toBe(62);
    // Taking a byte modulo 62 would make eight characters a fifth more frequent; 7 % is seven standard deviations.
    for (const count of counts.values()) expect(Math.abs(count - expected)).toBeLessThan(expected * 0.07);
  });

  it('never repeats itself', () => {
    expect(new Set(Array.from({ length: 1000 }, () => randomBase62(27))).size).toBe(1000);
  });
});
