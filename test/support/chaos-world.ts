/**
 * Service processes that are killed, frozen and cut off, on one Postgres and one provider; humans with limits, and their sums.
 */
import { HUMAN_LIMITS } from './human-limits.js';
import { randomUUID } from 'node:crypto';
import type { LimitChange } from '../../src/humans/index.js';
import { ChaosCall } from './chaos-call.js';
import { eventually } from './eventually.js';
import { GoogleEndpoints } from './google-endpoints.js';
import { OpenaiUpstream } from './openai-upstream.js';
import { PostgresProxy } from './postgres-proxy.js';
import { createTestDatabase, type TestDatabase } from './postgres.js';
import { startServiceProcess, type Exit, type Org, type ServiceProcess } from './service.js';
import { onDatabase, rowsOf, seedTenant } from './sql.js';
import { TestIssuer } from './tokens.js';

export const LEASE_SECONDS = 1;
export const SWEEP_SECONDS = 1;
const UNIT = 1_000_000n;

/** In whole units. */
export type Limits = Partial<Record<'token_cnt' | 'request_cnt' | 'cost_micros', number>>;

export interface LimitedHuman {
  readonly human: string;
  readonly humanId: string;
  readonly limits: Limits;
}

export interface LedgerEntry {
  readonly request_id: string;
  readonly kind: 'CALL' | 'ADJUSTMENT';
  readonly state: 'RESERVED' | 'SETTLED' | 'SWEPT';
  readonly outcome: string | null;
  readonly requests: number;
  readonly reserved_input_tokens: number;
  readonly reserved_output_tokens: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly estimated: boolean;
  readonly settled_at: Date | null;
}

/** A service process, with a proxy between it and Postgres. */
export class ChaosProcess {
  constructor(
    readonly service: ServiceProcess,
    readonly proxy: PostgresProxy,
  ) {}

  get baseUrl(): string {
    return this.service.baseUrl;
  }

  async kill9(): Promise<void> {
    await this.service.kill9();
    await this.proxy.close();
  }

  /** Sends SIGTERM, and waits as long as the process takes. */
  async stop(): Promise<Exit> {
    if (this.service.process.hasExited) return this.service.process.exited;
    const exit = await this.service.stop();
    await this.proxy.close();
    return exit;
  }
}

export class ChaosWorld {
  private readonly processes: ChaosProcess[] = [];
  private keyText = '';

  private constructor(
    readonly database: TestDatabase,
    readonly issuer: TestIssuer,
    readonly upstream: OpenaiUpstream,
    readonly google: GoogleEndpoints,
    readonly org: Org,
  ) {}

  /** @param given a database of the test's own, with the schema in it; absent: a new one of the run's Postgres */
  static async start(given?: TestDatabase): Promise<ChaosWorld> {
    const [database, issuer, upstream] = await Promise.all([
      given ?? createTestDatabase(),
      TestIssuer.start(),
      OpenaiUpstream.start(),
    ]);
    const google = await GoogleEndpoints.start({ projectId: issuer.audience, issuer });
    const { orgId, tenantId, ownerId } = await seedTenant(database.superuserUrl);
    return new ChaosWorld(database, issuer, upstream, google, { orgId, tenantId, user: ownerId });
  }

  async process(env: Readonly<Record<string, string>> = {}): Promise<ChaosProcess> {
    const { database, issuer, upstream, google, org } = this;
    const proxy = await PostgresProxy.start(database.ownerUrl);
    const service = await startServiceProcess({
      database: { ...database, ownerUrl: proxy.through(database.ownerUrl) },
      issuer,
      upstream,
      google,
      providerTenants: [org.tenantId],
      env: {
        GATEHOUSE_LEASE_SECONDS: String(LEASE_SECONDS),
        GATEHOUSE_SWEEP_SECONDS: String(SWEEP_SECONDS),
        GATEHOUSE_DRAIN_SECONDS: '1',
        ...env,
      },
    });
    const started = new ChaosProcess(service, proxy);
    this.processes.push(started);
    if (this.keyText === '') {
      ({ key: this.keyText } = await service.createKey(org, { requestsPerMinute: 100_000_000 }));
    }
    return started;
  }

  call(process: ChaosProcess, { human }: LimitedHuman, fields: object = {}, reads = true): ChaosCall {
    return new ChaosCall(process.baseUrl, this.keyText, human, fields, reads);
  }

  get key(): string {
    return this.keyText;
  }

