import { createHash } from 'node:crypto';
import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { PrismaClient, type Prisma } from '../../generated/prisma/client.js';
import { SETTINGS_TOKEN, type Settings } from '../config/index.js';
import { Fault, OperatorError } from '../errors/index.js';
import { logger } from '../logging/index.js';
import { FairTurns, type ShareOwner } from '../shares/index.js';
import { appConnection, isPooled, sessionLimits } from './connections.js';
import { lookUpsOf, shareOf } from './database-shares.js';
import { asFault, isFunctionReplaced, isOutOfRoom, tenantIsGone } from './database-faults.js';
import { ImpatientClient } from './impatient-client.js';
import { assertLogin } from './login-check.js';
import { TenantOrgs } from './tenant-orgs.js';

/** What a repository gets: Prisma's client inside a transaction that sees one tenant. */
export type TenantTransaction = Prisma.TransactionClient;

/** A statement of the hot path: sent under its name, so that each connection plans it once. */
export interface NamedStatement {
  readonly name: string;
  readonly text: string;
}

/** The setting that Postgres' policies read; transaction-scoped, so that a pooled connection never carries it over. */
const SET_TENANT = "SELECT set_config('app.tenant_id', $1, true)";

/** The same within a statement: what follows it takes `tenant.id`, and so comes after it. */
const ENTER_TENANT = "set_config('app.tenant_id', $1, true) AS tenant (id)";

/** Shared with reservations and other changes; purge_tenant takes it alone. */
const HOLD_TENANT = "SELECT pg_advisory_xact_lock_shared(hashtextextended('tenant:' || $1, 0))";

const FIND_ORG = { name: 'find_org_of_tenant', text: 'SELECT find_org_of_tenant($1) AS "orgId"' };

const CONNECT_TIMEOUT_MS = 3000;
/** For how long a full disk is believed: longer than the pause between two signs of life in the ledger. */
const OUT_OF_ROOM_MS = 30_000;
/** For a connection of the pool, and for the whole transaction. */
const TRANSACTION_OPTIONS = { maxWait: 5000, timeout: 10_000 };

/** Callers of whom nothing is known yet. */
const STRANGERS: ShareOwner = { tenantId: 'strangers', orgId: 'strangers' };

/** The service's own work, of no tenant. */
const BACKGROUND: ShareOwner = { tenantId: 'background', orgId: 'background', isService: true };

/**
 * The service's way to Postgres, as the role gatehouse_app, which owns nothing and cannot bypass row-level security.
 * Calls have connections of their own, and never wait for management, reports or background work. Of the others each
 * tenant and each org has a part. Errors of a connection become a 503 fault; errors of a statement stay as they are.
 */
@Injectable()
export class Database implements OnApplicationShutdown {
  /** Who has the connections that are not the calls'. */
  readonly turns: FairTurns;
  /** Who has those of the calls' connections on which presented credentials are looked up. */
  readonly lookUps: FairTurns;
  private readonly callsPool: pg.Pool;
  private readonly pool: pg.Pool;
  private readonly prisma: PrismaClient;
  /** Whether statements have names, so that each connection plans them once; not through a pooler. */
  private readonly named: boolean;
  private readonly login: Pick<Settings, 'databaseAppUrl' | 'databaseRolePrefix'>;
  private readonly orgs = new TenantOrgs((tenantId) => this.findOrgId(tenantId));
  private closed: Promise<void> | null = null;
  private outOfRoomUntilMs = 0;

  constructor(@Inject(SETTINGS_TOKEN) settings: Settings) {
    this.callsPool = openPool(settings, { max: settings.databaseCallsPoolSize, min: settings.databaseCallsPoolSize });
    this.pool = openPool(settings, { max: settings.databasePoolSize });
    this.turns = new FairTurns(shareOf(settings));
    this.lookUps = new FairTurns(lookUpsOf(settings));
    this.named = !isPooled(settings);
    this.login = settings;
    const names = {
      statementNameGenerator: ({ sql }: { sql: string }) => createHash('sha1').update(sql).digest('hex'),
    };
    this.prisma = new PrismaClient({
      transactionOptions: TRANSACTION_OPTIONS,
      adapter: new PrismaPg(this.pool, this.named ? names : {}),
    });
  }

