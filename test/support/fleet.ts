/** Two replicas at fixed ports on a Postgres of Debian's, replaced one after the other as a deployment does. */
import { DebianPostgres } from './debian-postgres.js';
import { freePort } from './free-port.js';
import { completion, OpenaiUpstream, streamPieces, usageOf, type UpstreamRequest } from './openai-upstream.js';
import { startServiceProcess, type Exit, type ServiceProcess } from './service.js';
import { seedTenant } from './sql.js';
import { TestIssuer } from './tokens.js';
import type { TestDatabase } from './postgres.js';

/** The options of a replica; `main` names another build. */
export interface FleetOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly main?: string;
}

export class Fleet {
  readonly replicas: ServiceProcess[] = [];

  private constructor(
    private readonly postgres: DebianPostgres,
    readonly database: TestDatabase,
    private readonly issuer: TestIssuer,
    readonly upstream: OpenaiUpstream,
    readonly ports: readonly [number, number],
    /** The key of a tenant that may call, with limits that no test reaches. */
    readonly key: string,
  ) {}

  static async start(options: FleetOptions): Promise<Fleet> {
    const postgres = await DebianPostgres.start();
    const [issuer, upstream] = await Promise.all([TestIssuer.start(), OpenaiUpstream.start()]);
    upstream.otherwise = unhurried;
    const ownerUrl = await postgres.createDatabase('gatehouse');
    const database = { ownerUrl, superuserUrl: postgres.superuserUrl('gatehouse'), drop: () => Promise.resolve() };
    const ports = [await freePort(), await freePort()] as const;
    const first = await startReplica({ database, issuer, upstream }, ports[0], options);
    const { orgId, tenantId, ownerId } = await seedTenant(database.superuserUrl);
    const { key } = await first.createKey({ orgId, tenantId, user: ownerId }, { requestsPerMinute: 1_000_000 });
    const fleet = new Fleet(postgres, database, issuer, upstream, ports, key);
    fleet.replicas.push(first, await startReplica(fleet.surroundings, ports[1], options));
    return fleet;
  }

  /** Sends SIGTERM, and starts another one at the same port once it has ended. */
  async replace(index: 0 | 1, options: FleetOptions): Promise<Exit> {
    const exit = await this.replica(index).stop();
    await this.startAgain(index, options);
    return exit;
  }

  /** Starts one in place of a replica that has ended. */
  async startAgain(index: 0 | 1, options: FleetOptions): Promise<void> {
    this.replicas[index] = await startReplica(this.surroundings, this.ports[index], options);
  }

  replica(index: 0 | 1): ServiceProcess {
    return this.replicas[index] as ServiceProcess;
  }

  async stop(): Promise<void> {
    await Promise.all(this.replicas.map((replica) => replica.kill9()));
    await Promise.all([this.upstream.close(), this.issuer.stop()]);
    await this.postgres.stop();
  }

  private get surroundings(): Surroundings {
    return { database: this.database, issuer: this.issuer, upstream: this.upstream };
  }
}

interface Surroundings {
  readonly database: TestDatabase;
  readonly issuer: TestIssuer;
  readonly upstream: OpenaiUpstream;
}

function startReplica(surroundings: Surroundings, port: number, { env, main }: FleetOptions): Promise<ServiceProcess> {
  return startServiceProcess({
    ...surroundings,
    providerTenants: ['*'],
    env: { PORT: String(port), ...env },
    ...(main === undefined ? {} : { main }),
  });
}

/** Slow enough that calls are open whenever a replica is stopped. */
function unhurried({ body }: UpstreamRequest): ReturnType<OpenaiUpstream['otherwise']> {
  const { stream } = JSON.parse(body.toString()) as { stream?: boolean };
  if (stream !== true) return { kind: 'body', body: completion(), delayMs: 300 };
  return { kind: 'stream', pieces: streamPieces({ usage: usageOf(9, 12) }), delayMs: 50 };
}
