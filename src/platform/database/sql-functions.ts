/**
 * The database's functions: each is defined in one file, `<name>.sql`, with its owner, its rights, its settings and, where
 * it is a trigger's, the trigger. A change of a file is a change of the function: the files that differ from what is
 * recorded are applied after the migrations, in their transaction, and functions without a file are dropped.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import type pg from 'pg';
import { DEFAULT_PREFIX, rolesOf, withRoles } from './roles.js';
import { MigrationError, placeOf, reasonOf } from './migration.error.js';

export interface SqlFunction {
  readonly name: string;
  readonly sql: string;
  /** Lower-case hex SHA-256 of the file. */
  readonly checksum: string;
}

export interface FunctionChanges {
  /** In the order in which they are applied: a function after those that it calls. */
  readonly changed: readonly SqlFunction[];
  /** Names whose files are gone. */
  readonly gone: readonly string[];
}

/** Another signature or result: the function can't be replaced in place. */
const SIGNATURE_CHANGED = new Set(['42P13', '42725']);

/** Sorted so that a function comes after those that it calls. */
export async function readFunctions(directory: string, prefix = DEFAULT_PREFIX): Promise<SqlFunction[]> {
  const entries = await fs.readdir(directory).catch((error: unknown) => {
    throw new MigrationError(`The folder of functions, ${directory}, cannot be read.`, { cause: error });
  });
  const files = entries.filter((entry) => entry.endsWith('.sql')).sort();
  const functions = await Promise.all(
    files.map(async (file) => {
      const sql = await fs.readFile(path.join(directory, file), 'utf8');
      const checksum = createHash('sha256').update(sql).digest('hex');
      return { name: path.basename(file, '.sql'), sql: withRoles(sql, prefix), checksum };
    }),
  );
  return inOrder(functions);
}

function inOrder(functions: readonly SqlFunction[]): SqlFunction[] {
  const byName = new Map(functions.map((each) => [each.name, each]));
  const ordered = new Set<SqlFunction>();
  const visit = (each: SqlFunction, callers: readonly string[]): void => {
    if (ordered.has(each)) return;
    if (callers.includes(each.name)) {
      const circle = [...callers.slice(callers.indexOf(each.name)), each.name].join(', ');
      throw new MigrationError(`These functions call each other in a circle: ${circle}; take one call out.`);
    }
    for (const name of calledBy(each)) {
      const called = byName.get(name);
      if (called !== undefined && called !== each) visit(called, [...callers, each.name]);
    }
    ordered.add(each);
  };
  for (const each of functions) visit(each, []);
  return [...ordered];
}

