/**
 * What keeps tenants apart, as the database's catalogue has it: row-level security, policies, rights, functions, triggers and
 * roles, one line for each. `prisma/isolation.txt` holds the lines of this build. A database that was restored without its
 * roles, or changed by hand, has others, and is refused.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import type pg from 'pg';
import { MigrationError } from './migration.error.js';
import { addressOf, connect } from './migration-session.js';
import { rolesOf, withoutRoles } from './roles.js';

/** Of how many differences a refusal tells. */
const TOLD = 12;

export const isolationFile = (directory: string): string => path.join(directory, 'isolation.txt');

/** $1: the app, $2: the definer. A line begins with what it is about, up to the first ": ". */
const LINES = `
  WITH owner AS (SELECT relowner AS oid FROM pg_class WHERE oid = to_regclass('tenants')),
  relations AS (
    SELECT c.oid, c.relacl, c.relowner, c.relrowsecurity, c.relforcerowsecurity, c.relispartition,
           -- A retired month of the ledger is held to what holds for a partition.
           coalesce((SELECT 'partition of ' || regexp_replace(i.inhparent::regclass::text, '_retired$', '')
                     FROM pg_inherits i WHERE i.inhrelid = c.oid LIMIT 1), 'table ' || c.relname) AS name
    FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
      AND c.relname NOT IN ('_prisma_migrations', '_gatehouse_functions')
  ),
  grants AS (
    SELECT name AS object, a.grantee, a.privilege_type FROM relations, aclexplode(relacl) a
    UNION ALL
    SELECT r.name || ' column ' || t.attname, a.grantee, a.privilege_type
    FROM relations r JOIN pg_attribute t ON t.attrelid = r.oid, aclexplode(t.attacl) a
    UNION ALL
    SELECT 'schema', a.grantee, a.privilege_type
    FROM pg_namespace n, aclexplode(n.nspacl) a WHERE n.nspname = current_schema() AND a.grantee <> 0
  )
  SELECT name || ': row-level security ' || CASE WHEN relrowsecurity THEN 'on' ELSE 'off' END
         || CASE WHEN relforcerowsecurity THEN ', forced' ELSE ', not forced' END
         || ', owner ' || CASE WHEN relowner = owner.oid THEN 'the owner' ELSE pg_get_userbyid(relowner) END AS line
  FROM relations, owner
  UNION
  SELECT r.name || ': policy ' || p.polname || CASE WHEN p.polpermissive THEN '' ELSE ' (restrictive)' END
         || ', command ' || p.polcmd::text || ', for '
         || (SELECT string_agg(CASE u WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(u) END, ', ' ORDER BY u) FROM unnest(p.polroles) u)
         || ', using ' || coalesce(pg_get_expr(p.polqual, p.polrelid), 'nothing')
         || ', check ' || coalesce(pg_get_expr(p.polwithcheck, p.polrelid), 'nothing')
  FROM pg_policy p JOIN relations r ON r.oid = p.polrelid
  UNION
  SELECT object || ': ' || CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(grantee) END || ' may '
         || string_agg(privilege_type, ', ' ORDER BY privilege_type)
  FROM grants WHERE grantee = 0 OR pg_get_userbyid(grantee) IN ($1, $2) GROUP BY object, grantee
  UNION
  SELECT 'function ' || p.proname || ': (' || pg_get_function_identity_arguments(p.oid) || ') returns '
         || pg_get_function_result(p.oid) || ', owner '
         || CASE WHEN p.proowner = owner.oid THEN 'the owner' ELSE pg_get_userbyid(p.proowner) END
         || CASE WHEN p.prosecdef THEN ', with its rights' ELSE '' END
         || ', settings ' || coalesce(array_to_string(p.proconfig, '; '), 'none') || ', called by '
         || coalesce((SELECT string_agg(CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(a.grantee) END, ', ' ORDER BY 1)
                      FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
                      WHERE a.grantee <> p.proowner AND (a.grantee = 0 OR pg_get_userbyid(a.grantee) IN ($1, $2))), 'none')
         || ', body ' || left(encode(sha256(convert_to(
              regexp_replace(p.prosrc, '\\m' || left($1, -4) || '_(app|definer)\\M', 'gatehouse_\\1', 'g'), 'UTF8')), 'hex'), 16)
  FROM pg_proc p, owner
  WHERE p.pronamespace = current_schema()::regnamespace AND p.prokind = 'f'
    AND (p.proowner = owner.oid OR pg_get_userbyid(p.proowner) = $2 OR p.proname = ANY ($3))
    -- An extension that the owner added.
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e')
  UNION
  SELECT r.name || ': trigger ' || t.tgname || CASE t.tgenabled WHEN 'O' THEN '' ELSE ' (not enabled)' END || ' calls '
         || p.proname
  FROM pg_trigger t JOIN relations r ON r.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid
  WHERE NOT t.tgisinternal AND t.tgparentid = 0
  UNION
  SELECT 'role ' || rolname || ': ' || CASE WHEN rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb
                                            THEN 'has rights that break isolation' ELSE 'no rights of its own' END
  FROM pg_roles WHERE rolname IN ($1, $2)`;

