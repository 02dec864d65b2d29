import { Inject, Injectable, type BeforeApplicationShutdown } from '@nestjs/common';
import {
  ExpiredCredentialFault,
  isScope,
  refusedCredential,
  type OidcConfig,
  type PublishableKey,
  type SecretKeyPrincipal,
} from '../identity/index.js';
import { SETTINGS_TOKEN, type Settings } from '../platform/config/index.js';
import { PepperRing } from '../platform/crypto/index.js';
import { Database, KnownSecrets, Revocations } from '../platform/database/index.js';
import { Jobs } from '../platform/jobs/index.js';
import { moveToCurrentPepper } from './current-pepper.js';
import { shownPrefix, type ApiKeyType } from './key-format.js';
import { LastUses } from './last-uses.js';
import { rateThatHolds } from './rate-ceiling.js';

const FIND = { name: 'find_api_key', text: 'SELECT * FROM find_api_key($1)' };
const REHASH = { name: 'rehash_api_key', text: 'SELECT rehash_api_key($1, $2, $3)' };
const TOUCH = { name: 'touch_api_keys', text: 'SELECT touch_api_keys($1, $2)' };
const NOT_TOUCHED = 'When keys were last used could not be written.';

/** The result of find_api_key: always one row. */
interface FoundRow {
  /** True: the key is known, but its time is over. Then, and for an unknown key, all other columns are null. */
  readonly expired: boolean | null;
  readonly id: string | null;
}

interface ApiKeyRow extends FoundRow {
  readonly id: string;
  readonly tenant_id: string;
  readonly type: ApiKeyType;
  readonly hash: Buffer;
  readonly pepper_version: number;
  readonly scopes: readonly string[];
  readonly requests_per_minute: number | null;
  readonly requests_per_minute_per_human: number | null;
  /** The key's end, or, for a secret that a rotation replaced, the end of its grace if that comes first. */
  readonly expires_at: Date | null;
  readonly allowed_origins: readonly string[] | null;
  readonly oidc_issuer: string | null;
  readonly oidc_audience: string | null;
  readonly oidc_jwks_uri: string | null;
  readonly human_prefix: string;
  readonly other_human_prefixes: readonly string[] | null;
}

type KnownKey = { readonly keyId: string; readonly expiresAtMs: number } & (
  | { readonly type: 'SECRET'; readonly principal: SecretKeyPrincipal }
  | { readonly type: 'PUBLISHABLE'; readonly key: PublishableKey }
);

/**
 * Finds the principal of a presented key. Only hashes are compared: the key itself is not stored.
 *
 * - A revoked key is refused on every replica within 1 s (KnownSecrets). An expired key, or a secret after its grace, is
 *   refused from that second on, by the database's clock.
 * - A known key costs no query. Last uses are collected and written in batches.
 * - Unknown, revoked and expired keys get the same words after the same query with one row, so that the time does not tell
 *   whether a key was once good.
 */
@Injectable()
export class ApiKeyDirectory implements BeforeApplicationShutdown {
  private readonly known: KnownSecrets<KnownKey, string>;
  private readonly lastUses: LastUses;

  constructor(
    private readonly database: Database,
    private readonly revocations: Revocations,
    private readonly peppers: PepperRing,
    @Inject(SETTINGS_TOKEN) private readonly settings: Settings,
    jobs: Jobs,
  ) {
    this.known = new KnownSecrets({
      revocations,
      maxEntries: settings.credentialCacheEntries,
      load: (key: string) => this.load(key),
      topics: { 'api-key': ({ keyId }) => keyId },
    });
    this.lastUses = new LastUses(database, jobs, TOUCH, NOT_TOUCHED);
  }

  /**
   * @param secret a well-formed secret key
   * @throws Fault unauthenticated (the same for unknown, revoked and expired keys), unavailable
   */
  async authenticate(secret: string): Promise<SecretKeyPrincipal> {
    return this.findSecret(secret);
  }

  /** The same, without a promise for a known key. */
  findSecret(secret: string): SecretKeyPrincipal | Promise<SecretKeyPrincipal> {
    const known = this.find(secret);
    return known instanceof Promise ? known.then(secretKeyOf) : secretKeyOf(known);
  }

