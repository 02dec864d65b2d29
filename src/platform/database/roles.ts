/** The two roles that isolation is drawn by. They belong to the cluster: each Gatehouse in one has its own. */
import type pg from 'pg';
import { MigrationError } from './migration.error.js';

/** What the sources call them by: `gatehouse_app`, `gatehouse_definer`. */
export const DEFAULT_PREFIX = 'gatehouse';

const ROLE = /\bgatehouse_(app|definer)\b/g;

/** The statement with this installation's roles in place of those that the sources name. */
export function withRoles(sql: string, prefix: string): string {
  return prefix === DEFAULT_PREFIX ? sql : sql.replaceAll(ROLE, `${prefix}_$1`);
}

/** The opposite of `withRoles`. */
export function withoutRoles(text: string, prefix: string): string {
  if (prefix === DEFAULT_PREFIX) return text;
  return text.replaceAll(new RegExp(`\\b${prefix}_(app|definer)\\b`, 'g'), 'gatehouse_$1');
}

export const rolesOf = (prefix: string): readonly [app: string, definer: string] => [
  `${prefix}_app`,
  `${prefix}_definer`,
];

const MAY_BE = `
  SELECT r.rolname AS name,
         CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN pg_has_role(current_user, r.oid, 'SET')
              ELSE pg_has_role(current_user, r.oid, 'MEMBER') END AS "mayBe"
  FROM pg_roles r WHERE r.rolname = ANY ($1)`;

const REFUSED = '42501';
/** Another process, or another Gatehouse, made it at this moment. */
const THERE = new Set(['42710', '23505']);

/**
 * Makes what is missing of the two roles, and lets the owner become both. An owner who may not create roles finds them made.
 *
 * @throws MigrationError with the statements that an administrator has to run
 */
export async function ensureRoles(client: pg.Client, prefix: string): Promise<void> {
  const roles = rolesOf(prefix);
  const { rows: users } = await client.query<{ user: string; version: number }>(
    `SELECT quote_ident(current_user) AS user, current_setting('server_version_num')::integer AS version`,
  );
  const { user = '', version = 0 } = users[0] ?? {};
  const grant = `GRANT ${roles.join(', ')} TO ${user}${version >= 160_000 ? ' WITH INHERIT FALSE, SET TRUE' : ''};`;
  const { rows } = await client.query<{ name: string; mayBe: boolean }>(MAY_BE, [roles]);
  const missing = roles.filter((role) => !rows.some(({ name }) => name === role));
  if (missing.length === 0 && rows.every(({ mayBe }) => mayBe)) return;

  const create = missing.map((role) => `CREATE ROLE ${role} NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;`);
  for (const statement of create) {
    await client.query(statement).catch((error: unknown) => {
      const { code } = error as { code?: string };
      if (THERE.has(code ?? '')) return;
      if (code !== REFUSED) throw error;
      throw new MigrationError(
        `The database roles ${missing.join(' and ')} are missing, and the user ${user} may not create roles: have an administrator run \`${create.join(' ')} ${grant}\`, then start again.`,
        { cause: error },
      );
    });
  }
  await client.query(grant).catch((error: unknown) => {
    if ((error as { code?: string }).code !== REFUSED) throw error;
    throw new MigrationError(
      `The user ${user} may not act as the database roles ${roles.join(' and ')}, which somebody else made in this cluster: set DATABASE_ROLE_PREFIX to a name that is this installation's own. Where an administrator made them for this one, have \`${grant}\` run.`,
      { cause: error },
    );
  });
}

/** The first migration makes the roles itself, and fails where its user may not: `ensureRoles` has been there before it. */
const ROLES_OF_FIRST_MIGRATION = /^DO \$\$\nBEGIN\n {2}BEGIN\n {4}CREATE ROLE gatehouse_app [\s\S]*?^\$\$;$/m;

export const withoutMakingRoles = (sql: string): string => sql.replace(ROLES_OF_FIRST_MIGRATION, '');
