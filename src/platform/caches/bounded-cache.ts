import { LRUCache } from 'lru-cache';

export interface BoundedCacheOptions<Value> {
  readonly maxEntries: number;
  /** How much all entries together may take, and what one takes. Absent: they are small. */
  readonly bytes?: { readonly most: number; readonly of: (value: Value) => number } | undefined;
  /** How long an entry is kept; absent: as long as there is room. */
  readonly ttlMs?: number;
  readonly dispose?: LRUCache.Disposer<string, Value>;
}

/**
 * A cache of the entries that were used last. It grows as it fills: told of `max`, the library takes the memory of all entries
 * at once, and the service has many such caches, which hold few entries in most deployments.
 */
export function boundedCache<Value extends object | string>(
  options: BoundedCacheOptions<Value>,
): LRUCache<string, Value> {
  const { maxEntries, bytes, ttlMs, dispose } = options;
  return new LRUCache<string, Value>({
    ...room(maxEntries, bytes),
    ...(ttlMs === undefined ? {} : { ttl: ttlMs }),
    ...(dispose === undefined ? {} : { dispose }),
  });
}

/** Both bounds as one: an entry takes at least the part of the room that it has if there are as many as may be. */
function room<Value>(
  maxEntries: number,
  bytes: BoundedCacheOptions<Value>['bytes'],
): { maxSize: number; sizeCalculation: (value: Value) => number } {
  if (bytes === undefined) return { maxSize: maxEntries, sizeCalculation: () => 1 };
  const least = Math.ceil(bytes.most / maxEntries);
  return { maxSize: bytes.most, sizeCalculation: (value) => Math.max(least, bytes.of(value)) };
}
