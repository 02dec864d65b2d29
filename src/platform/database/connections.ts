/** How the service logs in to Postgres: as its own login, through a pooler or past it. */
import type pg from 'pg';
import type { Settings } from '../config/index.js';
import { DEFAULT_PREFIX, rolesOf } from './roles.js';

/** A little less than a connection waits for an answer. */
export const STATEMENT_TIMEOUT_MS = 4800;

/** What says in an address that it is a transaction pooler's, as it does for Prisma and others. */
const POOLER_FLAG = 'pgbouncer';

type Addresses = Pick<Settings, 'databaseUrl' | 'databaseAppUrl' | 'databaseDirectUrl' | 'databaseRolePrefix'>;
type Login = Pick<Settings, 'databaseUrl'> & Partial<Addresses>;

/**
 * Whether the service's statements pass a pooler in transaction mode: then none has a name, since the next one may run on
 * another connection, and none may count on what was set for the session.
 */
export function isPooled({ databaseAppUrl }: Pick<Settings, 'databaseAppUrl'>): boolean {
  return databaseAppUrl !== undefined && new URL(databaseAppUrl).searchParams.get(POOLER_FLAG) === 'true';
}

/**
 * How the service logs in. Without a login of its own it is the owner's, and the connection becomes gatehouse_app before
 * its first statement: RESET ROLE leads back to that, not to the owner.
 */
export function appConnection({ databaseUrl, databaseAppUrl, databaseRolePrefix }: Login): pg.ClientConfig {
  const kept = { keepAlive: true, application_name: 'gatehouse' };
  if (databaseAppUrl === undefined) return { connectionString: databaseUrl, ...asApp(databaseRolePrefix), ...kept };
  const address = new URL(databaseAppUrl);
  address.searchParams.delete(POOLER_FLAG);
  return { connectionString: address.href, ...kept };
}

const asApp = (prefix = DEFAULT_PREFIX): pg.ClientConfig => ({ options: `-c role=${rolesOf(prefix)[0]}` });

/**
 * The listener's connection: it must not pass a transaction pooler, which would drop LISTEN without a word. Behind one it is
 * the owner's address, unless another is set.
 */
export function directConnection(settings: Addresses): pg.ClientConfig {
  const { databaseUrl, databaseDirectUrl, databaseRolePrefix } = settings;
  const direct = databaseDirectUrl ?? (isPooled(settings) ? databaseUrl : undefined);
  if (direct === undefined) return appConnection(settings);
  return appConnection({ databaseUrl: direct, databaseRolePrefix });
}

/** What Postgres is told as a pool's connection opens. A pooler refuses it: there the login's own setting says it. */
export function sessionLimits(settings: Pick<Settings, 'databaseAppUrl'>): pg.ClientConfig {
  // Before the connection is cut: Postgres would go on with a statement whose caller is gone, and hold its locks.
  return isPooled(settings) ? {} : { statement_timeout: STATEMENT_TIMEOUT_MS };
}
