/** Replicas that look up API keys of one tenant, each test on a database of its own. */
import { mock } from 'node:test';
import type { Pepper } from '../../src/platform/config/index.js';
import type { CreateKeyRequest } from '../../src/keys/keys.dto.js';
import { person, startKeysNode, type KeysNode } from './keys-node.js';
import { createTestDatabase, type TestDatabase } from './postgres.js';
import { testPepper } from './settings.js';
import { rowsOf, seedTenant, type SeededTenant } from './sql.js';

export const [OLD, NEW] = [testPepper(1), testPepper(2)];

interface StoredKey {
  readonly hash: Buffer;
  readonly pepper_version: number;
  readonly last_used_at: Date | null;
}

export class KeysStage {
  private readonly nodes: KeysNode[] = [];

  private constructor(
    readonly database: TestDatabase,
    readonly acme: SeededTenant,
  ) {}

  static async begin(): Promise<KeysStage> {
    const database = await createTestDatabase();
    return new KeysStage(database, await seedTenant(database.superuserUrl));
  }

  async end(): Promise<void> {
    mock.restoreAll();
    for (const node of this.nodes) {
      node.proxy.tcp.thaw();
      node.proxy.tcp.refuse(false);
      await node.stop();
    }
    await this.database.drop();
  }

  async start(...peppers: Pepper[]): Promise<KeysNode> {
    const node = await startKeysNode(this.database.ownerUrl, { peppers: peppers.length > 0 ? peppers : [OLD] });
    this.nodes.push(node);
    return node;
  }

  async makeKey(node: KeysNode, changes: Partial<CreateKeyRequest> = {}): Promise<{ id: string; key: string }> {
    const { record, key } = await node.create(person(this.acme), changes);
    return { id: record.id, key };
  }

  async stored(id: string): Promise<StoredKey> {
    const [row] = await rowsOf<StoredKey & Record<string, unknown>>(
      this.database.superuserUrl,
      'SELECT * FROM api_keys WHERE id = $1',
      [id],
    );
    return row!;
  }
}

/** Whether the service takes the key; false: it refuses it with the answer that an unknown key gets. */
export async function accepts(node: KeysNode, key: string): Promise<boolean> {
  try {
    await node.directory.authenticate(key);
    return true;
  } catch (error) {
    expect(error).toMatchObject({ kind: 'unauthenticated', code: 'invalid_credential' });
    return false;
  }
}
