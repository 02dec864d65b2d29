import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { createEmptyDatabase, type TestDatabase } from '../../../test/support/postgres.js';
import { MigrationError } from './migration.error.js';
import { migrate } from './migrations.js';

let database: TestDatabase;
let directory: string;
let client: pg.Client;

beforeEach(async () => {
  database = await createEmptyDatabase();
  directory = await mkdtemp(path.join(os.tmpdir(), 'gatehouse-functions-'));
  await mkdir(path.join(directory, 'migrations'));
  await mkdir(path.join(directory, 'functions'));
  client = new pg.Client(database.superuserUrl);
  await client.connect();
  // What the service's own migrations do for the two roles.
  await client.query('GRANT USAGE ON SCHEMA public TO gatehouse_app, gatehouse_definer');
});

afterEach(async () => {
  await client.end();
  await database.drop();
  await rm(directory, { recursive: true, force: true });
});

const fileOf = (name: string): string => path.join(directory, 'functions', `${name}.sql`);

async function writeMigration(name: string, sql: string): Promise<void> {
  await mkdir(path.join(directory, 'migrations', name), { recursive: true });
  await writeFile(path.join(directory, 'migrations', name, 'migration.sql'), sql);
}

const one = (body: string, rights = 'REVOKE EXECUTE ON FUNCTION one FROM PUBLIC;'): string =>
  `CREATE OR REPLACE FUNCTION one() RETURNS int LANGUAGE sql AS $$ ${body} $$;\n${rights}\n`;

const DEFINERS = `REVOKE EXECUTE ON FUNCTION one FROM PUBLIC;
GRANT EXECUTE ON FUNCTION one TO gatehouse_app;
ALTER FUNCTION one OWNER TO gatehouse_definer;`;

async function apply(): Promise<void> {
  await migrate(database.ownerUrl, directory);
}

/** The message for a person. */
async function refusal(): Promise<string> {
  const error: unknown = await apply().catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(MigrationError);
  return (error as MigrationError).message;
}

interface Row {
  readonly signature: string;
  readonly oid: number;
  readonly owner: string;
  readonly callers: string | null;
}

/** The functions of the schema, by name. */
async function functions(): Promise<Row[]> {
  const { rows } = await client.query<Row>(
    `SELECT oid::regprocedure::text AS signature, oid::int, pg_get_userbyid(proowner) AS owner,
            (SELECT string_agg(CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END, ' ' ORDER BY grantee::regrole::text)
             FROM aclexplode(proacl) WHERE grantee <> proowner) AS callers
     FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1`,
  );
  return rows;
}

async function signatures(): Promise<string[]> {
  return (await functions()).map(({ signature }) => signature);
}

async function answerOf(call: string): Promise<unknown> {
  const { rows } = await client.query<{ answer: unknown }>(`SELECT ${call} AS answer`);
  return rows[0]?.answer;
}

describe('a function', () => {
  it('is applied after the migrations, and after the functions that it calls', async () => {
    await writeMigration('20260101000000_first', 'CREATE TABLE numbers (n int); INSERT INTO numbers VALUES (1);');
    // Postgres checks these calls when it creates the functions.
    await writeFile(
      fileOf('a_caller'),
      'CREATE OR REPLACE FUNCTION a_caller() RETURNS int LANGUAGE sql AS $$ SELECT one() + 1 $$;',
    );
    await writeFile(fileOf('one'), one('SELECT n FROM numbers'));

    await apply();
    expect(await answerOf('a_caller()')).toBe(2);
  });

  it('is replaced in place when its file changes, also under another owner, and unchanged otherwise', async () => {
    await writeFile(fileOf('one'), one('SELECT 1', DEFINERS));
    await apply();
    const [before] = await functions();
    expect(before).toMatchObject({ owner: 'gatehouse_definer', callers: 'gatehouse_app' });

    await client.query('CREATE OR REPLACE FUNCTION one() RETURNS int LANGUAGE sql AS $$ SELECT 7 $$');
    await apply();
    expect(await answerOf('one()')).toBe(7);

    await writeFile(fileOf('one'), one('SELECT 2', DEFINERS));
    await apply();
    expect(await answerOf('one()')).toBe(2);
    expect(await functions()).toEqual([before]);
  });

  it('loses the rights that its file no longer grants', async () => {
    await writeFile(fileOf('one'), one('SELECT 1', DEFINERS));
    await apply();
    await writeFile(fileOf('one'), one('SELECT 1', DEFINERS.replace(/GRANT.*\n/, '')));
    await apply();

    expect(await functions()).toMatchObject([{ owner: 'gatehouse_definer', callers: null }]);
  });

  it.each([
    ['other parameters', 'one(n int) RETURNS int', 'one(integer)'],
    ['another result', 'one() RETURNS text', 'one()'],
  ])('replaces its predecessor when it has %s', async (_what, head, signature) => {
    await writeFile(fileOf('one'), one('SELECT 1', DEFINERS));
    await apply();
    const [before] = await functions();
    await writeFile(
      fileOf('one'),
      one('SELECT NULL', DEFINERS).replace('one() RETURNS int', head).replace('SELECT NULL', 'SELECT NULL::int'),
    );
    if (head.endsWith('text'))
      await writeFile(fileOf('one'), one("SELECT ''", DEFINERS).replace('RETURNS int', 'RETURNS text'));
    await apply();

    const after = await functions();
    expect(after.map((row) => row.signature)).toEqual([signature]);
    expect(after[0]!.oid).not.toBe(before!.oid);
  });

  it('is dropped when its file is removed, and created again when a migration dropped it', async () => {
    await writeFile(fileOf('one'), one('SELECT 1', DEFINERS));
    await writeFile(fileOf('two'), one('SELECT 2').replaceAll('one', 'two'));
    await apply();
    await rm(fileOf('one'));
    await writeMigration('20260101000000_first', 'DROP FUNCTION two();');
    await apply();

    expect(await signatures()).toEqual(['two()']);
  });

  it('leaves the schema closed to the role that owns it', async () => {
    await writeFile(fileOf('one'), one('SELECT 1', DEFINERS));
    await apply();
    expect(await answerOf("has_schema_privilege('gatehouse_definer', 'public', 'CREATE')")).toBe(false);
  });

  it('is replaced although a policy names it', async () => {
    await writeMigration(
      '20260101000000_first',
      `CREATE FUNCTION one() RETURNS int LANGUAGE sql AS $$ SELECT NULL::int $$;
       CREATE TABLE numbers (n int);
       CREATE POLICY only_one ON numbers USING (n = one());`,
    );
    await writeFile(fileOf('one'), one('SELECT 1', DEFINERS));
    await apply();
    expect(await answerOf('one()')).toBe(1);

    await writeFile(fileOf('one'), one('SELECT 1', DEFINERS).replace('one()', 'one(n int)'));
    expect(await refusal()).toMatch(
      /^The function one\(\) cannot be dropped \(.*policy only_one on table numbers depends on function one\(\)\): remove what depends on it by a migration; nothing was applied\.$/,
    );
  });
});