  /** A new human of the tenant with these limits. */
  async limitedHuman(limits: Limits): Promise<LimitedHuman> {
    const human = `human-${randomUUID()}`;
    return { human, humanId: await setLimits(this.database, this.org.tenantId, human, limits), limits };
  }

  ledgerOf({ humanId }: LimitedHuman): Promise<LedgerEntry[]> {
    return this.sql<LedgerEntry & Record<string, unknown>>(
      `SELECT request_id, kind, state, outcome, requests, reserved_input_tokens::float8, reserved_output_tokens::float8,
              input_tokens::float8, output_tokens::float8, estimated, settled_at
       FROM usage_records WHERE human_id = $1 ORDER BY created_at, id`,
      [humanId],
    );
  }

  /** Waits until none of the human's calls is open. */
  async idle(human: LimitedHuman, patienceMs = 20_000): Promise<LedgerEntry[]> {
    let rows: LedgerEntry[] = [];
    await eventually(async () => {
      rows = await this.ledgerOf(human);
      return rows.every(({ state }) => state !== 'RESERVED');
    }, patienceMs);
    return rows;
  }

  /** Checks for each type that the rest is the set value minus the ledger's usage, and that nothing is reserved. */
  async assertExact(human: LimitedHuman): Promise<void> {
    const [row] = await this.sql<Record<string, string | null>>(
      `SELECT h.token_cnt, h.request_cnt, h.cost_micros,
              h.token_cnt_reserved + h.request_cnt_reserved + h.cost_micros_reserved AS reserved,
              sum(r.input_tokens + r.output_tokens) * 1000000 AS tokens, sum(r.requests) * 1000000 AS requests,
              sum(r.cost_pico_usd) AS cost
       FROM ${HUMAN_LIMITS} AS h LEFT JOIN usage_records r ON r.human_id = h.id WHERE h.id = $1
       GROUP BY h.token_cnt, h.request_cnt, h.cost_micros, h.token_cnt_reserved, h.request_cnt_reserved, h.cost_micros_reserved`,
      [human.humanId],
    );
    const { token_cnt: tokens, request_cnt: requests, cost_micros: cost } = human.limits;
    const left = (set: number | undefined, used: string | null | undefined): string | null =>
      set === undefined ? null : String(BigInt(set) * UNIT - BigInt(used ?? 0));
    expect({ ...row, tokens: null, requests: null, cost: null }).toEqual({
      token_cnt: left(tokens, row?.['tokens']),
      request_cnt: left(requests, row?.['requests']),
      cost_micros: left(cost, row?.['cost']),
      reserved: '0',
      tokens: null,
      requests: null,
      cost: null,
    });
  }

  sql<Row extends Record<string, unknown>>(text: string, values: unknown[] = []): Promise<Row[]> {
    return rowsOf<Row>(this.database.superuserUrl, text, values);
  }

  async stop(): Promise<void> {
    for (const { service, proxy } of this.processes) {
      if (service.process.hasExited) continue;
      await service.kill9();
      await proxy.close();
    }
    await Promise.all([this.upstream.close(), this.issuer.stop(), this.google.stop()]);
    await this.database.drop();
  }
}

/** Creates a human and sets limits, as the service does: in a transaction of the tenant. Returns the human's id. */
export async function setLimits(
  { superuserUrl }: TestDatabase,
  tenantId: string,
  human: string,
  limits: Limits,
): Promise<string> {
  const changes = Object.entries(limits).map(([type, value]) => ({
    type: type as LimitChange['type'],
    microUnits: (BigInt(value) * UNIT).toString(),
  }));
  return onDatabase(superuserUrl, async (client) => {
    await client.query('BEGIN');
    await client.query("SELECT set_config('app.tenant_id', $1, true)", [tenantId]);
    await client.query('SELECT add_humans(ARRAY[$1], ARRAY[$2], ARRAY[NULL])', [tenantId, human]);
    const { rows } = await client.query<{ id: string }>(
      `SELECT id FROM humans WHERE tenant_id = $1 AND human = $2 AND set_limits(id, $3::jsonb)`,
      [tenantId, human, JSON.stringify(changes)],
    );
    await client.query('COMMIT');
    const [row] = rows;
    if (row === undefined) throw new Error(`The limits of ${human} could not be set.`);
    return row.id;
  });
}

/** A measured result for release notes; only the whole form prints it. */
export function measured(what: string, value: string | number): void {
  if (process.env['GATEHOUSE_PROOFS'] === 'whole') process.stderr.write(`measured: ${what}: ${value}\n`);
}
