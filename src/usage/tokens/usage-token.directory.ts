import { hash, randomBytes } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { LRUCache } from 'lru-cache';
import {
  ExpiredCredentialFault,
  isScope,
  refusedCredential,
  type Scope,
  type UsageTokenPrincipal,
} from '../../identity/index.js';
import { rateThatHolds } from '../../keys/index.js';
import { boundedCache } from '../../platform/caches/index.js';
import { SETTINGS_TOKEN, type Settings } from '../../platform/config/index.js';
import { Database, RevocableCache, Revocations } from '../../platform/database/index.js';
import { PacedRefusals } from '../../platform/http/index.js';
import { UsageTokenJwt } from './usage-token.jwt.js';

const FIND = { name: 'find_usage_token', text: 'SELECT * FROM find_usage_token($1)' };

/** The most that a usage token can have of its key's scopes. */
const USAGE_TOKEN_SCOPES: ReadonlySet<Scope> = new Set<Scope>([
  'chat:write',
  'conversations:read',
  'conversations:write',
  'usage:read',
]);

interface UsageTokenRow {
  readonly id: string;
  readonly tenant_id: string;
  readonly key_id: string;
  readonly human_id: string;
  readonly human: string;
  readonly scopes: readonly string[];
  readonly requests_per_minute_per_human: number | null;
  /** The token's own end, or the key's if that comes first. */
  readonly expires_at: Date;
  readonly expired: boolean;
}

interface KnownToken {
  readonly humanId: string;
  readonly expiresAtMs: number;
  readonly principal: UsageTokenPrincipal;
}

/**
 * Finds the human and the key of a presented usage token.
 *
 * - Revocation of the token or key, erasure of the human, and changes of the token's life or the key's scopes count on every
 *   replica within 1 s (RevocableCache).
 * - An expired token, or one of an expired key, is refused by the database's clock.
 * - A known token costs no query, nor does a token that none of our keys signed.
 */
@Injectable()
export class UsageTokenDirectory {
  private readonly cache: RevocableCache<KnownToken, string>;
  /** Remembers checked signatures, which do not change, by a salted hash that is worthless outside this process. */
  private readonly signed: LRUCache<string, string>;
  private readonly salt = randomBytes(32).toString('base64');

  constructor(
    private readonly database: Database,
    private readonly revocations: Revocations,
    private readonly jwt: UsageTokenJwt,
    private readonly refusals: PacedRefusals,
    @Inject(SETTINGS_TOKEN) private readonly settings: Settings,
  ) {
    this.signed = boundedCache({ maxEntries: settings.credentialCacheEntries });
    this.cache = new RevocableCache({
      revocations,
      maxEntries: settings.credentialCacheEntries,
      load: (tokenId: string) => this.load(tokenId),
      topics: { 'usage-token': ({ humanId }) => humanId, 'api-key': ({ principal }) => principal.keyId },
    });
  }

  /** @throws Fault unauthenticated (says so of an expired token, since our signature proves it ours), unavailable */
  async authenticate(token: string): Promise<UsageTokenPrincipal> {
    const id = this.idOf(token);
    const tokenId = id instanceof Promise ? await id : id;
    let found = this.cache.get(tokenId, tokenId);
    if (!(found instanceof Promise) && this.isOver(found)) {
      // A refusal from the cache would be faster than that of an unknown token.
      this.cache.forget(tokenId);
      found = this.cache.get(tokenId, tokenId);
    }
    const known = found instanceof Promise ? await found : found;
    if (known === null) throw refusedCredential('unknown_or_revoked_usage_token', { usageTokenId: tokenId });
    if (this.isOver(known)) throw new ExpiredCredentialFault('expired_token', { usageTokenId: tokenId });
    return known.principal;
  }

  private idOf(token: string): string | Promise<string> {
    const place = hash('sha256', this.salt + token, 'base64');
    const known = this.signed.get(place);
    if (known !== undefined) return known;
    return this.refusals.judge(() => {
      const tokenId = this.jwt.read(token);
      this.signed.set(place, tokenId);
      return tokenId;
    });
  }

  private isOver({ expiresAtMs }: KnownToken): boolean {
    return expiresAtMs <= this.revocations.databaseNow();
  }

  /** @throws Fault unauthenticated: the token's time is over */
  private async load(tokenId: string): Promise<KnownToken | null> {
    const [row] = await this.database.lookUp<UsageTokenRow & Record<string, unknown>>(FIND, [tokenId]);
    if (row === undefined) return null;
    if (row.expired) throw new ExpiredCredentialFault('expired_token', { usageTokenId: tokenId });
    return {
      humanId: row.human_id,
      expiresAtMs: row.expires_at.getTime(),
      principal: Object.freeze({
        kind: 'usageToken',
        tenantId: row.tenant_id,
        tokenId: row.id,
        keyId: row.key_id,
        human: row.human,
        scopes: new Set(row.scopes.filter(isScope).filter((scope) => USAGE_TOKEN_SCOPES.has(scope))),
        requestsPerMinutePerHuman: rateThatHolds(
          row.requests_per_minute_per_human,
          this.settings.requestsPerMinutePerHuman,
          this.settings.mostRequestsPerMinute,
        ),
      }),
    };
  }
}
