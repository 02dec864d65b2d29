import type { LRUCache } from 'lru-cache';
import { boundedCache, type BoundedCacheOptions } from '../caches/index.js';
import type { Revocations } from './revocations.js';

export interface RevocableCacheOptions<Value extends object, Input> {
  readonly revocations: Revocations;
  readonly maxEntries: number;
  readonly bytes?: BoundedCacheOptions<Value>['bytes'];
  /** Reads an entry from the database, by the parts of its key; null: not found. */
  readonly load: (input: Input) => Promise<Value | null>;
  /** The topics of the notifications that concern these entries, each with the tag under which it names a value. */
  readonly topics: Readonly<Record<string, (value: Value) => string>>;
}

interface Asked<Value> {
  readonly current: Promise<Value | null>;
  next: Promise<Value | null> | null;
}

/**
 * A bounded memory of look-ups, from which a revoked entry vanishes on every replica within 1 s. With it warm, an
 * authenticated request costs no query.
 *
 * Keys are whole hashes or whole ids, never prefixes. Absence is not kept: what is unknown is asked for each time.
 * A look-up that was under way when something was revoked is not kept either, since it may have read what was before.
 */
export class RevocableCache<Value extends object, Input> {
  private readonly entries: LRUCache<string, Value>;
  /** Which entries go, by topic and tag: an entry hangs on one tag of each topic. */
  private readonly keysByTag = new Map<string, Set<string>>();
  private readonly inFlight = new Map<string, Promise<Value | null>>();
  /** While the memory may not be believed: the look-up that is under way, and the one that begins after it. */
  private readonly asked = new Map<string, Asked<Value>>();
  private version = 0;

  constructor(private readonly options: RevocableCacheOptions<Value, Input>) {
    this.entries = boundedCache({
      maxEntries: options.maxEntries,
      bytes: options.bytes,
      dispose: (value, key, reason) => {
        if (reason !== 'set') this.untag(value, key);
      },
    });
    options.revocations.onRevoked((topic, tag) => {
      if (Object.hasOwn(options.topics, topic)) this.drop(placeOf(topic, tag));
    });
    options.revocations.onReset(() => {
      this.version += 1;
      this.entries.clear();
      this.inFlight.clear();
    });
  }

  /**
   * The entry, from memory while that may be believed, else from the database.
   *
   * @throws whatever `load` throws
   */
  get(key: string, input: Input): Value | Promise<Value | null> {
    const { revocations } = this.options;
    if (!revocations.isFresh()) return this.ask(key, input);
    return this.entries.get(key) ?? this.inFlight.get(key) ?? this.loadAndKeep(key, input);
  }

  /** Drops an entry that has expired: the next `get` asks the database. */
  forget(key: string): void {
    this.entries.delete(key);
  }

  /**
   * Asks the database anew, once for all callers who came before the question was sent: many callers of one key would
   * else take every connection when the memory is lost. No caller gets an answer from before it came.
   */
  private ask(key: string, input: Input): Promise<Value | null> {
    const before = this.asked.get(key);
    if (before === undefined) return this.askNow(key, input);
    before.next ??= before.current.then(
      () => this.askNow(key, input),
      () => this.askNow(key, input),
    );
    return before.next;
  }

  private askNow(key: string, input: Input): Promise<Value | null> {
    const asked: Asked<Value> = { current: this.options.load(input), next: null };
    this.asked.set(key, asked);
    const end = (): void => {
      if (asked.next === null) this.asked.delete(key);
    };
    asked.current.then(end, end);
    return asked.current;
  }

  private loadAndKeep(key: string, input: Input): Promise<Value | null> {
    const { version } = this;
    const loading = this.options
      .load(input)
      .then((value) => {
        if (value !== null && version === this.version) {
          this.entries.set(key, value);
          // One that takes too much is not kept.
          if (this.entries.has(key)) this.tag(value, key);
        }
        return value;
      })
      .finally(() => {
        if (this.inFlight.get(key) === loading) this.inFlight.delete(key);
      });
    this.inFlight.set(key, loading);
    return loading;
  }

  private drop(place: string): void {
    this.version += 1;
    this.inFlight.clear();
    for (const key of [...(this.keysByTag.get(place) ?? [])]) this.entries.delete(key);
  }

  private tag(value: Value, key: string): void {
    for (const place of this.placesOf(value)) {
      const keys = this.keysByTag.get(place);
      if (keys === undefined) this.keysByTag.set(place, new Set([key]));
      else keys.add(key);
    }
  }

  private untag(value: Value, key: string): void {
    for (const place of this.placesOf(value)) {
      const keys = this.keysByTag.get(place);
      keys?.delete(key);
      if (keys?.size === 0) this.keysByTag.delete(place);
    }
  }

  private placesOf(value: Value): string[] {
    return Object.entries(this.options.topics).map(([topic, tagOf]) => placeOf(topic, tagOf(value)));
  }
}

function placeOf(topic: string, tag: string): string {
  return `${topic}:${tag}`;
}
