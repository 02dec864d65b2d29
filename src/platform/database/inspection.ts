/** Looks whether a database is as this version of the service needs it. Reads only. */
import path from 'node:path';
import type pg from 'pg';
import { MigrationError } from './migration.error.js';
import { findBooks, refuseUnlessConsistent } from './migration-books.js';
import { findIsolationDifferences, REMEDY, toldOf } from './isolation.js';
import { connect } from './migration-session.js';
import { readMigrations, schemaOf } from './migrations.js';
import { DEFAULT_PREFIX, rolesOf } from './roles.js';
import { findFunctionChanges, readFunctions, type SqlFunction } from './sql-functions.js';

/** What a check found. `fix` says what to do, where there is something to do. */
export interface Finding {
  readonly check: string;
  readonly status: 'ok' | 'warning' | 'failed';
  readonly message: string;
  readonly fix?: string;
}

const OLDEST_POSTGRES = 15;
const MIGRATE = 'Run `gatehouse migrate`, or start the service, which does the same.';
/** Tokens state their times in whole seconds, by their signers' clocks. */
const CLOCK_WARNING_MS = 2_000;
/** Beyond it the service refuses to start. */
const CLOCK_FAILURE_MS = 60_000;

/**
 * @param directory with `migrations/` and `functions/`
 * @throws MigrationError where the database can't be reached
 */
