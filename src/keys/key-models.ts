import { Inject, Injectable } from '@nestjs/common';
import { refusedCredential } from '../identity/index.js';
import { SETTINGS_TOKEN, type Settings } from '../platform/config/index.js';
import { Database, RevocableCache, Revocations } from '../platform/database/index.js';

const FIND = { name: 'find_key_models', text: 'SELECT * FROM find_key_models($1, $2)' };

interface Confined {
  readonly keyId: string;
  readonly models: readonly string[];
}

interface KeyOfTenant {
  readonly tenantId: string;
  readonly keyId: string;
}

/**
 * The models that a key may use. A change counts on every replica within 1 s (RevocableCache), also for usage tokens that the
 * key made; with a warm cache a call costs no query.
 */
@Injectable()
export class KeyModels {
  private readonly cache: RevocableCache<Confined, KeyOfTenant>;

  constructor(
    private readonly database: Database,
    revocations: Revocations,
    @Inject(SETTINGS_TOKEN) settings: Pick<Settings, 'credentialCacheEntries'>,
  ) {
    this.cache = new RevocableCache({
      revocations,
      maxEntries: settings.credentialCacheEntries,
      load: (key: KeyOfTenant) => this.load(key),
      topics: { 'api-key': ({ keyId }) => keyId },
    });
  }

  /**
   * Names as calls give them; empty: any model.
   *
   * @throws Fault unauthenticated: the key is gone; unavailable
   */
  of({ tenantId, keyId }: KeyOfTenant): readonly string[] | Promise<readonly string[]> {
    const found = this.cache.get(keyId, { tenantId, keyId });
    return found instanceof Promise ? found.then((confined) => modelsIn(confined)) : found.models;
  }

  private async load({ tenantId, keyId }: KeyOfTenant): Promise<Confined | null> {
    const [row] = await this.database.call<{ models: string[] } & Record<string, unknown>>(FIND, [tenantId, keyId]);
    return row === undefined ? null : { keyId, models: row.models };
  }
}

function modelsIn(confined: Confined | null): readonly string[] {
  if (confined === null) throw refusedCredential('gone_meanwhile');
  return confined.models;
}
