/**
 * Applies Prisma's migrations, and then the database's functions, and keeps Prisma's books, without Prisma's engine: that
 * is a download which a fresh machine may not reach.
 */
import { createHash, randomUUID } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import type pg from 'pg';
import { MigrationError, placeOf, reasonOf } from './migration.error.js';
import {
  BEGUN,
  closeAsRolledBack,
  findBooks,
  NOT_BEGUN,
  openBooks,
  readBooks,
  refuseUnlessConsistent,
  type Migration,
} from './migration-books.js';
import {
  addressOf,
  connect,
  FRESH_SESSION,
  refusePooler,
  takeMigrationLock,
  withoutWaitingForLocks,
  type MigrationProgress,
} from './migration-session.js';
import { DEFAULT_PREFIX, ensureRoles, withoutMakingRoles, withRoles } from './roles.js';
import { applyFunctions, findFunctionChanges, readFunctions, type SqlFunction } from './sql-functions.js';

export interface Migrated {
  /** Names of the migrations that this call applied. */
  readonly applied: readonly string[];
  /** Names of those that a newer version of Gatehouse applied. */
  readonly ahead: readonly string[];
}

/**
 * Brings the database up to date with a folder that holds `migrations/<timestamp>_<name>/migration.sql` and
 * `functions/<name>.sql`: what is new among the migrations, and then what changed among the functions, in one transaction.
 * Callers at the same time wait for the first, and then find it done. Where a newer version was here already, it changes
 * nothing (docs/decisions/0030-upgrades.md).
 *
 * @throws MigrationError before anything is applied, when a recorded migration was edited, is missing, or never finished;
 *   when the address is a pooler's, or others hold a lock for too long
 */
export async function migrate(
  ownerUrl: string,
  directory: string,
  tell: MigrationProgress = () => undefined,
  prefix = DEFAULT_PREFIX,
): Promise<Migrated> {
  const migrationsDirectory = path.join(directory, 'migrations');
  const migrations = await readMigrations(migrationsDirectory, prefix);
  const functions = await readFunctions(path.join(directory, 'functions'), prefix);
  const client = await connect(ownerUrl);
  try {
    await client.query(FRESH_SESSION);
    await refusePooler(client);
    await takeMigrationLock(client, tell);
    const schema = await schemaOf(client);
    const books = await openBooks(client, schema);
    const recorded = await readBooks(client, books);
    const ahead = refuseUnlessConsistent(recorded, migrations, migrationsDirectory);
    if (ahead.length > 0) return { applied: [], ahead };
    const pending = migrations.filter(({ name }) => !recorded.some((entry) => entry.migration_name === name));
    const { changed, gone } = await findFunctionChanges(client, schema, functions);
    if (pending.length + changed.length + gone.length === 0) return { applied: [], ahead };
    await ensureRoles(client, prefix);
    await withoutWaitingForLocks(() => applyAll(client, { schema, books, prefix }, pending, functions, tell), tell);
    return { applied: pending.map(({ name }) => name), ahead };
  } catch (error) {
    if (error instanceof MigrationError) throw error;
    throw new MigrationError(`${addressOf(client)} could not be brought up to date: ${reasonOf(error)}.`, {
      cause: error,
    });
  } finally {
    // Ends the session, and the advisory lock with it.
    await client.end().catch(() => undefined);
  }
}

/**
 * For a service that must not migrate: checks that another process did.
 * @returns names of migrations that a newer version applied
 * @throws MigrationError
 */
export async function assertMigrated(
  ownerUrl: string,
  directory: string,
  prefix = DEFAULT_PREFIX,
): Promise<readonly string[]> {
  const migrationsDirectory = path.join(directory, 'migrations');
  const migrations = await readMigrations(migrationsDirectory, prefix);
  const functions = await readFunctions(path.join(directory, 'functions'), prefix);
  const client = await connect(ownerUrl);
  try {
    const schema = await schemaOf(client);
    const recorded = await findBooks(client, schema);
    const ahead = refuseUnlessConsistent(recorded, migrations, migrationsDirectory);
    if (ahead.length > 0) return ahead;
    const pending = migrations.filter(({ name }) => !recorded.some((entry) => entry.migration_name === name));
    const { changed, gone } = await findFunctionChanges(client, schema, functions);
    if (pending.length + changed.length + gone.length === 0) return ahead;
    throw new MigrationError(
      `${addressOf(client)} is not up to date (${pending.length} migrations and ${changed.length + gone.length} functions are missing), and GATEHOUSE_MIGRATE is off: run \`gatehouse migrate\` with this version first.`,
    );
  } finally {
    await client.end().catch(() => undefined);
  }
}

