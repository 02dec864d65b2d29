import { hash, randomBytes } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import {
  ExpiredCredentialFault,
  isScope,
  refusedCredential,
  type Scope,
  type UsageTokenPrincipal,
} from '../../identity/index.js';
import { rateThatHolds } from '../../keys/index.js';
import { SETTINGS_TOKEN, type Settings } from '../../platform/config/index.js';
import { Database, RevocableCache, Revocations } from '../../platform/database/index.js';
import { UsageTokenJwt } from './usage-token.jwt.js';

const FIND = { name: 'find_usage_token', text: 'SELECT * FROM find_usage_token($1)' };

/** All that a usage token can hold, of what its key holds. */
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
  /** The key's end, if that comes first. */
  readonly expires_at: Date;
  readonly expired: boolean;
}

interface KnownToken {
  readonly humanId: string;
  readonly expiresAtMs: number;
  readonly principal: UsageTokenPrincipal;
}

/**
 * From a presented usage token to the human and key that it pairs. Guarantees: a token that is revoked, whose human is
 * erased or whose key is revoked, and one whose life or key's scopes were changed, is judged by that on every replica
 * within 1 s (RevocableCache); an expired one, or one whose key expired, is refused by the database's clock; a known one
 * costs no query, and one that no key of ours signed costs none either.
 */
@Injectable()
export class UsageTokenDirectory {
  private readonly cache: RevocableCache<KnownToken, string>;
  /** The signature of a token does not change: it is checked once. By a hash that is worth nothing outside this process. */
  private readonly signed: LRUCache<string, string>;
  private readonly salt = randomBytes(32).toString('base64');

  constructor(
    private readonly database: Database,
    private readonly revocations: Revocations,
    private readonly jwt: UsageTokenJwt,
    @Inject(SETTINGS_TOKEN) private readonly settings: Settings,
  ) {
    this.signed = new LRUCache({ max: settings.credentialCacheEntries });
    this.cache = new RevocableCache({
      revocations,
      maxEntries: settings.credentialCacheEntries,
      load: (tokenId: string) => this.load(tokenId),
      topics: { 'usage-token': ({ humanId }) => humanId, 'api-key': ({ principal }) => principal.keyId },
    });
  }

  /** @throws Fault unauthenticated (of an expired token, which our signature proves to be ours, it says so), unavailable */
  async authenticate(token: string): Promise<UsageTokenPrincipal> {
    const tokenId = this.idOf(token);
    let found = this.cache.get(tokenId, tokenId);
    if (!(found instanceof Promise) && this.isOver(found)) {
      // Refused from memory it would be refused sooner than one that is unknown.
      this.cache.forget(tokenId);
      found = this.cache.get(tokenId, tokenId);
    }
    const known = found instanceof Promise ? await found : found;
    if (known === null) throw refusedCredential('unknown_or_revoked_usage_token', { usageTokenId: tokenId });
    if (this.isOver(known)) throw new ExpiredCredentialFault('expired_token', { usageTokenId: tokenId });
    return known.principal;
  }

  private idOf(token: string): string {
    const place = hash('sha256', this.salt + token, 'base64');
    const known = this.signed.get(place);
    if (known !== undefined) return known;
    const tokenId = this.jwt.read(token);
    this.signed.set(place, tokenId);
    return tokenId;
  }

  private isOver({ expiresAtMs }: KnownToken): boolean {
    return expiresAtMs <= this.revocations.databaseNow();
  }

  /** @throws Fault unauthenticated: its time is over */
  private async load(tokenId: string): Promise<KnownToken | null> {
    const [row] = await this.database.call<UsageTokenRow & Record<string, unknown>>(FIND, [tokenId]);
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
