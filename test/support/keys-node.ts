/** What one replica has of API keys. */
import type { DashboardUserPrincipal, Role } from '../../src/identity/index.js';
import { ApiKeyDirectory } from '../../src/keys/api-key.directory.js';
import { KeysRepository } from '../../src/keys/keys.repository.js';
import { KeysService } from '../../src/keys/keys.service.js';
import type { Settings } from '../../src/platform/config/index.js';
import { PepperRing } from '../../src/platform/crypto/index.js';
import { PageTokens } from '../../src/platform/http/index.js';
import { PostgresProxy } from './postgres-proxy.js';
import { startReplica, type Replica } from './replica.js';
import type { SeededTenant } from './sql.js';

export interface KeysNode extends Replica {
  readonly repository: KeysRepository;
  readonly service: KeysService;
  readonly directory: ApiKeyDirectory;
  /** Between this replica and Postgres; its listener does not pass it. */
  readonly proxy: PostgresProxy;
}

export async function startKeysNode(databaseUrl: string, overrides: Partial<Settings> = {}): Promise<KeysNode> {
  const proxy = await PostgresProxy.start(databaseUrl);
  const replica = await startReplica(databaseUrl, {
    databaseUrl: proxy.through(databaseUrl),
    databaseDirectUrl: databaseUrl,
    ...overrides,
  });
  const { database, revocations, settings } = replica;
  const peppers = new PepperRing(settings.peppers);
  const repository = new KeysRepository(database);
  const directory = new ApiKeyDirectory(database, revocations, peppers, settings);
  return {
    ...replica,
    proxy,
    repository,
    directory,
    service: new KeysService(repository, peppers, new PageTokens(peppers), revocations),
    async stop() {
      await directory.beforeApplicationShutdown();
      await replica.stop();
      await proxy.close();
    },
  };
}

/** A person of that tenant. */
export function person({ tenantId, ownerId }: SeededTenant, role: Role = 'owner'): DashboardUserPrincipal {
  return { kind: 'dashboardUser', tenantId, userId: ownerId, role };
}