/** The lines of a database, sorted, in the sources' names of the roles. */
export async function readIsolation(
  client: pg.Client | pg.PoolClient,
  prefix: string,
  functions: readonly string[] = [],
): Promise<string[]> {
  const { rows } = await client.query<{ line: string }>(LINES, [...rolesOf(prefix), functions]);
  return rows.map(({ line }) => withoutRoles(line.replaceAll(/\s+/g, ' '), prefix)).sort();
}

/**
 * Holds the database against this build.
 * @param directory with `isolation.txt`
 * @returns each difference: `missing: …` or `unexpected: …`; an operator's additions outside Gatehouse's own are not
 * differences
 */
export async function findIsolationDifferences(
  client: pg.Client,
  directory: string,
  prefix: string,
): Promise<readonly string[]> {
  const file = isolationFile(directory);
  const text = await fs.readFile(file, 'utf8').catch((error: unknown) => {
    throw new MigrationError(`${file} cannot be read: restore it from this version of Gatehouse.`, { cause: error });
  });
  const expected = new Set(text.split('\n').filter((line) => line !== ''));
  const subjects = new Set([...expected].map(subjectOf));
  const names = [...subjects].map((subject) => /^function (.*)/.exec(subject)?.[1] ?? '').filter((name) => name !== '');
  const actual = new Set(await readIsolation(client, prefix, names));
  const isOurs = (line: string): boolean =>
    subjects.has(subjectOf(line)) || / column /.test(subjectOf(line)) || line.includes('owner gatehouse_definer');
  return [
    // A new database has no partition yet.
    ...[...expected]
      .filter((line) => !actual.has(line) && !line.startsWith('partition of '))
      .map((line) => `missing: ${line}`),
    ...[...actual].filter((line) => !expected.has(line) && isOurs(line)).map((line) => `unexpected: ${line}`),
  ];
}

/**
 * For a start of the service, after the migrations.
 *
 * @throws MigrationError that names what differs
 */
export async function assertIsolation(ownerUrl: string, directory: string, prefix: string): Promise<void> {
  const client = await connect(ownerUrl);
  try {
    const differences = await findIsolationDifferences(client, directory, prefix);
    if (differences.length === 0) return;
    throw new MigrationError(
      `${addressOf(client)} does not keep tenants apart as this version requires (${differences.length} differences), so the service does not start. ${REMEDY}\n${toldOf(differences)}`,
    );
  } finally {
    await client.end().catch(() => undefined);
  }
}

export const REMEDY =
  'Restore backups by `gatehouse restore`, which makes the roles first; undo what was changed by hand (docs/operations/backup.md).';

export function toldOf(differences: readonly string[]): string {
  const lines = differences.slice(0, TOLD).map((line) => `  ${line}`);
  const more = differences.length - lines.length;
  return [...lines, ...(more > 0 ? [`  … and ${more} more: \`gatehouse doctor --json\` lists all.`] : [])].join('\n');
}

function subjectOf(line: string): string {
  return line.slice(0, line.indexOf(': '));
}
