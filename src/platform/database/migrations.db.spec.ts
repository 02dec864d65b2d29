import { createHash, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { eventually } from '../../../test/support/eventually.js';
import { createEmptyDatabase, type TestDatabase } from '../../../test/support/postgres.js';
import { MigrationError } from './migration.error.js';
import { assertMigrated, migrate } from './migrations.js';

const FIRST = 'CREATE TABLE first (id int PRIMARY KEY);\nINSERT INTO first VALUES (1);\n';
const SECOND = `CREATE TABLE second (id int);
CREATE FUNCTION two() RETURNS int LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO second VALUES (2); -- a semicolon; in a body
  RETURN 2;
END;
$$;
SELECT two();
`;

let database: TestDatabase;
let directory: string;

beforeEach(async () => {
  database = await createEmptyDatabase();
  directory = await mkdtemp(path.join(os.tmpdir(), 'gatehouse-migrations-'));
  await mkdir(path.join(directory, 'migrations'));
  await mkdir(path.join(directory, 'functions'));
});

afterEach(async () => {
  await database.drop();
  await rm(directory, { recursive: true, force: true });
});

async function writeMigration(name: string, sql: string): Promise<void> {
  await mkdir(path.join(directory, 'migrations', name), { recursive: true });
  await writeFile(path.join(directory, 'migrations', name, 'migration.sql'), sql);
}

async function query<Row extends pg.QueryResultRow>(sql: string): Promise<Row[]> {
  const client = new pg.Client(database.ownerUrl);
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

async function tables(): Promise<string[]> {
  const sql = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE '\\_%' ORDER BY 1";
  return (await query<{ tablename: string }>(sql)).map((row) => row.tablename);
}

/** The message for a person; fails unless it is one MigrationError on one line. */
async function refusal(url = database.ownerUrl, folder = directory): Promise<string> {
  const error: unknown = await migrate(url, folder).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(MigrationError);
  const { message } = error as MigrationError;
  expect(message).toMatch(/^[^\n]+\.$/);
  return message;
}

describe('migrate', () => {
  it('applies each migration once, in the order of their names, and returns their names', async () => {
    await writeMigration('20260102000000_second', SECOND);
    await writeMigration('20260101000000_first', FIRST);
    await writeFile(path.join(directory, 'migrations', 'migration_lock.toml'), 'provider = "postgresql"\n');
    const progress: string[] = [];

    const names = ['20260101000000_first', '20260102000000_second'];
    expect(await migrate(database.ownerUrl, directory, (line) => progress.push(line))).toEqual({
      applied: names,
      ahead: [],
    });
    expect(progress).toEqual([`Applying ${names[0]} (1 of 2) …`, `Applying ${names[1]} (2 of 2) …`]);
    expect(await migrate(database.ownerUrl, directory)).toEqual({ applied: [], ahead: [] });
    expect(await query('SELECT id FROM first UNION ALL SELECT id FROM second')).toEqual([{ id: 1 }, { id: 2 }]);
  });

  it('applies only what is new to a database that has the rest', async () => {
    await writeMigration('20260101000000_first', FIRST);
    await migrate(database.ownerUrl, directory);
    await writeMigration('20260102000000_second', SECOND);

    expect(await migrate(database.ownerUrl, directory)).toEqual({ applied: ['20260102000000_second'], ahead: [] });
  });

  it("maintains the tables that Prisma's own command line reads", async () => {
    await writeMigration('20260101000000_first', FIRST);
    await migrate(database.ownerUrl, directory);

    const sql = `SELECT migration_name, checksum, logs, rolled_back_at, applied_steps_count, length(id) AS "idLength",
      finished_at >= started_at AS finished FROM _prisma_migrations`;
    expect(await query(sql)).toEqual([
      {
        migration_name: '20260101000000_first',
        checksum: createHash('sha256').update(FIRST).digest('hex'),
        logs: null,
        rolled_back_at: null,
        applied_steps_count: 1,
        idLength: 36,
        finished: true,
      },
    ]);
    const columns = `SELECT column_name, data_type, character_maximum_length AS max, is_nullable FROM information_schema.columns
      WHERE table_name = '_prisma_migrations' ORDER BY ordinal_position`;
    expect((await query(columns)).map((row) => Object.values(row).join(' '))).toEqual([
      'id character varying 36 NO',
      'checksum character varying 64 NO',
      'finished_at timestamp with time zone  YES',
      'migration_name character varying 255 NO',
      'logs text  YES',
      'rolled_back_at timestamp with time zone  YES',
      'started_at timestamp with time zone  NO',
      'applied_steps_count integer  NO',
    ]);
  });

  it('works for an owner who is not a superuser', async () => {
    await writeMigration('20260101000000_first', FIRST);
    await migrate(database.ownerUrl, directory);

    const sql =
      "SELECT rolsuper, tableowner FROM pg_tables JOIN pg_roles ON rolname = tableowner WHERE tablename = 'first'";
    expect(await query(sql)).toEqual([{ rolsuper: false, tableowner: 'gatehouse' }]);
  });

  it('lets one of five simultaneous callers apply, and the others find it done', async () => {
    await writeMigration('20260101000000_first', `${FIRST}SELECT pg_sleep(0.3);`);
    await writeMigration('20260102000000_second', SECOND);

    const results = await Promise.all(Array.from({ length: 5 }, () => migrate(database.ownerUrl, directory)));
    const counts = results.map(({ applied }) => applied.length).sort();
    expect(counts).toEqual([0, 0, 0, 0, 2]);
    expect(await query('SELECT count(*)::int FROM _prisma_migrations')).toEqual([{ count: 2 }]);
    expect(await query('SELECT count(*)::int FROM first')).toEqual([{ count: 1 }]);
  });

  it("keeps one migration's session settings from the next", async () => {
    await writeMigration('20260101000000_dump', "SELECT pg_catalog.set_config('search_path', '', false);");
    await writeMigration('20260102000000_second', SECOND);

    await migrate(database.ownerUrl, directory);
    expect(await tables()).toEqual(['second']);
  });
});

describe('beside others', () => {
  beforeEach(async () => {
    await writeMigration('20260101000000_first', FIRST);
    await migrate(database.ownerUrl, directory);
    await writeMigration('20260102000000_second', 'ALTER TABLE first ADD COLUMN more int;');
  });

  it("an older version changes nothing of a newer one's work, including its functions", async () => {
    const function_ = (value: number): string =>
      `CREATE OR REPLACE FUNCTION version() RETURNS int LANGUAGE sql AS 'SELECT ${value}';`;
    const place = path.join(directory, 'functions', 'version.sql');
    await writeFile(place, function_(2));
    await migrate(database.ownerUrl, directory);
    await rm(path.join(directory, 'migrations', '20260102000000_second'), { recursive: true });
    await writeFile(place, function_(1));
    const ahead = ['20260102000000_second'];
    expect(await migrate(database.ownerUrl, directory)).toEqual({ applied: [], ahead });
    expect(await assertMigrated(database.ownerUrl, directory)).toEqual(ahead);
    expect(await query('SELECT public.version() AS version')).toEqual([{ version: 2 }]);
    await writeMigration('20260101500000_other_branch', 'CREATE TABLE other (id int);');
    expect(await refusal()).toMatch(/has 20260102000000_second, which .*, and lacks 20260101500000_other_branch: run/);
  });

  it('a service without migration reports the missing ones, and only reads', async () => {
    const error: unknown = await assertMigrated(database.ownerUrl, directory).catch((thrown: unknown) => thrown);
    expect((error as Error).message).toMatch(/1 migrations and 0 functions are missing.*run `gatehouse migrate`/);
    expect(await query('SELECT count(*)::int FROM _prisma_migrations')).toEqual([{ count: 1 }]);
    await migrate(database.ownerUrl, directory);
    expect(await assertMigrated(database.ownerUrl, directory)).toEqual([]);
  });

  it("waits for a lock's holder, logs it, and is applied once the lock is free", async () => {
    const other = new pg.Client(database.ownerUrl);
    await other.connect();
    try {
      await other.query('BEGIN; LOCK TABLE first IN ROW EXCLUSIVE MODE');
      const told: string[] = [];
      const migrated = migrate(database.ownerUrl, directory, (line) => told.push(line));
      await eventually(() => told.some((line) => line.startsWith('A lock that the migrations need is taken')));
      // A writer between two tries does not wait behind the migration.
      await query('INSERT INTO first VALUES (2)');
      await other.query('COMMIT');
      expect(await migrated).toEqual({ applied: ['20260102000000_second'], ahead: [] });
    } finally {
      await other.end();
    }
  });

  it('logs which other process migrates while it waits', async () => {
    const other = new pg.Client({ connectionString: database.ownerUrl, application_name: 'prisma' });
    await other.connect();
    try {
      await other.query('SELECT pg_advisory_lock(72707369)');
      const told: string[] = [];
      const migrated = migrate(database.ownerUrl, directory, (line) => told.push(line));
      await eventually(() => told.length > 0);
      expect(told[0]).toMatch(/^Another process migrates the database \(pid \d+, prisma\); waiting for it …$/);
      await other.query('SELECT pg_advisory_unlock(72707369)');
      expect((await migrated).applied).toEqual(['20260102000000_second']);
    } finally {
      await other.end();
    }
  });
});

describe('an untrustworthy migration is refused before anything is applied', () => {
  beforeEach(async () => {
    await writeMigration('20260101000000_first', FIRST);
    await migrate(database.ownerUrl, directory);
    await writeMigration('20260102000000_second', SECOND);
  });

  it('refuses one that was edited after it was applied, and names it', async () => {
    await writeMigration('20260101000000_first', `${FIRST}-- one more comment\n`);

    expect(await refusal()).toMatch(/^The migration 20260101000000_first was edited after it was applied: restore/);
    expect(await tables()).toEqual(['first']);
  });

  it('refuses when one that was applied is missing from the folder, and names it', async () => {
    await rm(path.join(directory, 'migrations', '20260101000000_first'), { recursive: true });

    expect(await refusal()).toMatch(/^The migration 20260101000000_first is in the database but not in .*: restore it/);
    expect(await tables()).toEqual(['first']);
  });

  it('refuses when one was begun and never finished, until its row is corrected', async () => {
    await query("UPDATE _prisma_migrations SET finished_at = NULL, logs = 'a crash'");

    expect(await refusal()).toMatch(/^The migration 20260101000000_first was begun and never finished: undo by hand/);
    expect(await tables()).toEqual(['first']);

    await query('DROP TABLE first; UPDATE _prisma_migrations SET rolled_back_at = now()');
    await migrate(database.ownerUrl, directory);
    expect(await tables()).toEqual(['first', 'second']);
  });

  it('refuses a migration folder without its file, and names it', async () => {
    await rm(path.join(directory, 'migrations', '20260102000000_second', 'migration.sql'));

    expect(await refusal()).toMatch(/^The migration 20260102000000_second has no readable migration.sql/);
  });
});

describe('a migration that fails', () => {
  it('leaves nothing of itself or of earlier ones, names itself and the place, and is applied once it is corrected', async () => {
    await writeMigration('20260101000000_first', FIRST);
    await writeMigration('20260102000000_broken', 'CREATE TABLE third (id int);\nINSERT INTO nowhere VALUES (1);\n');
    await writeMigration('20260103000000_after', 'CREATE TABLE fourth (id int);');

    expect(await refusal()).toBe(
      'The migration 20260102000000_broken failed (relation "nowhere" does not exist, line 2): nothing of it was applied; correct it and start again.',
    );
    expect(await tables()).toEqual([]);

    await writeMigration('20260102000000_broken', 'CREATE TABLE third (id int);');
    const { applied } = await migrate(database.ownerUrl, directory);
    expect(applied).toEqual(['20260101000000_first', '20260102000000_broken', '20260103000000_after']);
    expect(await tables()).toEqual(['first', 'fourth', 'third']);
  });

  it('stays refused as half applied when it committed a part by itself', async () => {
    await writeMigration('20260101000000_half', 'CREATE TABLE third (id int); COMMIT; INSERT INTO nowhere VALUES (1);');

    expect(await refusal()).toMatch(/^The migration 20260101000000_half failed \(.*\): .*a part of it was applied/);
    expect(await refusal()).toMatch(/^The migration 20260101000000_half was begun and never finished/);
  });

  it('is applied by the next caller when the previous one lost its connection in the middle', async () => {
    await writeMigration('20260101000000_slow', 'CREATE TABLE third (id int); SELECT pg_sleep(60);');
    const interrupted = refusal();
    const sleeping = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND wait_event = 'PgSleep'`;
    while ((await query(sleeping)).length === 0);
    expect(await interrupted).toMatch(
      /^The migration 20260101000000_slow failed .*the connection was lost; start again/,
    );
    expect(await tables()).toEqual([]);

    // The sleep is removed only now: the interrupted attempt recorded the checksum of the original file.
    await writeMigration('20260101000000_slow', 'CREATE TABLE third (id int);');
    expect(await migrate(database.ownerUrl, directory)).toEqual({ applied: ['20260101000000_slow'], ahead: [] });
    expect(await tables()).toEqual(['third']);
  });
});

describe("a database that can't be used gives one sentence with its address and without a password", () => {
  const secret = randomBytes(12).toString('hex');

  function address(change: (url: URL) => void): string {
    const url = new URL(database.ownerUrl);
    url.password = secret;
    change(url);
    return url.href;
  }

  it('when no server listens there', async () => {
    const message = await refusal(address((url) => (url.port = '1')));
    expect(message).toMatch(
      /^The database test_\w+ at 127\.0\.0\.1:1 cannot be reached \(.*ECONNREFUSED.*\); check DATABASE_URL\.$/,
    );
    expect(message).not.toContain(secret);
  });

  it('when the password is wrong', async () => {
    const { port } = new URL(database.ownerUrl);
    const message = await refusal(address(() => undefined));
    expect(message).toMatch(/^The database test_\w+ at 127\.0\.0\.1:\d+ refuses the user gatehouse or its password; /);
    expect(message).toContain(`:${port} `);
    expect(message).not.toContain(secret);
  });

  it('when the database does not exist', async () => {
    const url = new URL(database.ownerUrl);
    url.pathname = '/nowhere';
    const message = await refusal(url.href);
    expect(message).toMatch(/^The database nowhere at .* cannot be reached \(database "nowhere" does not exist\); /);
    expect(message).not.toContain(url.password);
  });

  it('when the address is invalid', async () => {
    const message = await refusal(`postgres://gatehouse:${secret}@[::bad/gatehouse`);
    expect(message).toBe("The database's address is not a valid postgres:// URL.");
  });

  it('when the folder of migrations does not exist', async () => {
    expect(await refusal(database.ownerUrl, path.join(directory, 'none'))).toMatch(
      /^The folder of migrations, .*, cannot be read\.$/,
    );
  });
});
