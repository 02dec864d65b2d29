/** What the service's login and its way to Postgres must be like. */
import type pg from 'pg';
import { OperatorError } from '../errors/index.js';
import type { Settings } from '../config/index.js';
import { isPooled, STATEMENT_TIMEOUT_MS } from './connections.js';
import { rolesOf } from './roles.js';
import { appSetting, tlsRefusal } from './tls-refusals.js';

type LoginSettings = Pick<Settings, 'databaseAppUrl' | 'databaseRolePrefix'>;

interface Login {
  readonly role: string;
  readonly bypasses: boolean;
  readonly owns: boolean;
  readonly pid: number;
  /** 0: none. */
  readonly timeoutMs: number;
}

const LOOK = `
  SELECT current_user AS role, r.rolsuper OR r.rolbypassrls AS bypasses, pg_backend_pid() AS pid,
         EXISTS (SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE n.nspname = 'public' AND pg_has_role(r.oid, c.relowner, 'MEMBER'))
           OR pg_has_role(r.oid, $1, 'MEMBER') AS owns,
         (SELECT setting::integer FROM pg_settings WHERE name = 'statement_timeout') AS "timeoutMs"
  FROM pg_roles r WHERE r.rolname = current_user`;

/**
 * Refuses a login that would make isolation a matter of habit, and a pooler that the settings don't speak of.
 *
 * @throws Error with one plain sentence; the driver's where Postgres can't be reached
 */
export async function assertLogin(pool: pg.Pool, settings: LoginSettings): Promise<void> {
  const setting = appSetting(settings);
  const pooled = isPooled(settings);
  const [app, definer] = rolesOf(settings.databaseRolePrefix);
  const client = await pool.connect().catch((error: unknown) => {
    const tls = tlsRefusal(error, setting);
    if (tls !== undefined) throw new OperatorError(`The database ${tls}.`, { cause: error });
    if (!isRefusedByPooler(error)) throw error;
    throw new OperatorError(BEHIND_POOLER, { cause: error });
  });
  try {
    const { rows } = await client.query<Login>(LOOK, [definer]);
    const [login] = rows;
    if (login === undefined || login.bypasses || login.owns) {
      throw new Error(
        `The database role ${login?.role ?? 'unknown'} can bypass row-level security; the service must run as a member of ${app} that has neither SUPERUSER nor BYPASSRLS, and can become neither the owner of a table nor ${definer}.`,
      );
    }
    const { processID } = client as pg.PoolClient & { readonly processID?: number };
    // A pooler answers with a process id of its own.
    if (!pooled && login.pid !== processID) throw new OperatorError(BEHIND_POOLER);
    if (pooled && (login.timeoutMs === 0 || login.timeoutMs > STATEMENT_TIMEOUT_MS)) {
      throw new OperatorError(
        `The database role ${login.role} must have a statement_timeout of at most ${STATEMENT_TIMEOUT_MS} ms, since the service can't set one through a pooler: run ALTER ROLE ${login.role} SET statement_timeout = '${STATEMENT_TIMEOUT_MS}ms', then RECONNECT in the pooler.`,
      );
    }
  } finally {
    client.release();
  }
}

const BEHIND_POOLER =
  'The database is reached through a connection pooler: append ?pgbouncer=true to DATABASE_APP_URL, so that the service sends nothing that a pooler in transaction mode would lose.';

/** PgBouncer refuses start-up parameters that it doesn't know. */
function isRefusedByPooler(error: unknown): boolean {
  const { code, message } = error as { code?: unknown; message?: unknown };
  return code === '08P01' && /startup parameter/.test(String(message));
}
