/** Prisma's books of migrations: which were applied, which were begun and never finished. */
import type pg from 'pg';
import { MigrationError } from './migration.error.js';

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

/**
 * Stands in an entry's `logs` from before a migration's transaction until inside it. An entry that still says so was
 * never committed by that transaction, so nothing of the migration is in the database.
 */
export const NOT_BEGUN = 'gatehouse: nothing committed yet';
export const BEGUN = 'gatehouse: partly committed';

/** Makes the table where it is missing. Returns its full name. */
export async function openBooks(client: pg.Client, schema: string): Promise<string> {
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
 * The entries that count: not rolled back. An entry of a process that was killed before its commit is closed here as rolled
 * back: we hold the lock, so the database has rolled that transaction back.
 */
export async function readBooks(client: pg.Client, books: string): Promise<BookEntry[]> {
  const rows = await entriesOf(client, books);
  const undone = rows.filter((entry) => entry.finished_at === null && entry.logs === NOT_BEGUN);
  for (const { id } of undone) await closeAsRolledBack(client, books, id, 'interrupted');
  return rows.filter((entry) => !undone.includes(entry));
}

/** What is recorded; none where nothing was ever applied. Reads only. */
export async function findBooks(client: pg.Client, schema: string): Promise<BookEntry[]> {
  const books = `${schema}._prisma_migrations`;
  const there = await client.query('SELECT WHERE to_regclass($1) IS NOT NULL', [books]);
  return there.rowCount ? entriesOf(client, books) : [];
}

async function entriesOf(client: pg.Client, books: string): Promise<BookEntry[]> {
  const { rows } = await client.query<BookEntry>(
    `SELECT id, migration_name, checksum, finished_at, logs FROM ${books} WHERE rolled_back_at IS NULL ORDER BY started_at`,
  );
  return rows;
}

/**
 * @returns names of migrations that a newer version of Gatehouse applied: later than all of the folder's
 * @throws MigrationError
 */
export function refuseUnlessConsistent(
  recorded: readonly BookEntry[],
  migrations: readonly Migration[],
  directory: string,
): string[] {
  const newest = migrations.at(-1)?.name ?? '';
  const ahead: string[] = [];
  for (const { migration_name: name, checksum, finished_at: finishedAt } of recorded) {
    if (finishedAt === null) {
      throw new MigrationError(
        `The migration ${name} was begun and never finished: undo by hand what it did, then set rolled_back_at = now() on its row of _prisma_migrations, and start again.`,
      );
    }
    const onDisk = migrations.find((migration) => migration.name === name);
    if (!onDisk && newest !== '' && name > newest) {
      ahead.push(name);
      continue;
    }
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
  const missing = migrations.find(({ name }) => !recorded.some((entry) => entry.migration_name === name));
  if (ahead.length > 0 && missing !== undefined) {
    throw new MigrationError(
      `The database has ${ahead[0]}, which this version does not know, and lacks ${missing.name}: run the version of Gatehouse that has both.`,
    );
  }
  return ahead;
}

export async function closeAsRolledBack(
  client: pg.Client,
  books: string,
  id: string,
  reason: string,
): Promise<boolean> {
  const { rowCount } = await client.query(
    `UPDATE ${books} SET rolled_back_at = clock_timestamp(), logs = $3 WHERE id = $1 AND logs = $2`,
    [id, NOT_BEGUN, reason],
  );
  return rowCount === 1;
}
