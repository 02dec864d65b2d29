import { hash, randomBytes } from 'node:crypto';
import { Inject, Injectable, type BeforeApplicationShutdown } from '@nestjs/common';
import { isScope, unknownCredential, type SecretKeyPrincipal } from '../identity/index.js';
import { SETTINGS_TOKEN, type Settings } from '../platform/config/index.js';
import { PepperRing } from '../platform/crypto/index.js';
import { Database, RevocableCache, Revocations } from '../platform/database/index.js';
import { logger } from '../platform/logging/index.js';

const FIND = { name: 'find_api_key', text: 'SELECT * FROM find_api_key($1)' };
const REHASH = { name: 'rehash_api_key', text: 'SELECT rehash_api_key($1, $2, $3)' };
const TOUCH = { name: 'touch_api_keys', text: 'SELECT touch_api_keys($1, $2)' };
const TOUCH_EVERY_MS = 10_000;

interface ApiKeyRow {
  readonly id: string;
  readonly tenant_id: string;
  readonly type: string;
  readonly hash: Buffer;
  readonly pepper_version: number;
  readonly scopes: readonly string[];
  readonly requests_per_minute: number | null;
  readonly expires_at: Date | null;
  readonly revoked_at: Date | null;
}

interface KnownKey {
  readonly expiresAtMs: number;
  readonly principal: SecretKeyPrincipal;
}

/**
 * From a presented key to whom it stands for. Only hashes are compared: the key itself is stored nowhere and kept
 * nowhere. Guarantees: a revoked key is refused on every replica within 1 s (RevocableCache), an expired one from its
 * second on by the database's clock, and a known one costs no query. When a key was last used is gathered here and
 * written for many at once.
 */
@Injectable()
export class ApiKeyDirectory implements BeforeApplicationShutdown {
  private readonly cache: RevocableCache<KnownKey, string>;
  /** Memory is keyed by a hash of the whole key that is worth nothing outside this process; faster than an HMAC. */
  private readonly salt = randomBytes(32).toString('base64');
  private readonly lastUsedAtMs = new Map<string, number>();
  private readonly timer: NodeJS.Timeout;

  constructor(
    private readonly database: Database,
    private readonly revocations: Revocations,
    private readonly peppers: PepperRing,
    @Inject(SETTINGS_TOKEN) private readonly settings: Settings,
  ) {
    this.cache = new RevocableCache({
      revocations,
      maxEntries: settings.credentialCacheEntries,
      load: (secret: string) => this.load(secret),
      topic: 'api-key',
      tagOf: ({ principal }) => principal.keyId,
    });
    this.timer = setInterval(() => void this.writeLastUsed(), TOUCH_EVERY_MS);
    this.timer.unref();
  }

  /**
   * @param secret a well-formed secret key
   * @throws Fault unauthenticated (the same for unknown, revoked and expired keys), unavailable
   */
  async authenticate(secret: string): Promise<SecretKeyPrincipal> {
    const found = this.cache.get(hash('sha256', this.salt + secret, 'base64'), secret);
    const known = found instanceof Promise ? await found : found;
    if (known === null || known.expiresAtMs <= this.revocations.databaseNow()) throw unknownCredential();
    this.lastUsedAtMs.set(known.principal.keyId, this.revocations.databaseNow());
    return known.principal;
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.writeLastUsed();
  }

  private async load(secret: string): Promise<KnownKey | null> {
    const candidates = this.peppers.candidates(secret);
    const [row] = await this.database.call<ApiKeyRow>(FIND, [candidates.map(({ hash }) => hash)]);
    // The stored type must agree with the prefix that chose this verifier.
    if (row === undefined || row.type !== 'SECRET' || row.revoked_at !== null) return null;
    this.moveToCurrentPepper(row, candidates);
    return {
      expiresAtMs: row.expires_at?.getTime() ?? Infinity,
      principal: Object.freeze({
        kind: 'secretKey',
        tenantId: row.tenant_id,
        keyId: row.id,
        scopes: new Set(row.scopes.filter(isScope)),
        requestsPerMinute: row.requests_per_minute ?? this.settings.requestsPerMinute,
      }),
    };
  }

  /** The key is good either way; if this write fails, the next look-up tries again. */
  private moveToCurrentPepper(row: ApiKeyRow, candidates: readonly { version: number; hash: Buffer }[]): void {
    const current = candidates[0];
    // Never back to an older one: replicas that are being configured anew may disagree which is the newest.
    if (current === undefined || current.version <= row.pepper_version) return;
    this.database
      .call(REHASH, [row.hash, current.hash, current.version])
      .catch((error: unknown) =>
        logger.warn({ err: error, keyId: row.id }, 'A key could not be moved to the current pepper.'),
      );
  }

  private async writeLastUsed(): Promise<void> {
    if (this.lastUsedAtMs.size === 0) return;
    const used = [...this.lastUsedAtMs];
    this.lastUsedAtMs.clear();
    try {
      await this.database.call(TOUCH, [used.map(([id]) => id), used.map(([, at]) => new Date(at))]);
    } catch (error) {
      logger.warn({ err: error }, 'When keys were last used could not be written.');
    }
  }
}