  /**
   * Runs a statement that calls wait for, outside a tenant: for the functions that may look across tenants, and nothing else,
   * since every table is empty without a tenant.
   *
   * @throws Fault unavailable when Postgres can't be reached.
   */
  call<Row extends pg.QueryResultRow>(statement: NamedStatement, values: readonly unknown[]): Promise<Row[]> {
    return this.query(this.callsPool, statement, values);
  }

  /**
   * Looks up what a caller presents before it is known whose it is. Strangers choose how many of these there are, so that they
   * have a part of the calls' connections and wait for each other alone.
   *
   * @throws Fault unavailable when Postgres can't be reached, or too many wait
   */
  lookUp<Row extends pg.QueryResultRow>(statement: NamedStatement, values: readonly unknown[]): Promise<Row[]> {
    return this.lookUps.run(STRANGERS, () => this.call<Row>(statement, values));
  }

  /**
   * Runs such a statement where no call waits for it.
   *
   * @param userId the person who does; absent: the service itself
   * @throws Fault unavailable; rate_limited: the person has as many under way as one may
   */
  callAside<Row extends pg.QueryResultRow>(
    statement: NamedStatement,
    values: readonly unknown[],
    userId?: string,
  ): Promise<Row[]> {
    const owner = userId === undefined ? BACKGROUND : ownerOf(userId);
    return this.turns.run(owner, () => this.query(this.pool, statement, values));
  }

  /** Whose share a tenant's work comes out of: with a warm cache at once. */
  ownerOf(tenantId: string): ShareOwner | Promise<ShareOwner> {
    return this.orgs.ownerOf(tenantId);
  }

  /**
   * Runs `work` in one transaction that sees this tenant's rows alone.
   *
   * @throws Fault unavailable when Postgres can't be reached; permission_denied where the tenant was deleted meanwhile;
   *   rate_limited: as much of the tenant's or the org's is under way as may be
   */
  async withTenant<T>(tenantId: string, work: (transaction: TenantTransaction) => Promise<T>): Promise<T> {
    const owner = await this.ownerOf(tenantId);
    try {
      return await this.turns.run(owner, () =>
        this.prisma.$transaction(async (transaction) => {
          await transaction.$executeRawUnsafe(SET_TENANT, tenantId);
          return work(transaction);
        }),
      );
    } catch (error) {
      throw tenantIsGone(error) ? new Fault('permission_denied', 'The tenant was deleted.') : this.noted(error);
    }
  }

  /**
   * Runs `work` in one transaction that sees this tenant's rows alone and holds the tenant against deletion: the lock comes
   * first, so that neither waits for the other while it holds what the other wants.
   *
   * @throws Fault permission_denied: the tenant was deleted; unavailable
   */
  async changeTenant<T>(tenantId: string, work: (transaction: TenantTransaction) => Promise<T>): Promise<T> {
    return this.withTenant(tenantId, async (transaction) => {
      await transaction.$executeRawUnsafe(HOLD_TENANT, tenantId);
      const [tenant] = await transaction.$queryRawUnsafe<unknown[]>('SELECT 1 FROM tenants WHERE id = $1', tenantId);
      if (tenant === undefined) throw new Fault('permission_denied', 'The tenant was deleted.');
      return work(transaction);
    });
  }

  /**
   * Runs one function in a transaction that sees this tenant's rows alone, and waits for one answer instead of several: for
   * what comes often. The function gets the tenant as `tenant.id`, and its values from `$2` on.
   *
   * @throws Fault unavailable when Postgres can't be reached; rate_limited: as much of the tenant's or the org's is under way
   *   as may be
   */
  async callInTenant<Row extends pg.QueryResultRow>(
    tenantId: string,
    { name, text }: NamedStatement,
    values: readonly unknown[],
  ): Promise<Row[]> {
    const owner = await this.ownerOf(tenantId);
    const statement = { name, text: `SELECT result.* FROM ${ENTER_TENANT}, LATERAL ${text} AS result` };
    return this.turns.run(owner, () => this.query(this.pool, statement, [tenantId, ...values]));
  }

  /**
   * Runs `work` in one transaction that sees no tenant until a function that looks across tenants has told which:
   * `enter` then makes it that tenant's.
   *
   * @param userId the person whose work it is
   * @throws Fault unavailable when Postgres can't be reached; rate_limited
   */
  async acrossTenants<T>(
    userId: string,
    work: (transaction: TenantTransaction, enter: (tenantId: string) => Promise<void>) => Promise<T>,
  ): Promise<T> {
    try {
      return await this.turns.run(ownerOf(userId), () =>
        this.prisma.$transaction((transaction) =>
          work(transaction, async (tenantId) => {
            await transaction.$executeRawUnsafe(SET_TENANT, tenantId);
          }),
        ),
      );
    } catch (error) {
      throw this.noted(error);
    }
  }