  /**
   * @param publishableKey a well-formed publishable key
   * @throws Fault unauthenticated (the same for unknown, revoked and expired keys), unavailable
   */
  async authenticatePublishable(publishableKey: string): Promise<PublishableKey> {
    return this.findPublishable(publishableKey);
  }

  /** The same, without a promise for a known key. */
  findPublishable(publishableKey: string): PublishableKey | Promise<PublishableKey> {
    const known = this.find(publishableKey);
    return known instanceof Promise ? known.then(publishableKeyOf) : publishableKeyOf(known);
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.lastUses.stop();
  }

  private find(key: string): KnownKey | Promise<KnownKey> {
    const found = this.known.find(key, key);
    return found instanceof Promise ? found.then((known) => this.usable(key, known)) : this.usable(key, found);
  }

  /** @throws Fault unauthenticated */
  private usable(key: string, known: KnownKey | null): KnownKey {
    if (known === null) throw refusedCredential('unknown_or_revoked_key', { keyPrefix: shownPrefix(key) });
    if (this.known.isOver(known)) throw new ExpiredCredentialFault('expired_key', { keyId: known.keyId });
    this.lastUses.set(known.keyId, this.revocations.databaseNow());
    return known;
  }

  /** @throws Fault unauthenticated: the key does not exist, or no longer */
  private async load(key: string): Promise<KnownKey> {
    const candidates = this.peppers.candidates(key);
    const [row] = await this.database.lookUp<FoundRow>(FIND, [candidates.map((candidate) => candidate.hash)]);
    if (row === undefined || !isUsable(row)) {
      const names = { keyPrefix: shownPrefix(key) };
      throw row?.expired
        ? new ExpiredCredentialFault('expired_key', names)
        : refusedCredential('unknown_or_revoked_key', names);
    }
    moveToCurrentPepper(this.database, REHASH, row, candidates, { keyId: row.id });
    const known = { keyId: row.id, expiresAtMs: row.expires_at?.getTime() ?? Infinity };
    return row.type === 'SECRET'
      ? { ...known, type: 'SECRET', principal: this.principalOf(row) }
      : { ...known, type: 'PUBLISHABLE', key: this.publishableOf(row) };
  }

  private requestsPerMinuteOf({ requests_per_minute: set }: ApiKeyRow): number {
    return rateThatHolds(set, this.settings.requestsPerMinute, this.settings.mostRequestsPerMinute);
  }

  private principalOf(row: ApiKeyRow): SecretKeyPrincipal {
    return Object.freeze({
      kind: 'secretKey',
      tenantId: row.tenant_id,
      keyId: row.id,
      scopes: new Set(row.scopes.filter(isScope)),
      requestsPerMinute: this.requestsPerMinuteOf(row),
      human: null,
    });
  }

  private publishableOf(row: ApiKeyRow): PublishableKey {
    return Object.freeze({
      tenantId: row.tenant_id,
      keyId: row.id,
      scopes: new Set(row.scopes.filter(isScope)),
      requestsPerMinute: this.requestsPerMinuteOf(row),
      requestsPerMinutePerHuman: rateThatHolds(
        row.requests_per_minute_per_human,
        this.settings.requestsPerMinutePerHuman,
        this.settings.mostRequestsPerMinute,
      ),
      allowedOrigins: Object.freeze(row.allowed_origins ?? []),
      oidc: oidcConfigOf(row),
      otherHumanPrefixes: Object.freeze(row.other_human_prefixes ?? []),
    });
  }
}

/** The stored type must agree with the prefix that chose the verifier. */
function secretKeyOf(known: KnownKey): SecretKeyPrincipal {
  if (known.type !== 'SECRET') throw refusedCredential('other_type_of_key', { keyId: known.keyId });
  return known.principal;
}

function publishableKeyOf(known: KnownKey): PublishableKey {
  if (known.type !== 'PUBLISHABLE') throw refusedCredential('other_type_of_key', { keyId: known.keyId });
  return known.key;
}

function isUsable(row: FoundRow): row is ApiKeyRow {
  return row.id !== null;
}

function oidcConfigOf(row: ApiKeyRow): OidcConfig | null {
  if (row.oidc_issuer === null || row.oidc_audience === null) return null;
  return Object.freeze({
    issuer: row.oidc_issuer,
    audience: row.oidc_audience,
    jwksUri: row.oidc_jwks_uri,
    humanPrefix: row.human_prefix,
  });
}
