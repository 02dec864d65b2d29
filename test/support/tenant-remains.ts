/** The data of a tenant that a database still holds, in any table of its catalogue. */
import type pg from 'pg';
import { onDatabase } from './sql.js';

/** The tables of applied migrations and functions, which belong to no tenant. */
const BOOKS = ['_prisma_migrations', '_gatehouse_functions'];

/** Rows by table; a table without any is left out. */
export type Remains = Readonly<Record<string, readonly Readonly<Record<string, unknown>>[]>>;

/** Every row, of every table, with any of these texts in any column. */
export function rowsWith(superuserUrl: string, texts: readonly string[]): Promise<Remains> {
  return onDatabase(superuserUrl, async (client) => {
    const remains: Record<string, Readonly<Record<string, unknown>>[]> = {};
    for (const table of await tables(client)) {
      const { rows } = await client.query<{ row: Record<string, unknown> }>(
        `SELECT to_jsonb(t) AS row FROM public.${client.escapeIdentifier(table)} t
         WHERE EXISTS (SELECT 1 FROM unnest($1::text[]) AS texts (text) WHERE position(text IN t::text) > 0)`,
        [texts],
      );
      if (rows.length > 0) remains[table] = rows.map(({ row }) => row);
    }
    return remains;
  });
}

/** The tables that name a tenant in a column of their own. */
export function tenantTables(superuserUrl: string): Promise<string[]> {
  return onDatabase(superuserUrl, async (client) => {
    const { rows } = await client.query<{ name: string }>(
      `SELECT c.relname AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
       WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND a.attname = 'tenant_id'
         AND NOT a.attisdropped AND NOT c.relispartition ORDER BY 1`,
    );
    return rows.map(({ name }) => name);
  });
}

async function tables(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
       AND NOT relispartition AND relname <> ALL ($1) ORDER BY 1`,
    [BOOKS],
  );
  return rows.map(({ name }) => name);
}