export async function readMigrations(directory: string, prefix = DEFAULT_PREFIX): Promise<Migration[]> {
  const entries = await fs.readdir(directory, { withFileTypes: true }).catch((error: unknown) => {
    throw new MigrationError(`The folder of migrations, ${directory}, cannot be read.`, { cause: error });
  });
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  return Promise.all(
    names.sort().map(async (name) => {
      const file = path.join(directory, name, 'migration.sql');
      const bytes = await fs.readFile(file).catch((error: unknown) => {
        throw new MigrationError(`The migration ${name} has no readable migration.sql; restore ${file}.`, {
          cause: error,
        });
      });
      const sql = withRoles(withoutMakingRoles(bytes.toString('utf8')), prefix);
      return { name, sql, checksum: createHash('sha256').update(bytes).digest('hex') };
    }),
  );
}

/** Asked once, since a migration may leave another search path. Quoted where it must be. */
export async function schemaOf(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ schema: string | null }>('SELECT quote_ident(current_schema()) AS schema');
  const schema = rows[0]?.schema;
  if (!schema) throw new MigrationError(`${addressOf(client)} has no schema that its user can create tables in.`);
  return schema;
}

interface Target {
  readonly schema: string;
  readonly books: string;
  readonly prefix: string;
}

interface PendingEntry {
  readonly id: string;
  readonly migration: Migration;
}

/**
 * The entries are committed first and finished inside the transaction that applies everything, so that at any moment of a
 * crash the books say what is true.
 */
async function applyAll(
  client: pg.Client,
  { schema, books, prefix }: Target,
  pending: readonly Migration[],
  functions: readonly SqlFunction[],
  tell: MigrationProgress,
): Promise<void> {
  const entries = pending.map((migration) => ({ id: randomUUID(), migration }));
  for (const { id, migration } of entries) {
    const begin = [id, migration.checksum, migration.name, NOT_BEGUN];
    await client.query(`INSERT INTO ${books} (id, checksum, migration_name, logs) VALUES ($1, $2, $3, $4)`, begin);
  }
  try {
    await client.query('BEGIN');
    for (const [index, entry] of entries.entries()) {
      tell(`Applying ${entry.migration.name} (${index + 1} of ${entries.length}) …`);
      await apply(client, books, entry, entries);
    }
    await applyFunctions(client, schema, prefix, await findFunctionChanges(client, schema, functions));
    await client.query('COMMIT');
  } catch (error) {
    // Of a migration that failed this is done already, and then it does nothing.
    await rollBack(client, books, entries, reasonOf(error)).catch(() => undefined);
    throw error;
  }
}

/** Sent as one simple query: the server splits it, so that bodies in $$ need no parser here. */
async function apply(
  client: pg.Client,
  books: string,
  { id, migration }: PendingEntry,
  entries: readonly PendingEntry[],
): Promise<void> {
  const { name, sql } = migration;
  try {
    await client.query(`UPDATE ${books} SET logs = $2 WHERE id = $1`, [id, BEGUN]);
    await client.query(sql);
    await client.query(FRESH_SESSION);
    const finish = 'SET finished_at = clock_timestamp(), applied_steps_count = 1, logs = NULL';
    await client.query(`UPDATE ${books} ${finish} WHERE id = $1`, [id]);
  } catch (error) {
    const state = await rollBack(client, books, entries, reasonOf(error)).then(
      (undone) =>
        undone.includes(id)
          ? 'nothing of it was applied; correct it and start again'
          : 'as it commits by itself, a part of it was applied; see its row of _prisma_migrations',
      () => 'the connection was lost; start again, and what was applied will be found',
    );
    throw new MigrationError(`The migration ${name} failed (${reasonOf(error)}${placeOf(error, sql)}): ${state}.`, {
      cause: error,
    });
  }
}

/** Returns the entries of which nothing was committed: all of them, unless a migration has a COMMIT of its own. */
async function rollBack(
  client: pg.Client,
  books: string,
  entries: readonly PendingEntry[],
  reason: string,
): Promise<string[]> {
  await client.query('ROLLBACK');
  await client.query(FRESH_SESSION);
  const undone: string[] = [];
  for (const { id } of entries) if (await closeAsRolledBack(client, books, id, reason)) undone.push(id);
  return undone;
}