describe("a trigger's function", () => {
  const TRIGGER = `CREATE OR REPLACE FUNCTION one() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN NEW.n := 1; RETURN NEW; END $$;
    CREATE TRIGGER set_one BEFORE INSERT ON numbers FOR EACH ROW EXECUTE FUNCTION one();
    ${DEFINERS}`;

  it('is created and dropped with its trigger, and changes with it', async () => {
    await writeMigration('20260101000000_first', 'CREATE TABLE numbers (n int);');
    await writeFile(fileOf('one'), TRIGGER);
    await apply();
    await writeFile(fileOf('one'), TRIGGER.replace(':= 1', ':= 2').replace('BEFORE INSERT', 'BEFORE INSERT OR UPDATE'));
    await apply();
    const { rows } = await client.query('INSERT INTO numbers VALUES (0) RETURNING n');
    expect(rows).toEqual([{ n: 2 }]);

    await rm(fileOf('one'));
    await apply();
    expect(await answerOf('(SELECT count(*)::int FROM pg_trigger WHERE NOT tgisinternal)')).toBe(0);
    expect(await signatures()).toEqual([]);
  });
});

describe("a file of functions that can't be applied", () => {
  it('undoes the migrations that came with it, and names itself and the place', async () => {
    await writeMigration('20260101000000_first', 'CREATE TABLE numbers (n int);');
    await writeFile(fileOf('one'), `-- A comment.\n${one('SELECT n FROM nowhere')}`);

    expect(await refusal()).toBe(
      'The function one failed (relation "nowhere" does not exist, line 2): nothing was applied; correct its file and start again.',
    );
    expect(await answerOf("to_regclass('numbers')")).toBeNull();
    await writeFile(fileOf('one'), one('SELECT 1'));
    await apply();
    expect(await answerOf("to_regclass('numbers')::text")).toBe('numbers');
  });

  it('is refused when it creates another function than its name says', async () => {
    await writeFile(fileOf('two'), one('SELECT 1'));
    expect(await refusal()).toMatch(
      /^The file two\.sql made 0 functions named two in public: it must create that one; /,
    );
    expect(await signatures()).toEqual([]);
  });

  it('is refused when its calls form a circle, naming the circle', async () => {
    await writeFile(fileOf('one'), one('SELECT two()'));
    await writeFile(fileOf('two'), one('SELECT one()').replaceAll(/FUNCTION one/g, 'FUNCTION two'));
    expect(await refusal()).toBe('These functions call each other in a circle: one, two, one; take one call out.');
  });

  it('is refused when the folder of functions does not exist, and drops none', async () => {
    await writeFile(fileOf('one'), one('SELECT 1'));
    await apply();
    await rm(path.join(directory, 'functions'), { recursive: true });
    expect(await refusal()).toMatch(/^The folder of functions, .*, cannot be read\.$/);
    expect(await signatures()).toEqual(['one()']);
  });
});
