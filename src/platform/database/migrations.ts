/**
 * Applies Prisma's migrations, and then the database's functions, and keeps Prisma's books, without Prisma's engine: that
 * is a download which a fresh machine may not reach.
 */
import { createHash, randomUUID } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import pg from 'pg';
import { MigrationError, placeOf, reasonOf } from './migration.error.js';
import { applyFunctions, findFunctionChanges, readFunctions, type SqlFunction } from './sql-functions.js';

export interface Migration {
  name: string;
  sql: string;
  /** Lower-case hex SHA-256 of the file, as Prisma writes it. */
  checksum: string;
}

export interface BookEntry {
  id: string;
  migration_name: string;
  checksum: string;
  finished_at: Date | null;
  logs: string | null;
}

/** The lock that Prisma's own command line takes too: whoever applies migrations, applies them alone. */
const ADVISORY_LOCK = 72707369;

/**
 * Stands in an entry's `logs` from before a migration's transaction until inside it. An entry that still says so was
 * never committed by that transaction, so nothing of the migration is in the database.
 */
const NOT_BEGUN = 'gatehouse: nothing committed yet';
const BEGUN = 'gatehouse: partly committed';

/** A migration may leave another role, search path or time limit behind it in the session. */
const FRESH_SESSION = 'RESET ROLE; RESET ALL; SET statement_timeout = 0; SET lock_timeout = 0';

/**
 * Brings the database up to date with a folder that holds `migrations/<timestamp>_<name>/migration.sql` and
 * `functions/<name>.sql`: what is new among the migrations, and then what changed among the functions, in one transaction.
 * Callers at the same time wait for the first, and then find it done. Returns the names of the migrations that this call
 * applied. Throws MigrationError, before anything is applied, when a recorded migration was edited, is missing, or never
 * finished.
 */
export async function migrate(
  ownerUrl: string,
  directory: string,
  onProgress?: (name: string) => void,
): Promise<{ applied: string[] }> {
  const migrationsDirectory = path.join(directory, 'migrations');
  const migrations = await readMigrations(migrationsDirectory);
  const functions = await readFunctions(path.join(directory, 'functions'));
  const client = await connect(ownerUrl);
  try {
    await client.query(FRESH_SESSION);
    await client.query(`SELECT pg_advisory_lock(${ADVISORY_LOCK})`);
    const schema = await schemaOf(client);
    const books = await openBooks(client, schema);
    const recorded = await readBooks(client, books);
    refuseUnlessConsistent(recorded, migrations, migrationsDirectory);
    const pending = migrations.filter(({ name }) => !recorded.some((entry) => entry.migration_name === name));
    await applyAll(client, { schema, books }, pending, functions, onProgress);
    return { applied: pending.map(({ name }) => name) };
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

export async function readMigrations(directory: string): Promise<Migration[]> {
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
      return { name, sql: bytes.toString('utf8'), checksum: createHash('sha256').update(bytes).digest('hex') };
    }),
  );
}

export async function connect(ownerUrl: string): Promise<pg.Client> {
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
    const { code } = error as { code?: string };
    const refused = code === '28P01' || code === '28000';
    const what = refused
      ? `refuses the user ${client.user ?? ''} or its password`
      : `cannot be reached (${reasonOf(error)})`;
    throw new MigrationError(`${addressOf(client)} ${what}; check DATABASE_URL.`, { cause: error });
  }
}

/** Asked once, since a migration may leave another search path. Quoted where it must be. */
export async function schemaOf(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ schema: string | null }>('SELECT quote_ident(current_schema()) AS schema');
  const schema = rows[0]?.schema;
  if (!schema) throw new MigrationError(`${addressOf(client)} has no schema that its user can create tables in.`);
  return schema;
}

/** Makes the table where it is missing. Returns its full name. */
async function openBooks(client: pg.Client, schema: string): Promise<string> {
  const books = `${schema}._prisma_migrations`;
  // Asked first: a user who may not create tables can still be told that everything is up to date.
  const there = await client.query('SELECT WHERE to_regclass($1) IS NOT NULL', [books]);
  if (!there.rowCount) {
    await client.query(`CREATE TABLE ${books} (
      id                  varchar(36)  PRIMARY KEY,
      checksum            varchar(64)  NOT NULL,
      finished_at         timestamptz,
      migration_name      varchar(255) NOT NULL,
      logs                text,
      rolled_back_at      timestamptz,
      started_at          timestamptz  NOT NULL DEFAULT now(),
      applied_steps_count integer      NOT NULL DEFAULT 0
    )`);
  }
  return books;
}

/**
 * The entries that count: not rolled back. One left by a process that was killed before its transaction committed is
 * closed here as rolled back, as the database itself has rolled that transaction back (we hold the lock, so it is over).
 */
async function readBooks(client: pg.Client, books: string): Promise<BookEntry[]> {
  const { rows } = await client.query<BookEntry>(
    `SELECT id, migration_name, checksum, finished_at, logs FROM ${books} WHERE rolled_back_at IS NULL ORDER BY started_at`,
  );
  const undone = rows.filter((entry) => entry.finished_at === null && entry.logs === NOT_BEGUN);
  for (const { id } of undone) await closeAsRolledBack(client, books, id, 'interrupted');
  return rows.filter((entry) => !undone.includes(entry));
}

export function refuseUnlessConsistent(recorded: BookEntry[], migrations: Migration[], directory: string): void {
  for (const { migration_name: name, checksum, finished_at: finishedAt } of recorded) {
    if (finishedAt === null) {
      throw new MigrationError(
        `The migration ${name} was begun and never finished: undo by hand what it did, then set rolled_back_at = now() on its row of _prisma_migrations, and start again.`,
      );
    }
    const onDisk = migrations.find((migration) => migration.name === name);
    if (!onDisk) {
      throw new MigrationError(
        `The migration ${name} is in the database but not in ${directory}: restore it, or run the version of Gatehouse that has it.`,
      );
    }
    if (onDisk.checksum !== checksum) {
      throw new MigrationError(
        `The migration ${name} was edited after it was applied: restore its migration.sql, and put the change in a new migration.`,
      );
    }
  }
}

interface Target {
  readonly schema: string;
  readonly books: string;
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
  { schema, books }: Target,
  pending: readonly Migration[],
  functions: readonly SqlFunction[],
  onProgress?: (name: string) => void,
): Promise<void> {
  const entries = pending.map((migration) => ({ id: randomUUID(), migration }));
  for (const { id, migration } of entries) {
    const begin = [id, migration.checksum, migration.name, NOT_BEGUN];
    await client.query(`INSERT INTO ${books} (id, checksum, migration_name, logs) VALUES ($1, $2, $3, $4)`, begin);
  }
  try {
    await client.query('BEGIN');
    for (const entry of entries) {
      onProgress?.(entry.migration.name);
      await apply(client, books, entry, entries);
    }
    await applyFunctions(client, schema, await findFunctionChanges(client, schema, functions));
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

async function closeAsRolledBack(client: pg.Client, books: string, id: string, reason: string): Promise<boolean> {
  const { rowCount } = await client.query(
    `UPDATE ${books} SET rolled_back_at = clock_timestamp(), logs = $3 WHERE id = $1 AND logs = $2`,
    [id, NOT_BEGUN, reason],
  );
  return rowCount === 1;
}

function addressOf(client: pg.Client): string {
  return `The database ${client.database ?? ''} at ${client.host}:${client.port}`;
}
