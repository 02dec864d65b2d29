/** The parts of one replica that handle API keys. */
import { CredentialStrategies, type DashboardUserPrincipal, type Role } from '../../src/identity/index.js';
import { ApiKeyDirectory } from '../../src/keys/api-key.directory.js';
import type { CreateKeyRequest, CreatePublishableKeyRequest, RotateKeyRequest } from '../../src/keys/keys.dto.js';
import { KeysRepository } from '../../src/keys/keys.repository.js';
import { KeysService, plainly, type IssuedKey, type RotatedKey } from '../../src/keys/keys.service.js';
import { TenantIssuers } from '../../src/keys/tenant-issuers.js';
import type { Settings } from '../../src/platform/config/index.js';
import { PepperRing } from '../../src/platform/crypto/index.js';
import { Events, type DomainEvent } from '../../src/platform/events/index.js';
import { Jobs } from '../../src/platform/jobs/index.js';
import { OutboundHttp } from '../../src/platform/outbound/index.js';
import { PageTokens } from '../../src/platform/http/index.js';
import { PostgresProxy } from './postgres-proxy.js';
import { startReplica, type Replica } from './replica.js';
import type { SeededTenant } from './sql.js';

export interface KeysNode extends Replica {
  readonly repository: KeysRepository;
  readonly service: KeysService;
  readonly directory: ApiKeyDirectory;
  readonly events: Events;
  /** The published events, whether or not their transaction was committed. */
  readonly told: DomainEvent[];
  /** The hashes by which a key is looked up. */
  hashesOf(key: string): Buffer[];
  /** Between this replica and Postgres; its listener does not use it. */
  readonly proxy: PostgresProxy;
  create(by: DashboardUserPrincipal, request: Partial<CreateKeyRequest>): Promise<IssuedKey>;
  createPublishable(by: DashboardUserPrincipal, request: Partial<CreatePublishableKeyRequest>): Promise<IssuedKey>;
  rotate(
    by: DashboardUserPrincipal,
    request: Pick<RotateKeyRequest, 'keyId'> & Partial<RotateKeyRequest>,
  ): Promise<RotatedKey>;
}

/** A publishable key of an app without limits. */
const APP: CreatePublishableKeyRequest = {
  name: 'an app',
  description: '',
  oidcConfig: { issuer: 'https://issuer.example', audience: 'app', jwksUri: '', humanPrefix: '' },
  allowedOrigins: [],
  defaultLimits: [],
  unlimited: true,
};

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
  const directory = new ApiKeyDirectory(database, revocations, peppers, settings, new Jobs());
  const outbound = new OutboundHttp(settings);
  const events = new Events();
  const told: DomainEvent[] = [];
  events.subscribe((event) => {
    told.push(event);
    return Promise.resolve();
  });
  const issuers = new TenantIssuers(repository, outbound, new CredentialStrategies(), settings);
  const service = new KeysService(repository, issuers, peppers, new PageTokens(peppers), revocations, events, settings);
  return {
    ...replica,
    proxy,
    repository,
    directory,
    service,
    events,
    told,
    hashesOf: (key) => peppers.candidates(key).map(({ hash }) => hash),
    create: (by, request) => service.create(by, { name: 'a key', description: '', ...request }, plainly),
    createPublishable: (by, request) => service.createPublishable(by, { ...APP, ...request }, plainly),
    rotate: (by, request) => service.rotate(by, { gracePeriodSeconds: 0, ...request }, plainly),
    async stop() {
      await directory.beforeApplicationShutdown();
      await outbound.onApplicationShutdown();
      await replica.stop();
      await proxy.close();
    },
  };
}

/** A person of that tenant. */
export function person({ tenantId, ownerId }: SeededTenant, role: Role = 'owner'): DashboardUserPrincipal {
  return { kind: 'dashboardUser', tenantId, userId: ownerId, role, email: null, emailVerified: false };
}
