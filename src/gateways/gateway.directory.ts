import { Inject, Injectable, type BeforeApplicationShutdown } from '@nestjs/common';
import { ExpiredCredentialFault, refusedCredential, type GatewayTokenPrincipal } from '../identity/index.js';
import { LastUses, moveToCurrentPepper } from '../keys/index.js';
import { SETTINGS_TOKEN, type Settings } from '../platform/config/index.js';
import { PepperRing } from '../platform/crypto/index.js';
import { Database, KnownSecrets, RevocableCache, Revocations } from '../platform/database/index.js';
import { Jobs } from '../platform/jobs/index.js';

const FIND_GATEWAY = { name: 'find_gateway', text: 'SELECT * FROM find_gateway($1)' };
const FIND_TOKEN = { name: 'find_gateway_token', text: 'SELECT * FROM find_gateway_token($1)' };
const REHASH = { name: 'rehash_gateway_token', text: 'SELECT rehash_gateway_token($1, $2, $3)' };
const TOUCH = { name: 'touch_gateway_tokens', text: 'SELECT touch_gateway_tokens($1, $2)' };

interface GatewayRow {
  readonly id: string;
  readonly tenant_id: string;
  readonly authenticated: boolean;
  readonly cache_ttl_seconds: number | null;
  readonly body_retention_days: number | null;
  readonly revision: string;
}

interface TokenRow {
  readonly id: string;
  readonly tenant_id: string;
  readonly gateway_id: string;
  readonly hash: Buffer;
  readonly pepper_version: number;
  readonly expires_at: Date | null;
  readonly expired: boolean;
}

/** What every call of a gateway needs to know of it. */
export interface KnownGateway {
  readonly id: string;
  readonly tenantId: string;
  /** Callers need a token. */
  readonly authenticated: boolean;
  /** Null: it keeps no answers. */
  readonly cacheTtlSeconds: number | null;
  /** Null: it keeps no bodies. */
  readonly bodyRetentionDays: number | null;
  /** Another one after each change. */
  readonly revision: string;
}

interface KnownToken {
  readonly principal: GatewayTokenPrincipal;
  readonly expiresAtMs: number;
}

/** A token, and the gateway in whose path it is presented. */
interface PresentedToken {
  readonly gatewayId: string;
  readonly token: string;
}

/**
 * From a presented token to its gateway. Only hashes are compared: the token itself is stored nowhere and kept nowhere.
 * Guarantees: a deleted token is refused on every replica within 1 s (KnownSecrets), as are all of a deleted gateway; an
 * expired one from its second on by the database's clock; and a known one costs no query. All others are refused in the same
 * words after the same one query, those of another gateway, too.
 */
@Injectable()
export class GatewayDirectory implements BeforeApplicationShutdown {
  private readonly gateways: RevocableCache<KnownGateway, string>;
  private readonly tokens: KnownSecrets<KnownToken, PresentedToken>;
  private readonly lastUses: LastUses;

  constructor(
    private readonly database: Database,
    private readonly revocations: Revocations,
    private readonly peppers: PepperRing,
    @Inject(SETTINGS_TOKEN) { credentialCacheEntries: maxEntries }: Pick<Settings, 'credentialCacheEntries'>,
    jobs: Jobs,
  ) {
    this.gateways = new RevocableCache({
      revocations,
      maxEntries,
      load: (id: string) => this.loadGateway(id),
      topics: { gateway: ({ id }) => id },
    });
    this.tokens = new KnownSecrets({
      revocations,
      maxEntries,
      load: (presented: PresentedToken) => this.loadToken(presented),
      topics: {
        'gateway-token': ({ principal }) => principal.tokenId,
        gateway: ({ principal }) => principal.gatewayId,
      },
    });
    this.lastUses = new LastUses(database, jobs, TOUCH, "When gateways' tokens were last used could not be written.");
  }

  /** Without a promise where it is known. Null: no such token. */
  findGateway(id: string): KnownGateway | Promise<KnownGateway | null> {
    return this.gateways.get(id, id);
  }

  /**
   * @param token of a token's form
   * @throws Fault unauthenticated, unavailable
   */
  async authenticate(gatewayId: string, token: string): Promise<GatewayTokenPrincipal> {
    const found = this.tokens.find(`${gatewayId}\0${token}`, { gatewayId, token });
    const known = found instanceof Promise ? await found : found;
    if (known === null) throw refusedCredential('unknown_or_deleted_gateway_token');
    const { principal } = known;
    if (this.tokens.isOver(known))
      throw new ExpiredCredentialFault('expired_token', { gatewayTokenId: principal.tokenId });
    this.lastUses.set(principal.tokenId, this.revocations.databaseNow());
    return principal;
  }

  /** After a change by this process: its own next call must see it, before the notification comes. */
  forgetGateway(id: string): void {
    this.gateways.forget(id);
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.lastUses.stop();
  }

  private async loadGateway(id: string): Promise<KnownGateway | null> {
    const [row] = await this.database.lookUp<GatewayRow & Record<string, unknown>>(FIND_GATEWAY, [id]);
    if (row === undefined) return null;
    return Object.freeze({
      id: row.id,
      tenantId: row.tenant_id,
      authenticated: row.authenticated,
      cacheTtlSeconds: row.cache_ttl_seconds,
      bodyRetentionDays: row.body_retention_days,
      revision: row.revision,
    });
  }

  private async loadToken({ gatewayId, token }: PresentedToken): Promise<KnownToken | null> {
    const candidates = this.peppers.candidates(token);
    const [row] = await this.database.lookUp<TokenRow & Record<string, unknown>>(FIND_TOKEN, [
      candidates.map((candidate) => candidate.hash),
    ]);
    if (row === undefined) return null;
    const names = { gatewayTokenId: row.id };
    if (row.gateway_id !== gatewayId) throw refusedCredential('token_of_another_gateway', names);
    if (row.expired) throw new ExpiredCredentialFault('expired_token', names);
    moveToCurrentPepper(this.database, REHASH, row, candidates, names);
    return {
      expiresAtMs: row.expires_at?.getTime() ?? Infinity,
      principal: Object.freeze({
        kind: 'gatewayToken',
        tenantId: row.tenant_id,
        gatewayId: row.gateway_id,
        tokenId: row.id,
      }),
    };
  }
}
