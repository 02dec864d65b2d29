import { isIP } from 'node:net';
import { LRUCache } from 'lru-cache';
import { buildConnector, Pool } from 'undici';
import { ForbiddenAddressError, type AddressPolicy } from './outbound-address.js';
import { guardedLookup } from './outbound-lookup.js';
import { withoutContinues } from './unasked-continues.js';
import { watched } from './used-connections.js';

/** What every pool here has in common: one call, one connection, so that back-pressure on a stream holds up no other. */
export const ONE_CALL_PER_CONNECTION = { pipelining: 1, allowH2: false } as const;

const MAX_POOLS = 256;
/** Where there is no bound on calls. Many tenants may name the same origin. */
const CONNECTIONS_PER_ORIGIN = 512;
/** However long a server asks to be kept: what a tenant named is soon forgotten. */
const MAX_KEEP_ALIVE_MS = 60_000;

export interface TenantPoolsOptions {
  readonly addresses: AddressPolicy;
  readonly connectTimeoutMs: number;
  readonly maxPools?: number;
  /** As many as there can be calls, so that no tenant waits for another one's; null: any usual number. */
  readonly connectionsPerOrigin?: number | null;
}

/**
 * Connections to origins that tenants chose, apart from those that the operator did: a connection opened under one policy
 * never serves the other. Tenants can name any number of origins, so that only so many are kept; the one that was used
 * least recently goes, after its calls have ended.
 */
export class TenantPools {
  private readonly pools: LRUCache<string, Pool>;
  /** Out of the cache, with calls under way. */
  private readonly closing = new Set<Pool>();

  constructor(private readonly options: TenantPoolsOptions) {
    this.pools = new LRUCache({ max: options.maxPools ?? MAX_POOLS, dispose: (pool) => this.retire(pool) });
  }

  /** @param fresh those of connections that serve one call each */
  get(origin: string, fresh = false): Pool {
    const key = fresh ? `fresh ${origin}` : origin;
    const known = this.pools.get(key);
    if (known !== undefined) return known;
    const pool = new Pool(origin, {
      ...ONE_CALL_PER_CONNECTION,
      connections: this.options.connectionsPerOrigin ?? CONNECTIONS_PER_ORIGIN,
      keepAliveMaxTimeout: MAX_KEEP_ALIVE_MS,
      connect: watched(withoutContinues(guardedConnector(this.options))),
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
 * Opens sockets to public addresses alone. Names are judged in the socket's own look-up; no look-up is made for a host that
 * is an address, so that it is judged before there is a socket. The last look, at the other end of the open socket, should
 * never find anything: it holds if Node should ever come to an address by another way.
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
