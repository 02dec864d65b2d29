/** What must hold before a dump is taken, and before and after one is read back. */
import type pg from 'pg';
import { assertIsolation } from './isolation.js';
import { MigrationError } from './migration.error.js';
import { addressOf, connect } from './migration-session.js';
import { migrate, schemaOf, type Migrated } from './migrations.js';
import { ensureRoles } from './roles.js';

/**
 * Row-level security is forced on the owner too: its dump would fail, or hold no rows.
 *
 * @param setting which of the addresses it is
 * @throws MigrationError with the statements that make such a login
 */
export async function assertReadsAll(url: string, setting: string): Promise<void> {
  const client = await connect(url, setting);
  try {
    const { rows } = await client.query<{ role: string; readsAll: boolean }>(
      `SELECT quote_ident(rolname) AS role,
              rolsuper OR (rolbypassrls AND pg_has_role(oid, 'pg_read_all_data', 'USAGE')) AS "readsAll"
       FROM pg_roles WHERE rolname = current_user`,
    );
    const { role = '', readsAll = false } = rows[0] ?? {};
    if (readsAll) return;
    throw new MigrationError(
      `The database role ${role} may not read every row, since row-level security is forced on it: have an administrator run \`CREATE ROLE gatehouse_backup LOGIN BYPASSRLS PASSWORD '…'; GRANT pg_read_all_data TO gatehouse_backup;\`, and set DATABASE_BACKUP_URL to that login.`,
    );
  } finally {
    await client.end().catch(() => undefined);
  }
}

/**
 * Makes the roles that the dump's policies and rights name.
 *
 * @throws MigrationError where the database is not empty
 */
export async function prepareRestore(ownerUrl: string, prefix: string): Promise<void> {
  await using(ownerUrl, async (client) => {
    const schema = await schemaOf(client);
    const { rowCount } = await client.query(
      `SELECT FROM pg_class WHERE relnamespace = $1::regnamespace AND relkind IN ('r', 'p', 'v', 'm') LIMIT 1`,
      [schema],
    );
    if (rowCount) {
      throw new MigrationError(
        `${addressOf(client)} is not empty: make a new one (\`CREATE DATABASE … OWNER …\`), and set DATABASE_URL to it.`,
      );
    }
    await ensureRoles(client, prefix);
  });
}

/**
 * Hands the functions to their owners again, brings an older dump up to date, and holds all of it against this build.
 *
 * @throws MigrationError
 */
export async function finishRestore(
  ownerUrl: string,
  directory: string,
  prefix: string,
  tell: (line: string) => void,
): Promise<Migrated> {
  await using(ownerUrl, async (client) => {
    // The dump was read by one login, which owns everything now. Without its record each function is made anew.
    await client.query(`DELETE FROM ${await schemaOf(client)}._gatehouse_functions`);
  });
  const migrated = await migrate(ownerUrl, directory, tell, prefix);
  if (migrated.ahead.length > 0) {
    throw new MigrationError(
      `The backup is of a newer version of Gatehouse (it has ${migrated.ahead[0]}): restore it with that version.`,
    );
  }
  await assertIsolation(ownerUrl, directory, prefix);
  return migrated;
}

async function using(url: string, work: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = await connect(url);
  try {
    await work(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}
