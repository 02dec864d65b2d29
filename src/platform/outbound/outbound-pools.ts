import { isIP } from 'node:net';
import type { LRUCache } from 'lru-cache';
import { buildConnector, Pool } from 'undici';
import { boundedCache } from '../caches/index.js';
import { ForbiddenAddressError, type AddressPolicy } from './outbound-address.js';
import { guardedLookup } from './outbound-lookup.js';
import { withoutContinues } from './unasked-continues.js';
import { watched } from './used-connections.js';
import { writtenTogether } from './written-together.js';

/** Every pool here carries one call per connection, so that back-pressure on a stream delays no other call. */
export const ONE_CALL_PER_CONNECTION = { pipelining: 1, allowH2: false } as const;

/** What every connection gets beside its own way of being opened. */
export function overseen(connect: buildConnector.connector): buildConnector.connector {
  return watched(withoutContinues(writtenTogether(connect)));
}

const MAX_POOLS = 256;
/** Used where calls have no bound. Many tenants may name the same origin. */
const CONNECTIONS_PER_ORIGIN = 512;
/** Caps the keep-alive that a server asks for: connections to a tenant's origin soon close. */
const MAX_KEEP_ALIVE_MS = 60_000;

export interface TenantPoolsOptions {
  readonly addresses: AddressPolicy;
  readonly connectTimeoutMs: number;
  readonly maxPools?: number;
  /** As many as there can be calls, so that no tenant waits for another one's; null: `CONNECTIONS_PER_ORIGIN`. */
  readonly connectionsPerOrigin?: number | null;
}

/**
 * Connections to origins that tenants chose. They are separate from the operator's, so that a connection opened under one
 * policy never serves the other. The number of pools is bounded, since tenants can name any number of origins: the least
 * recently used one closes, after its calls have ended.
 */
export class TenantPools {
  private readonly pools: LRUCache<string, Pool>;
  /** Removed from the cache, with calls still under way. */
  private readonly closing = new Set<Pool>();

  constructor(private readonly options: TenantPoolsOptions) {
    this.pools = boundedCache({
      maxEntries: options.maxPools ?? MAX_POOLS,
      dispose: (pool) => this.retire(pool),
    });
  }

  /** @param fresh whether to use the pool of connections that serve one call each */
  get(origin: string, fresh = false): Pool {
    const key = fresh ? `fresh ${origin}` : origin;
    const known = this.pools.get(key);
    if (known !== undefined) return known;
    const pool = new Pool(origin, {
      ...ONE_CALL_PER_CONNECTION,
      connections: this.options.connectionsPerOrigin ?? CONNECTIONS_PER_ORIGIN,
      keepAliveMaxTimeout: MAX_KEEP_ALIVE_MS,
      connect: overseen(guardedConnector(this.options)),
    });
    this.pools.set(key, pool);
    return pool;
  }

  /** Closes every connection; calls under way fail. */
  async destroy(): Promise<void> {
    this.pools.clear();
    await Promise.all([...this.closing].map((pool) => pool.destroy()));
  }

  private retire(pool: Pool): void {
    this.closing.add(pool);
    pool.close(() => this.closing.delete(pool));
  }
}

/**
 * Opens sockets to public addresses alone. Names are judged in the socket's own look-up. A host that is an address needs no
 * look-up, and is judged before the socket opens. The open socket's other end is judged as a last guard, in case Node ever
 * reaches an address by another way.
 */
function guardedConnector({ addresses, connectTimeoutMs }: TenantPoolsOptions): buildConnector.connector {
  const connect = buildConnector({ timeout: connectTimeoutMs, allowH2: false, lookup: guardedLookup(addresses) });
  return (options, callback) => {
    const { hostname } = options;
    if (isIP(hostname) !== 0 && !addresses.allows(hostname)) {
      process.nextTick(callback, new ForbiddenAddressError(hostname, hostname), null);
      return;
    }
    connect(options, (...[error, socket]) => {
      if (error !== null) {
        callback(error, null);
      } else if (addresses.allows(socket.remoteAddress ?? '')) {
        callback(null, socket);
      } else {
        socket.destroy();
        callback(new ForbiddenAddressError(hostname, socket.remoteAddress ?? 'nowhere'), null);
      }
    });
  };
}
