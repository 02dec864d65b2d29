/** Several service processes on one Postgres, and all ways in which one human's calls reach them. */
import { asEndUser, createAppKey } from '../http/end-users/app.js';
import { Database } from '../../src/platform/database/index.js';
import { pause } from './eventually.js';
import { startUserIssuer, type UserIssuer } from './oidc-issuer.js';
import {
  accountOf,
  accountsOf,
  setLimits,
  type Account,
  type CountedType,
  type LimitValues,
  type SetLimit,
} from './proof-limits.js';
import {
  startService,
  startServiceProcess,
  type CallOptions,
  type MadeKey,
  type Org,
  type ServiceProcess,
  type TestService,
} from './service.js';
import { onDatabase } from './sql.js';

type Headers = NonNullable<CallOptions['headers']>;

/** A way of naming a human. All ways are charged to the same counters. */
export interface Way {
  readonly name: string;
  headersFor(human: string): Headers | Promise<Headers>;
}

export interface ProofClusterOptions {
  readonly processes: number;
  /** The environment of every process. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Requests a minute: these tests are neither about windows nor about shares. */
const PLENTY = 1_000_000_000;

const WAITING = `
  SELECT count(*)::int AS count FROM pg_stat_activity
  WHERE datname = current_database() AND wait_event_type = 'Lock'`;

export class ProofCluster {
  readonly processes: ServiceProcess[] = [];
  readonly ways: readonly Way[];
  private readonly usageTokens = new Map<string, Promise<string>>();

  private constructor(
    /** Creates orgs and keys, and serves no calls. */
    readonly admin: TestService,
    readonly org: Org,
    readonly secret: MadeKey,
    readonly app: MadeKey,
    private readonly issuer: UserIssuer,
  ) {
    const secretKey = { 'x-api-key': secret.key };
    this.ways = [
      { name: 'x-human-id', headersFor: (human) => ({ ...secretKey, 'x-human-id': human }) },
      { name: 'X-On-Behalf-Of', headersFor: (human) => ({ ...secretKey, 'x-on-behalf-of': human }) },
      { name: 'pk_ and JWT', headersFor: (human) => asEndUser(app, issuer.token({ sub: human })) },
      {
        name: 'usage token',
        headersFor: async (human) => ({ authorization: `Bearer ${await this.usageToken(human)}` }),
      },
    ];
  }

  static async start({ processes, env = {} }: ProofClusterOptions): Promise<ProofCluster> {
    const issuer = await startUserIssuer({ alg: 'ES256' });
    try {
      const admin = await startService({
        // No shorter than the processes': a busy one must not be declared dead.
        settings: { requestsPerMinute: PLENTY, leaseSeconds: 20, sweepSeconds: 10, ...issuer.settings },
      });
      const org = await admin.createOrg('founder');
      const cluster = new ProofCluster(
        admin,
        org,
        await admin.createKey(org, { scopes: ['chat:write', 'usage:write', 'users:impersonate'] }),
        await createAppKey(admin, org, issuer),
        issuer,
      );
      try {
        await Promise.all(Array.from({ length: processes }, () => cluster.add(env)));
        return cluster;
      } catch (error) {
        await cluster.stop();
        throw error;
      }
    } catch (error) {
      await issuer.stop();
      throw error;
    }
  }

  /** Starts one more process. */
  async add(env: Readonly<Record<string, string>> = {}): Promise<ServiceProcess> {
    const { database, issuer, upstream, settings } = this.admin;
    const added = await startServiceProcess({
      database,
      issuer,
      upstream,
      providerTenants: [this.org.tenantId],
      env: {
        GATEHOUSE_REQUESTS_PER_MINUTE: String(PLENTY),
        GATEHOUSE_REQUESTS_PER_MINUTE_PER_HUMAN: String(PLENTY),
        GATEHOUSE_PROVIDER_CALLS: '4096',
        GATEHOUSE_TENANT_CALLS: '2048',
        GATEHOUSE_ORG_CALLS: '2048',
        GATEHOUSE_PEPPERS: settings.peppers
          .map(({ version, secret }) => `${version}:${secret.toString('base64url')}`)
          .join(','),
        GATEHOUSE_SIGNING_KEYS: settings.signingKeys,
        ...this.issuer.environment,
        ...env,
      },
    });
    this.processes.push(added);
    return added;
  }

  /** One usage token for each human. */
  private usageToken(human: string): Promise<string> {
    const made = this.usageTokens.get(human) ?? this.makeUsageToken(human);
    this.usageTokens.set(human, made);
    return made;
  }

  /** Retried while the tenant has as many open queries as it may. */
  private async makeUsageToken(human: string): Promise<string> {
    for (;;) {
      const headers = { 'x-api-key': this.secret.key };
      const answer = await this.admin.call('POST', '/v1/usage/token', { headers, body: { human } });
      if (answer.status === 200) return answer.json<{ token: string }>().token;
      if (answer.status !== 429 && answer.status !== 503) throw new Error(`A token: ${answer.status} ${answer.text}`);
      await pause(200);
    }
  }

  limit(human: string, limits: LimitValues): Promise<readonly SetLimit[]> {
    return setLimits(this.admin.app.get(Database), this.org.tenantId, human, limits);
  }

  accounts(): Promise<Account[]> {
    return accountsOf((text, values) => this.admin.sql(text, values), this.org.tenantId);
  }

  account(human: string, type: CountedType): Promise<Account> {
    return accountOf((text, values) => this.admin.sql(text, values), this.org.tenantId, human, type);
  }

  /**
   * Sends calls of a human whose budgets another transaction locks, until this many processes wait for it. Then each process
   * has calls that are still to be judged, and all are judged at once.
   */
  pileUp<T>(human: string, processes: number, send: () => readonly Promise<T>[]): Promise<readonly Promise<T>[]> {
    const { database } = this.admin;
    return onDatabase(database.superuserUrl, async (client) => {
      await client.query('BEGIN');
      const text = `SELECT 1 FROM budgets WHERE tenant_id = $1
        AND human_id = (SELECT id FROM humans WHERE tenant_id = $1 AND human = $2) FOR UPDATE`;
      await client.query(text, [this.org.tenantId, human]);
      const sent = send();
      // Far less than a reservation waits for its commit; a slow machine continues with those that have arrived by then.
      const deadline = performance.now() + 1000;
      let waiting = 0;
      while (waiting < processes && performance.now() < deadline) {
        await pause(20);
        await client.query('SELECT pg_stat_clear_snapshot()');
        ({ count: waiting } = (await client.query<{ count: number }>(WAITING)).rows[0]!);
      }
      await client.query('COMMIT');
      return sent;
    });
  }

  async stop(): Promise<void> {
    await Promise.all(this.processes.map((process) => process.stop()));
    await this.admin.stop();
    await this.issuer.stop();
  }
}
