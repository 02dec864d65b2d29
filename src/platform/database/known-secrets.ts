import { hash, randomBytes } from 'node:crypto';
import { RevocableCache, type RevocableCacheOptions } from './revocable-cache.js';

interface Ending {
  readonly expiresAtMs: number;
}

/**
 * What is known of the secrets that callers present, from which a revoked one vanishes on every replica within 1 s
 * (RevocableCache). Memory is keyed by a hash of the whole secret that is worth nothing outside this process, and is faster than
 * an HMAC.
 */
export class KnownSecrets<Value extends Ending, Input> {
  private readonly cache: RevocableCache<Value, Input>;
  private readonly salt = randomBytes(32).toString('base64');

  constructor(private readonly options: RevocableCacheOptions<Value, Input>) {
    this.cache = new RevocableCache(options);
  }

  /**
   * An expired secret is looked up again: a refusal from memory would be faster than that of an unknown one, and tell them apart.
   *
   * @param presented the secret, and whatever else decides what is known of it
   * @throws whatever `load` throws
   */
  find(presented: string, input: Input): Value | Promise<Value | null> {
    const place = hash('sha256', this.salt + presented, 'base64');
    const found = this.cache.get(place, input);
    if (found instanceof Promise || !this.isOver(found)) return found;
    this.cache.forget(place);
    return this.cache.get(place, input);
  }

  /** By the database's clock. */
  isOver({ expiresAtMs }: Ending): boolean {
    return expiresAtMs <= this.options.revocations.databaseNow();
  }
}
