/** One process's ledger, with a proxy between it and Postgres. */
import type { Settings } from '../../src/platform/config/index.js';
import { uuidV7 } from '../../src/platform/crypto/index.js';
import { Database } from '../../src/platform/database/index.js';
import { Metrics } from '../../src/platform/metrics/index.js';
import { ProcessLease } from '../../src/usage/ledger/process-lease.js';
import { UsageLedger } from '../../src/usage/ledger/usage-ledger.js';
import type { Reservation, Settlement } from '../../src/usage/ledger/usage.types.js';
import { PostgresProxy } from './postgres-proxy.js';
import { rowsOf } from './sql.js';
import { testSettings } from './settings.js';

export interface LedgerProcess {
  readonly proxy: PostgresProxy;
  readonly database: Database;
  readonly lease: ProcessLease;
  readonly ledger: UsageLedger;
  readonly metrics: Metrics;
  /** Ends it properly. */
  stop(): Promise<void>;
  /** Ends it as a crash does: its lease is neither ended nor renewed again. */
  crash(): Promise<void>;
}

/**
 * A process whose lease is renewed and which sweeps only when the test calls it. `run` starts it as the service does, with its
 * timers.
 */
export async function startLedgerProcess(
  databaseUrl: string,
  overrides: Partial<Settings> = {},
  run = false,
): Promise<LedgerProcess> {
  const proxy = await PostgresProxy.start(databaseUrl);
  const settings = testSettings({ databaseUrl: proxy.through(databaseUrl), admissionWaitMs: 0, ...overrides });
  const database = new Database(settings);
  const metrics = new Metrics();
  const lease = new ProcessLease(database, settings);
  const ledger = new UsageLedger(database, lease, settings, metrics);
  if (run) await ledger.onApplicationBootstrap();
  else {
    // The same as at the service's start, without its timers.
    await lease.renew();
  }
  let over = false;
  const release = async (): Promise<void> => {
    await proxy.close();
    await database.close();
  };
  return {
    proxy,
    database,
    lease,
    ledger,
    metrics,
    async stop() {
      if (over) return;
      over = true;
      proxy.judge = () => 'pass';
      proxy.tcp.refuse(false);
      proxy.tcp.thaw();
      await ledger.beforeApplicationShutdown();
      await release();
    },
    async crash() {
      over = true;
      proxy.tcp.refuse(true);
      proxy.tcp.cut();
      await lease.stop();
      await release();
    },
  };
}

/** The tenant of the reservations below. */
export async function makeLedgerTenant(superuserUrl: string): Promise<void> {
  await rowsOf(
    superuserUrl,
    "INSERT INTO orgs (id, name, slug, created_by) VALUES ('org_acme', 'Acme', 'acme', 'ann')",
  );
  await rowsOf(superuserUrl, "INSERT INTO tenants (id, org_id, name) VALUES ('acme', 'org_acme', 'Production')");
}

export function reservation(changes: Partial<Reservation> = {}): Reservation {
  return {
    id: uuidV7(),
    tenantId: 'acme',
    keyId: 'key_1',
    userId: null,
    human: null,
    gatewayId: null,
    gatewayTokenId: null,
    sealedTokenHash: null,
    impersonated: null,
    requestId: 'req_1',
    operation: 'chat',
    route: null,
    attempt: 1,
    provider: 'dummy',
    model: 'dummy',
    streamed: true,
    reservedInputTokens: 100,
    reservedOutputTokens: 1000,
    defaultOutput: null,
    closer: null,
    choices: 1,
    boundless: null,
    price: null,
    ...changes,
  };
}

export function settlement(id: string, changes: Partial<Settlement> = {}): Settlement {
  return {
    id,
    tenantId: 'acme',
    outcome: 'OK',
    statusCode: 200,
    inputTokens: 7,
    cachedInputTokens: 0,
    cacheWriteTokens: 0,
    outputTokens: 11,
    reasoningTokens: 0,
    costPicoUsd: null,
    counted: true,
    estimated: false,
    latencyMs: 12.4,
    firstByteMs: 5,
    ...changes,
  };
}

export interface LedgerRow {
  readonly id: string;
  readonly kind: string;
  readonly adjusts: string | null;
  readonly state: string;
  readonly outcome: string | null;
  readonly status_code: number | null;
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly estimated: boolean;
  readonly latency_ms: number | null;
  readonly first_byte_ms: number | null;
  readonly lease_id: string;
}

/** The call's row, followed by its adjustment if there is one. */
export function ledgerRows(superuserUrl: string, id: string): Promise<LedgerRow[]> {
  return rowsOf<LedgerRow>(
    superuserUrl,
    `SELECT id, kind, adjusts, state, outcome, status_code, input_tokens::int, output_tokens::int, estimated, latency_ms,
            first_byte_ms, lease_id
     FROM usage_records WHERE id = $1 OR adjusts = $1 ORDER BY kind DESC`,
    [id],
  );
}