export async function inspectDatabase(
  ownerUrl: string,
  directory: string,
  prefix = DEFAULT_PREFIX,
): Promise<Finding[]> {
  const functions = await readFunctions(path.join(directory, 'functions'), prefix);
  const client = await connect(ownerUrl);
  try {
    const schema = await schemaOf(client);
    const findings = [await inspectVersion(client), await inspectClock(client)];
    const migrations = await inspectMigrations(client, schema, path.join(directory, 'migrations'));
    findings.push(migrations.finding);
    // Without its tables there is nothing else to look at.
    if (!migrations.areThere) return findings;
    // The functions are the newer version's.
    if (!migrations.isAhead) findings.push(await inspectFunctions(client, schema, functions));
    findings.push(await inspectRoles(client, rolesOf(prefix)), await inspectPolicies(client, schema));
    if (!migrations.isAhead && findings.every(({ status }) => status !== 'failed')) {
      findings.push(await inspectIsolation(client, directory, prefix));
    }
    return findings;
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function inspectVersion(client: pg.Client): Promise<Finding> {
  const { rows } = await client.query<{ server_version: string }>('SHOW server_version');
  const version = rows[0]?.server_version ?? '';
  const message = `Postgres ${version} at ${client.host}:${client.port}, database ${client.database ?? ''}.`;
  if (Number.parseInt(version, 10) >= OLDEST_POSTGRES) return { check: 'database', status: 'ok', message };
  return { check: 'database', status: 'failed', message, fix: `Use Postgres ${OLDEST_POSTGRES} or later.` };
}

async function inspectClock(client: pg.Client): Promise<Finding> {
  const sentAtMs = Date.now();
  const { rows } = await client.query<{ now: number }>(
    'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now',
  );
  const halfWay = (sentAtMs + Date.now()) / 2;
  const apartMs = Math.round(Math.abs((rows[0]?.now ?? 0) - halfWay));
  const message = `The database's clock and this machine's are ${(apartMs / 1000).toFixed(1)} s apart.`;
  const fix = 'Run a time service (NTP) on both machines: tokens would be refused as too early or expired.';
  if (apartMs >= CLOCK_FAILURE_MS) return { check: 'clocks', status: 'failed', message, fix };
  if (apartMs >= CLOCK_WARNING_MS) return { check: 'clocks', status: 'warning', message, fix };
  return { check: 'clocks', status: 'ok', message };
}

async function inspectMigrations(
  client: pg.Client,
  schema: string,
  directory: string,
): Promise<{ finding: Finding; areThere: boolean; isAhead?: boolean }> {
  const check = 'migrations';
  const migrations = await readMigrations(directory);
  const rows = await findBooks(client, schema);
  const areThere = rows.length > 0;
  let ahead: string[];
  try {
    ahead = refuseUnlessConsistent(rows, migrations, directory);
  } catch (error) {
    if (!(error instanceof MigrationError)) throw error;
    const [message = '', fix] = error.message.split(/: (?=[a-z])/);
    return { areThere, finding: { check, status: 'failed', message: `${message}.`, fix: fix ?? '' } };
  }
  const applied = new Set(rows.map(({ migration_name: name }) => name));
  const pending = migrations.filter(({ name }) => !applied.has(name)).map(({ name }) => name);
  if (ahead.length > 0) {
    const message = `A newer version of Gatehouse migrated this database; the first that this version does not know is ${ahead[0]}.`;
    return {
      areThere,
      isAhead: true,
      finding: { check, status: 'warning', message, fix: 'Upgrade this version soon.' },
    };
  }
  if (pending.length === 0) {
    return { areThere, finding: { check, status: 'ok', message: `All ${migrations.length} are applied.` } };
  }
  const message = `${pending.length} of ${migrations.length} are not applied; the first is ${pending[0]}.`;
  return { areThere, finding: { check, status: 'failed', message, fix: MIGRATE } };
}

/** Both what the records say and what the functions really are: an operator may have changed one by hand. */
async function inspectFunctions(
  client: pg.Client,
  schema: string,
  functions: readonly SqlFunction[],
): Promise<Finding> {
  const check = 'functions';
  const { changed, gone } = await findFunctionChanges(client, schema, functions);
  if (changed.length + gone.length > 0) {
    const names = [...changed.map(({ name }) => name), ...gone];
    const message = `${names.length} are not as this version has them: ${names.join(', ')}.`;
    return { check, status: 'failed', message, fix: MIGRATE };
  }
  const { rows } = await client.query<{ name: string; body: string }>(
    'SELECT proname AS name, prosrc AS body FROM pg_proc WHERE pronamespace = $1::regnamespace',
    [schema],
  );
  const bodies = new Map(rows.map(({ name, body }) => [name, body]));
  const edited = functions.filter((each) => bodies.get(each.name) !== bodyOf(each)).map(({ name }) => name);
  if (edited.length === 0)
    return { check, status: 'ok', message: `All ${functions.length} have the body of their file.` };
  return {
    check,
    status: 'failed',
    message: `Changed by hand in the database: ${edited.join(', ')}.`,
    fix: `Delete their rows of ${schema}._gatehouse_functions; then run \`gatehouse migrate\`, which makes them anew.`,
  };
}

function bodyOf({ sql }: SqlFunction): string | undefined {
  return /\bAS (\$\w*\$)([\s\S]*?)\1/.exec(sql)?.[2];
}

async function inspectRoles(client: pg.Client, roles: readonly [string, string]): Promise<Finding> {
  const check = 'roles';
  const { rows } = await client.query<{ name: string; mighty: boolean; login: boolean }>(
    `SELECT rolname AS name, rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb AS mighty, rolcanlogin AS login
     FROM pg_roles WHERE rolname = ANY ($1)`,
    [roles],
  );
  const missing = roles.filter((role) => !rows.some(({ name }) => name === role));
  if (missing.length > 0) {
    const message = `Missing: ${missing.join(', ')}.`;
    return {
      check,
      status: 'failed',
      message,
      fix: 'Roles belong to the server, not to the database. Restore them there: `pg_dumpall --roles-only` saves them.',
    };
  }
  const wrong = rows.filter(({ name, mighty, login }) => mighty || (login && name === roles[1]));
  if (wrong.length > 0) {
    const names = wrong.map(({ name }) => name).join(', ');
    const fix = wrong.map(({ name }) => `ALTER ROLE ${name} NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB NOLOGIN;`);
    return { check, status: 'failed', message: `They have rights that break isolation: ${names}.`, fix: fix.join(' ') };
  }
  return { check, status: 'ok', message: `${roles.join(' and ')} have no rights beyond their own.` };
}

async function inspectPolicies(client: pg.Client, schema: string): Promise<Finding> {
  const check = 'policies';
  const { rows } = await client.query<{ name: string; forced: boolean; has_policy: boolean; partition: boolean }>(
    `SELECT c.relname AS name, c.relrowsecurity AND c.relforcerowsecurity AS forced, 
            EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid) AS partition,
            EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid) AS has_policy
     FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
     WHERE c.relnamespace = $1::regnamespace AND c.relkind IN ('r', 'p') ORDER BY 1`,
    [schema],
  );
  // A partition's rows, and those of a retired month of the ledger, are reached through its table, whose policies then hold.
  const open = rows.filter(({ forced, has_policy: hasPolicy, partition }) => !forced || (!hasPolicy && !partition));
  if (open.length === 0) {
    return { check, status: 'ok', message: `Row-level security is forced on all ${rows.length} tables of tenants.` };
  }
  const names = open.map(({ name }) => name);
  const unforced = open.filter(({ forced }) => !forced).map(({ name }) => name);
  return {
    check,
    status: 'failed',
    message: `Row-level security does not hold on ${names.join(', ')}: a tenant's rows may be shown to another.`,
    fix:
      unforced.length > 0
        ? unforced.map((name) => `ALTER TABLE ${name} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;`).join(' ')
        : 'Restore the policies from the migration that made the table.',
  };
}

/** Everything that a start of the service compares. */
async function inspectIsolation(client: pg.Client, directory: string, prefix: string): Promise<Finding> {
  const check = 'isolation';
  const differences = await findIsolationDifferences(client, directory, prefix);
  if (differences.length === 0) {
    return { check, status: 'ok', message: 'Policies, rights, owners and triggers are as this version has them.' };
  }
  const message = `${differences.length} differences from this version:\n${toldOf(differences)}`;
  return { check, status: 'failed', message, fix: REMEDY };
}
