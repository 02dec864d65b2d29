import { uuidV7 } from './uuid-v7.js';

test('an id is a UUID of version 7 and contains the time of its creation', () => {
  const before = Date.now();
  const id = uuidV7();
  const after = Date.now();
  expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  const time = Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16);
  expect(time).toBeGreaterThanOrEqual(before);
  expect(time).toBeLessThanOrEqual(after);
});

test('no two of 100,000 ids are equal, nor their random halves', () => {
  const ids = Array.from({ length: 100_000 }, uuidV7);
  expect(new Set(ids).size).toBe(ids.length);
  expect(new Set(ids.map((id) => id.slice(14))).size).toBe(ids.length);
});

test('every random bit is sometimes 0 and sometimes 1', () => {
  const ids = Array.from({ length: 2000 }, () => BigInt(`0x${uuidV7().replaceAll('-', '').slice(12)}`));
  const fixed = new Set([78, 77, 76, 79, 62, 63]);
  for (let bit = 0; bit < 80; bit += 1) {
    if (fixed.has(bit)) continue;
    const values = new Set(ids.map((id) => (id >> BigInt(bit)) & 1n));
    expect({ bit, values: values.size }).toEqual({ bit, values: 2 });
  }
});
