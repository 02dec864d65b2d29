import { Inject, Injectable } from '@nestjs/common';
import type { LRUCache } from 'lru-cache';
import { boundedCache } from '../../platform/caches/index.js';
import { SETTINGS_TOKEN, type Settings } from '../../platform/config/index.js';
import { EnvelopeError } from '../../platform/crypto/index.js';
import { Database, RevocableCache, Revocations } from '../../platform/database/index.js';
import { logger } from '../../platform/logging/index.js';
import type { Provider } from '../providers/provider.js';
import { CredentialStore } from './credential-store.js';
import { ledgerName, ProviderBuilder } from './provider-builder.js';
import { UnreadableProvider } from './unreadable.provider.js';

const FIND = { name: 'find_llm_providers', text: 'SELECT * FROM find_llm_providers($1)' };
const FIND_OF_GATEWAY = { name: 'find_gateway_providers', text: 'SELECT * FROM find_gateway_providers($1, $2)' };
/** A built provider is replaced after this time at the latest, so that no credential stays in memory for ever. */
const KEPT_BUILT_MS = 60 * 60_000;

interface ProviderRow {
  readonly id: string;
  readonly name: string;
  readonly kind: string;
  readonly base_url: string | null;
  readonly models: readonly string[];
  readonly settings: unknown;
  readonly credentials: Buffer | null;
  readonly revision: number;
}

/** A tenant's provider, ready to be called. */
export interface TenantProvider {
  readonly id: string;
  /** The tenant's name for it; unique among the tenant's own, and among those of each gateway. */
  readonly name: string;
  /** The only models that may be named; empty: any. */
  readonly models: readonly string[];
  readonly provider: Provider;
}

interface Known {
  readonly tenantId: string;
  readonly providers: readonly TenantProvider[];
}

/** Whose providers: a gateway's of the tenant; null: the tenant's own. */
interface Owner {
  readonly tenantId: string;
  readonly gatewayId: string | null;
}

interface Built extends TenantProvider {
  readonly revision: number;
}

/**
 * The providers that each tenant set up for itself and for each of its gateways, in their order. Their credentials are
 * decrypted once; a change is heard on every replica within 1 s. With a warm cache a call costs no query, also of a
 * tenant without providers.
 */
@Injectable()
export class TenantProviders {
  private readonly cache: RevocableCache<Known, Owner>;
  /**
   * By owner, then by id. A refresh builds only what changed: a provider keeps what it knows of its models, and its failures
   * go on being counted for the same object.
   */
  private readonly built: LRUCache<string, ReadonlyMap<string, Built>>;

  constructor(
    private readonly database: Database,
    private readonly credentials: CredentialStore,
    private readonly builder: ProviderBuilder,
    revocations: Revocations,
    @Inject(SETTINGS_TOKEN) { credentialCacheEntries: max }: Pick<Settings, 'credentialCacheEntries'>,
  ) {
    this.built = boundedCache({ maxEntries: max, ttlMs: KEPT_BUILT_MS });
    this.cache = new RevocableCache({
      revocations,
      maxEntries: max,
      load: (owner: Owner) => this.load(owner),
      topics: { 'llm-providers': ({ tenantId }) => tenantId },
    });
  }

  /** The tenant's own. Without a promise where they are known. */
  of(tenantId: string): readonly TenantProvider[] | Promise<readonly TenantProvider[]> {
    return this.ofOwner({ tenantId, gatewayId: null });
  }

  /** A gateway's. Without a promise where they are known. */
  ofGateway(tenantId: string, gatewayId: string): readonly TenantProvider[] | Promise<readonly TenantProvider[]> {
    return this.ofOwner({ tenantId, gatewayId });
  }

  /** After a change by this process: its own next call must see it, before the notification comes. */
  forget(tenantId: string, gatewayId: string | null = null): void {
    this.cache.forget(placeOf({ tenantId, gatewayId }));
  }

  /** As the database has them now: a call that would fail may have a provider since a moment ago. */
  async now(tenantId: string): Promise<readonly TenantProvider[]> {
    this.forget(tenantId);
    return (await this.load({ tenantId, gatewayId: null })).providers;
  }

  private ofOwner(owner: Owner): readonly TenantProvider[] | Promise<readonly TenantProvider[]> {
    const known = this.cache.get(placeOf(owner), owner);
    return known instanceof Promise ? known.then((found) => found?.providers ?? []) : known.providers;
  }

  private async load(owner: Owner): Promise<Known> {
    const { tenantId, gatewayId } = owner;
    const place = placeOf(owner);
    const rows =
      gatewayId === null
        ? await this.database.call<ProviderRow>(FIND, [tenantId])
        : await this.database.call<ProviderRow>(FIND_OF_GATEWAY, [tenantId, gatewayId]);
    const before = this.built.get(place);
    const providers = await Promise.all(
      rows.map(async (row) => {
        const built = before?.get(row.id);
        return built?.revision === row.revision ? built : this.build(tenantId, row);
      }),
    );
    if (providers.length === 0) this.built.delete(place);
    else this.built.set(place, new Map(providers.map((built) => [built.id, built])));
    return { tenantId, providers };
  }

  private async build(tenantId: string, row: ProviderRow): Promise<Built> {
    const { id, name, models, revision } = row;
    return { id, name, models, revision, provider: await this.providerOf(tenantId, row) };
  }

  private async providerOf(tenantId: string, row: ProviderRow): Promise<Provider> {
    const stored = { ...row, baseUrl: row.base_url };
    try {
      return this.builder.build(stored, await this.credentials.decrypt(tenantId, row.credentials, stored));
    } catch (error) {
      if (!(error instanceof EnvelopeError)) throw error;
      logger.error({ err: error, tenantId, providerId: row.id }, "A provider's credentials could not be decrypted.");
      return new UnreadableProvider(ledgerName(row), row.kind, row.models);
    }
  }
}

/** No id holds U+0000. */
function placeOf({ tenantId, gatewayId }: Owner): string {
  return gatewayId === null ? tenantId : `${tenantId}\0${gatewayId}`;
}
