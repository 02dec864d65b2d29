/** Replicas of the service over one database, for specs of runs. */
import { OpenaiUpstream } from '../../support/openai-upstream.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';
import { startServiceProcess, type Org, type ServiceProcess } from '../../support/service.js';
import { seedTenant } from '../../support/sql.js';
import { TestIssuer } from '../../support/tokens.js';
import { Conversations } from './conversations.js';

const SHORT_LEASE = {
  GATEHOUSE_LEASE_SECONDS: '2',
  GATEHOUSE_SWEEP_SECONDS: '1',
  GATEHOUSE_DRAIN_SECONDS: '2',
} as const;

export class RunWorld {
  readonly started: ServiceProcess[] = [];

  private constructor(
    readonly database: TestDatabase,
    readonly upstream: OpenaiUpstream,
    readonly org: Org,
    private readonly issuer: TestIssuer,
    private readonly env: Readonly<Record<string, string>>,
  ) {}

  static async start(env: Readonly<Record<string, string>> = {}): Promise<RunWorld> {
    const [database, issuer, upstream] = await Promise.all([
      createTestDatabase(),
      TestIssuer.start(),
      OpenaiUpstream.start(),
    ]);
    const { orgId, tenantId, ownerId } = await seedTenant(database.superuserUrl);
    return new RunWorld(database, upstream, { orgId, tenantId, user: ownerId }, issuer, env);
  }

  /** Starts one more replica. */
  async replica(env: Readonly<Record<string, string>> = {}): Promise<ServiceProcess> {
    const { database, issuer, upstream, org } = this;
    const service = await startServiceProcess({
      database,
      issuer,
      upstream,
      providerTenants: [org.tenantId],
      env: { ...SHORT_LEASE, ...this.env, ...env },
    });
    this.started.push(service);
    return service;
  }

  /** The tenant's own threads, by a new key. */
  async conversations(service: ServiceProcess): Promise<Conversations> {
    const { key } = await service.createKey(this.org, { scopes: ['conversations:read', 'conversations:write'] });
    return new Conversations(service, { 'x-api-key': key });
  }

  async stop(): Promise<void> {
    await Promise.all(this.started.map((service) => service.kill9()));
    await this.upstream.close();
    await this.issuer.stop();
    await this.database.drop();
  }
}
