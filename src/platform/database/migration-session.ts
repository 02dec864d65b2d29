/** The session that migrates: past any pooler, alone, and never in the way of calls for long. */
import { setTimeout } from 'node:timers/promises';
import pg from 'pg';
import { MigrationError, reasonOf } from './migration.error.js';
import { tlsRefusal } from './tls-refusals.js';

/** One sentence on what the migration waits for or does. */
export type MigrationProgress = (line: string) => void;

/** The lock that Prisma's own command line takes too: only one process applies migrations. */
const ADVISORY_LOCK = 72707369;

/** A migration that waits for a table's lock holds up all who come after it; so it gives up soon and tries again. */
const LOCK_TIMEOUT = '3s';

/** A migration may leave another role, search path or time limit behind it in the session. */
export const FRESH_SESSION = `RESET ROLE; RESET ALL; SET statement_timeout = 0; SET lock_timeout = '${LOCK_TIMEOUT}'`;

const POLL_MS = 250;
const TELL_EVERY_MS = 15_000;
/** For another migration to end, and for the tables' locks. */
const PATIENCE_MS = 10 * 60_000;
const LOCKED = '55P03';

/** @param setting which of the addresses it is */
export async function connect(ownerUrl: string, setting = 'DATABASE_URL'): Promise<pg.Client> {
  let client: pg.Client;
  try {
    client = new pg.Client({
      connectionString: ownerUrl,
      connectionTimeoutMillis: 10_000,
      application_name: 'gatehouse-migrate',
    });
  } catch {
    // Without a cause: the parser's error carries the whole address, password and all.
    throw new MigrationError("The database's address is not a valid postgres:// URL.");
  }
  // A connection that breaks also rejects the query under way, which is where it is reported.
  client.on('error', () => undefined);
  try {
    await client.connect();
    return client;
  } catch (error) {
    await client.end().catch(() => undefined);
    const tls = tlsRefusal(error, setting);
    if (tls !== undefined) throw new MigrationError(`${addressOf(client)} ${tls}.`, { cause: error });
    const { code } = error as { code?: string };
    const refused = code === '28P01' || code === '28000';
    const what = refused
      ? `refuses the user ${client.user ?? ''} or its password`
      : `cannot be reached (${reasonOf(error)})`;
    throw new MigrationError(`${addressOf(client)} ${what}; check ${setting}.`, { cause: error });
  }
}

/**
 * A pooler answers with a process id of its own, and would keep the lock that migrations hold after they ended.
 *
 * @throws MigrationError
 */
export async function refusePooler(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  const { processID } = client as pg.Client & { readonly processID?: number };
  if (rows[0]?.pid === processID) return;
  throw new MigrationError(
    `${addressOf(client)} is reached through a connection pooler, which migrations must not use: set DATABASE_URL to Postgres itself, and DATABASE_APP_URL to the pooler.`,
  );
}

/** Waits for another process that migrates, and says so. */
export async function takeMigrationLock(client: pg.Client, tell: MigrationProgress): Promise<void> {
  const startedMs = performance.now();
  for (let toldMs = -Infinity; ; await setTimeout(POLL_MS)) {
    const { rows } = await client.query<{ taken: boolean }>(`SELECT pg_try_advisory_lock(${ADVISORY_LOCK}) AS taken`);
    if (rows[0]?.taken === true) return;
    const now = performance.now();
    if (now - startedMs > PATIENCE_MS) {
      throw new MigrationError(
        `Another session (${await lockHolder(client)}) has held the lock of migrations for ${PATIENCE_MS / 60_000} minutes: end it, then start again.`,
      );
    }
    if (now - toldMs < TELL_EVERY_MS) continue;
    toldMs = now;
    tell(`Another process migrates the database (${await lockHolder(client)}); waiting for it …`);
  }
}

async function lockHolder(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ holder: string }>(
    `SELECT concat_ws(', ', 'pid ' || l.pid, nullif(a.application_name, '')) AS holder
     FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
     WHERE l.locktype = 'advisory' AND l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND (l.classid::bigint << 32 | l.objid::bigint) = ${ADVISORY_LOCK}`,
  );
  return rows[0]?.holder ?? 'just ended';
}

/** Again, and later and later, while `work` finds a table locked by others. */
export async function withoutWaitingForLocks(work: () => Promise<void>, tell: MigrationProgress): Promise<void> {
  const startedMs = performance.now();
  for (let pauseMs = 500; ; pauseMs = Math.min(pauseMs * 2, 10_000)) {
    try {
      return await work();
    } catch (error) {
      if (!isLocked(error)) throw error;
      if (performance.now() - startedMs > PATIENCE_MS) {
        throw new MigrationError(
          `Other sessions have held a lock that the migrations need for ${PATIENCE_MS / 60_000} minutes (${reasonOf(error)}): end them (see pg_stat_activity), then start again.`,
          { cause: error },
        );
      }
      tell(`A lock that the migrations need is taken; nothing was applied yet, and it is tried again …`);
      await setTimeout(pauseMs);
    }
  }
}

/** Of the statement itself, or as the cause of a migration's failure. */
function isLocked(error: unknown): boolean {
  const { code, cause } = error as { code?: unknown; cause?: unknown };
  return code === LOCKED || (cause instanceof Error && isLocked(cause));
}

export function addressOf(client: pg.Client): string {
  return `The database ${client.database ?? ''} at ${client.host}:${client.port}`;
}
