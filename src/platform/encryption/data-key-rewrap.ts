import { Injectable } from '@nestjs/common';
import { EncryptionKeyRing } from '../crypto/index.js';
import { Database } from '../database/index.js';
import { rewrapAll, type Rewrapped } from './rewrapping.js';
import { TENANT_DATA_KEYS } from './tenant-data-keys.js';

const BATCH = 1000;
const FIND = {
  name: 'find_tenant_data_keys_to_rewrap',
  text: 'SELECT * FROM find_tenant_data_keys_to_rewrap($1, $2, $3)',
};
const REWRAP = { name: 'rewrap_tenant_data_key', text: 'SELECT rewrap_tenant_data_key($1, $2, $3, $4)' };

/** Moves tenants' data keys to the operator's newest encryption key; what they encrypt stays as it is. */
@Injectable()
export class DataKeyRewrap {
  constructor(
    private readonly database: Database,
    private readonly ring: EncryptionKeyRing,
  ) {}

  run(stopping: AbortSignal): Promise<Rewrapped> {
    const { database, ring } = this;
    const version = ring.newestVersion;
    return rewrapAll(
      {
        what: "A tenant's data key",
        find: async (after: StoredDataKey | null) => {
          const rows = await database.callAside<DataKeyRow>(FIND, [version, after?.tenantId ?? '', BATCH]);
          return rows.map(({ id, tenant_id: tenantId, envelope }) => ({ id, tenantId, envelope }));
        },
        move: async ({ id, tenantId, envelope }) => {
          const moved = ring.rewrap(envelope, { tenantId, table: TENANT_DATA_KEYS, rowId: id });
          await database.callAside(REWRAP, [id, envelope, moved, version]);
        },
      },
      stopping,
    );
  }
}

interface StoredDataKey {
  readonly id: string;
  readonly tenantId: string;
  readonly envelope: Buffer;
}

interface DataKeyRow {
  readonly id: string;
  readonly tenant_id: string;
  readonly envelope: Buffer;
}