/** Every word before a parenthesis, comments aside: more than what is called, which does no harm. */
function calledBy({ sql }: SqlFunction): string[] {
  const text = sql.replaceAll(/--.*$/gm, '');
  return [...text.matchAll(/\b(\w+)\s*\(/g)].map(([, name = '']) => name);
}

/** Compares the files with the records of `schema`, and with the functions that exist there. */
export async function findFunctionChanges(
  client: pg.Client,
  schema: string,
  functions: readonly SqlFunction[],
): Promise<FunctionChanges> {
  const there = await client.query('SELECT WHERE to_regclass($1) IS NOT NULL', [recordsIn(schema)]);
  const { rows } = there.rowCount
    ? await client.query<{ name: string; checksum: string; exists: boolean }>(
        `SELECT name, checksum,
                EXISTS (SELECT FROM pg_proc WHERE proname = name AND pronamespace = $1::regnamespace) AS exists
         FROM ${recordsIn(schema)} ORDER BY name`,
        [schema],
      )
    : { rows: [] };
  const checksums = new Map(rows.filter(({ exists }) => exists).map(({ name, checksum }) => [name, checksum]));
  const names = new Set(functions.map(({ name }) => name));
  return {
    changed: functions.filter(({ name, checksum }) => checksums.get(name) !== checksum),
    gone: rows.map(({ name }) => name).filter((name) => !names.has(name)),
  };
}

/** Inside the caller's transaction. */
export async function applyFunctions(
  client: pg.Client,
  schema: string,
  prefix: string,
  changes: FunctionChanges,
): Promise<void> {
  const { changed, gone } = changes;
  if (changed.length === 0 && gone.length === 0) return;
  const records = recordsIn(schema);
  await client.query(`CREATE TABLE IF NOT EXISTS ${records} (
    name       text        PRIMARY KEY,
    checksum   varchar(64) NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
  )`);
  // Some files hand their function to this role, which needs CREATE on the schema for that moment.
  const [, definer] = rolesOf(prefix);
  await client.query(`GRANT CREATE ON SCHEMA ${schema} TO ${definer}`);
  for (const name of gone) {
    for (const existing of await find(client, schema, name)) await drop(client, existing);
    await client.query(`DELETE FROM ${records} WHERE name = $1`, [name]);
  }
  for (const each of changed) {
    try {
      await apply(client, schema, each);
    } catch (error) {
      if (error instanceof MigrationError) throw error;
      throw new MigrationError(
        `The function ${each.name} failed (${reasonOf(error)}${placeOf(error, each.sql)}): nothing was applied; correct its file and start again.`,
        { cause: error },
      );
    }
    await client.query(
      `INSERT INTO ${records} (name, checksum) VALUES ($1, $2)
       ON CONFLICT (name) DO UPDATE SET checksum = excluded.checksum, applied_at = excluded.applied_at`,
      [each.name, each.checksum],
    );
  }
  await client.query(`REVOKE CREATE ON SCHEMA ${schema} FROM ${definer}`);
}

interface ExistingFunction {
  readonly signature: string;
  readonly owner: string;
  readonly is_trigger: boolean;
  /** Roles other than the owner that may call it. */
  readonly callers: readonly string[];
  readonly triggers: readonly { readonly name: string; readonly table: string }[];
}

async function find(client: pg.Client, schema: string, name: string): Promise<ExistingFunction[]> {
  const { rows } = await client.query<ExistingFunction>(
    `SELECT p.oid::regprocedure::text AS signature, quote_ident(pg_get_userbyid(p.proowner)) AS owner,
            p.prorettype = 'trigger'::regtype AS is_trigger,
            ARRAY(SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END
                  FROM aclexplode(p.proacl) a WHERE a.grantee <> p.proowner) AS callers,
            coalesce((SELECT jsonb_agg(jsonb_build_object('name', quote_ident(t.tgname), 'table', t.tgrelid::regclass::text))
                      FROM pg_trigger t WHERE t.tgfoid = p.oid AND NOT t.tgisinternal AND t.tgparentid = 0), '[]') AS triggers
     FROM pg_proc p WHERE p.proname = $1 AND p.pronamespace = $2::regnamespace`,
    [name, schema],
  );
  return rows;
}

/**
 * Replaces a function in place where its signature allows it: policies may name it, and other sessions may be calling it.
 * A trigger's function is made anew together with the trigger, which its file creates.
 */
async function apply(client: pg.Client, schema: string, each: SqlFunction): Promise<void> {
  const existing = await find(client, schema, each.name);
  const [only] = existing;
  if (only === undefined || existing.length > 1 || only.is_trigger || !(await replaced(client, only, each))) {
    for (const one of existing) await drop(client, one);
    await client.query(each.sql);
  }
  await client.query('RESET ROLE');
  const { length } = await find(client, schema, each.name);
  if (length !== 1) {
    throw new MigrationError(
      `The file ${each.name}.sql made ${length} functions named ${each.name} in ${schema}: it must create that one; nothing was applied.`,
    );
  }
}

/** False, and everything as before: it has another signature now. */
async function replaced(client: pg.Client, existing: ExistingFunction, { sql }: SqlFunction): Promise<boolean> {
  const { signature, owner, callers } = existing;
  await client.query(`SAVEPOINT replacing; SET LOCAL ROLE ${owner}`);
  try {
    // The file names every role that may call it; rights that it does not name any more end here.
    if (callers.length > 0) await client.query(`REVOKE ALL ON FUNCTION ${signature} FROM ${callers.join(', ')}`);
    await client.query(sql);
    await client.query('RELEASE SAVEPOINT replacing');
    return true;
  } catch (error) {
    if (!SIGNATURE_CHANGED.has((error as { code?: string }).code ?? '')) throw error;
    await client.query('ROLLBACK TO SAVEPOINT replacing; RELEASE SAVEPOINT replacing');
    return false;
  }
}

/** Only its owner may drop a function, and only a table's owner its triggers. */
async function drop(client: pg.Client, { signature, owner, triggers }: ExistingFunction): Promise<void> {
  for (const { name, table } of triggers) await client.query(`DROP TRIGGER ${name} ON ${table}`);
  await client.query(`SET LOCAL ROLE ${owner}`);
  await client.query(`DROP FUNCTION ${signature}`).catch((error: unknown) => {
    const { detail } = error as { detail?: string };
    throw new MigrationError(
      `The function ${signature} cannot be dropped (${reasonOf(error)}${detail ? `: ${reasonOf(new Error(detail))}` : ''}): remove what depends on it by a migration; nothing was applied.`,
      { cause: error },
    );
  });
  await client.query('RESET ROLE');
}

function recordsIn(schema: string): string {
  return `${schema}._gatehouse_functions`;
}
