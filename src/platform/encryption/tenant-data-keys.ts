import { createSecretKey, randomBytes, randomUUID, type KeyObject } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { SETTINGS_TOKEN, type Settings } from '../config/index.js';
import { EncryptionKeyRing } from '../crypto/index.js';
import { Database, RevocableCache, Revocations } from '../database/index.js';
import { Fault } from '../errors/index.js';

export const TENANT_DATA_KEYS = 'tenant_data_keys';
const KEY_BYTES = 32;

const FIND = { name: 'find_tenant_data_key', text: 'SELECT * FROM find_tenant_data_key($1)' };
const ADD = { name: 'add_tenant_data_key', text: 'SELECT * FROM add_tenant_data_key($1, $2, $3, $4)' };

/** A tenant's key in the clear, for this process's memory alone. */
export interface TenantDataKey {
  readonly tenantId: string;
  readonly id: string;
  readonly key: KeyObject;
}

interface DataKeyRow {
  readonly id: string;
  readonly envelope: Buffer;
}

/**
 * The data key of each tenant: made at its first use, once, however many ask at the same time on however many replicas;
 * gone from every replica within 1 s of its tenant's deletion. Its statements use the connections of calls, which nothing
 * that waits for them can hold: a transaction of the tenant may be open meanwhile.
 */
@Injectable()
export class TenantDataKeys {
  private readonly cache: RevocableCache<TenantDataKey, string>;

  constructor(
    private readonly database: Database,
    private readonly ring: EncryptionKeyRing,
    revocations: Revocations,
    @Inject(SETTINGS_TOKEN) settings: Pick<Settings, 'credentialCacheEntries'>,
  ) {
    this.cache = new RevocableCache({
      revocations,
      maxEntries: settings.credentialCacheEntries,
      load: (tenantId: string) => this.load(tenantId),
      topics: { 'tenant-data-key': ({ tenantId }) => tenantId },
    });
  }

  /** @throws EnvelopeError: the operator's old encryption key is not set, or the row is damaged */
  find(tenantId: string): TenantDataKey | Promise<TenantDataKey | null> {
    return this.cache.get(tenantId, tenantId);
  }

  /** @throws EnvelopeError; Fault permission_denied: the tenant was deleted */
  async getOrMake(tenantId: string): Promise<TenantDataKey> {
    return (await this.find(tenantId)) ?? (await this.make(tenantId));
  }

  private async load(tenantId: string): Promise<TenantDataKey | null> {
    const [row] = await this.database.call<DataKeyRow>(FIND, [tenantId]);
    return row === undefined ? null : this.opened(tenantId, row);
  }

  private async make(tenantId: string): Promise<TenantDataKey> {
    const id = randomUUID();
    const envelope = this.ring.encrypt(randomBytes(KEY_BYTES), { tenantId, table: TENANT_DATA_KEYS, rowId: id });
    const [row] = await this.database.call<DataKeyRow>(ADD, [tenantId, id, envelope, this.ring.newestVersion]);
    if (row === undefined) throw new Fault('permission_denied', 'The tenant was deleted.');
    return this.opened(tenantId, row);
  }

  private opened(tenantId: string, { id, envelope }: DataKeyRow): TenantDataKey {
    const key = createSecretKey(this.ring.decrypt(envelope, { tenantId, table: TENANT_DATA_KEYS, rowId: id }));
    return { tenantId, id, key };
  }
}