  private async query<Row extends pg.QueryResultRow>(
    pool: pg.Pool,
    { name, text }: NamedStatement,
    values: readonly unknown[],
  ): Promise<Row[]> {
    const query = { ...(this.named ? { name } : {}), text, values: [...values] };
    try {
      const { rows } = await pool.query<Row>(query).catch((error: unknown) => {
        // A release that changes a function's parameters makes it anew. The statement that met that has done nothing.
        if (isFunctionReplaced(error)) return pool.query<Row>(query);
        throw error;
      });
      return rows;
    } catch (error) {
      throw this.noted(error);
    }
  }

  private async findOrgId(tenantId: string): Promise<string | null> {
    const [row] = await this.call<{ orgId: string | null }>(FIND_ORG, [tenantId]);
    return row?.orgId ?? null;
  }

  /** The connections of each pool, as they are now. */
  get pools(): Readonly<Record<'calls' | 'other', PoolState>> {
    return { calls: stateOf(this.callsPool), other: stateOf(this.pool) };
  }

  /**
   * Opens all connections of calls, which then stay, and one of the others; the first statement also has Prisma load its
   * compiler. The first requests, and a burst after a quiet hour, need not wait for them. What can't be opened now is opened
   * when a request needs it.
   */
  async open(): Promise<void> {
    const { callsPool, prisma } = this;
    const connections = Array.from({ length: callsPool.options.max }, () => callsPool.connect());
    const first = prisma.$transaction((transaction) => transaction.$queryRawUnsafe('SELECT 1'));
    const [opened] = await Promise.all([Promise.allSettled(connections), Promise.allSettled([first])]);
    for (const connection of opened) if (connection.status === 'fulfilled') connection.value.release();
  }

  /** Whether a write failed lately since the disk is full. Reads go on then, so that a ping does not tell. */
  get isOutOfRoom(): boolean {
    return performance.now() < this.outOfRoomUntilMs;
  }

  private noted(error: unknown): unknown {
    if (isOutOfRoom(error)) this.outOfRoomUntilMs = performance.now() + OUT_OF_ROOM_MS;
    return asFault(error);
  }

  /** @throws Fault unavailable */
  async ping(): Promise<void> {
    await this.call({ name: 'ping', text: 'SELECT 1' }, []);
  }

  /**
   * Refuses a login that would make isolation a matter of habit, and a pooler that the settings don't speak of.
   *
   * @throws Error with one plain sentence; Fault unavailable
   */
  async assertConfined(): Promise<void> {
    try {
      await assertLogin(this.callsPool, this.login);
    } catch (error) {
      throw error instanceof OperatorError ? error : this.noted(error);
    }
  }

  onApplicationShutdown(): Promise<void> {
    return this.close();
  }

  close(): Promise<void> {
    this.closed ??= this.prisma.$disconnect().then(async () => {
      await Promise.all([this.pool.end(), this.callsPool.end()]);
    });
    return this.closed;
  }
}

export interface PoolState {
  readonly most: number;
  readonly inUse: number;
  readonly idle: number;
  /** Statements that wait for a connection. */
  readonly waiting: number;
}

function stateOf({ options, totalCount, idleCount, waitingCount }: pg.Pool): PoolState {
  return { most: options.max, inUse: totalCount - idleCount, idle: idleCount, waiting: waitingCount };
}

function openPool(settings: Settings, size: { readonly max: number; readonly min?: number }): pg.Pool {
  const pool = new pg.Pool({
    ...appConnection(settings),
    Client: ImpatientClient,
    ...size,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    ...sessionLimits(settings),
    idleTimeoutMillis: 60_000,
  });
  // An idle connection that breaks is replaced by the pool; without a listener its error would end the process.
  pool.on('error', (error) => logger.warn({ err: error }, 'An idle database connection broke.'));
  return pool;
}

/** A person's own part, before a tenant is known. */
function ownerOf(userId: string): ShareOwner {
  const owner = `user:${userId}`;
  return { tenantId: owner, orgId: owner };
}
