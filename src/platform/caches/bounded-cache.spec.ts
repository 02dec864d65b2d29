import { boundedCache } from './bounded-cache.js';

const filled = (
  cache: ReturnType<typeof boundedCache<string>>,
  count: number,
): ReturnType<typeof boundedCache<string>> => {
  for (let at = 0; at < count; at += 1) cache.set(`key ${at}`, `value ${at}`);
  return cache;
};

describe('a bounded cache', () => {
  it('keeps as many entries as it may, and those that were used last', () => {
    const cache = filled(boundedCache<string>({ maxEntries: 3 }), 3);
    cache.get('key 0');
    cache.set('key 3', 'value 3');
    expect([...cache.keys()].sort()).toEqual(['key 0', 'key 2', 'key 3']);
  });

  it('keeps neither more bytes nor more entries than it may', () => {
    const bytes = { most: 100, of: (value: string) => value.length };
    const long = boundedCache<string>({ maxEntries: 10, bytes });
    for (let at = 0; at < 10; at += 1) long.set(`key ${at}`, 'x'.repeat(40));
    expect(long.size).toBe(2);
    expect(filled(boundedCache<string>({ maxEntries: 10, bytes }), 30).size).toBe(10);
  });

  it('drops an entry whose time is over', () => {
    const cache = boundedCache<string>({ maxEntries: 10, ttlMs: 1 });
    cache.set('key', 'value', { start: performance.now() - 1000 });
    expect(cache.get('key')).toBeUndefined();
  });

  it('tells why an entry goes', () => {
    const gone: unknown[] = [];
    const cache = boundedCache<string>({
      maxEntries: 1,
      dispose: (value, key, reason) => gone.push([key, value, reason]),
    });
    filled(cache, 2);
    cache.delete('key 1');
    expect(gone).toEqual([
      ['key 0', 'value 0', 'evict'],
      ['key 1', 'value 1', 'delete'],
    ]);
  });

  it('takes no memory for entries that it does not have', () => {
    const before = process.memoryUsage();
    const caches = Array.from({ length: 50 }, () => boundedCache<string>({ maxEntries: 100_000, ttlMs: 1000 }));
    const after = process.memoryUsage();
    const takenBytes = after.heapUsed - before.heapUsed + after.arrayBuffers - before.arrayBuffers;
    expect(caches).toHaveLength(50);
    expect(takenBytes / caches.length).toBeLessThan(100_000);
  });
});
