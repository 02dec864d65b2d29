import type pg from 'pg';
import { connect } from './migration-session.js';
import { rolesOf } from './roles.js';

/**
 * Reads across tenants, for an operator at the command line: as the role that functions across tenants have, which the
 * database's owner alone can become. The service never does.
 *
 * @throws MigrationError where the database can't be reached
 */
export async function readAcrossTenants<Row extends pg.QueryResultRow>(
  ownerUrl: string,
  prefix: string,
  text: string,
  values: readonly unknown[],
): Promise<Row[]> {
  const client = await connect(ownerUrl);
  try {
    await client.query('BEGIN READ ONLY');
    await client.query(`SET LOCAL ROLE ${client.escapeIdentifier(rolesOf(prefix)[1])}`);
    return (await client.query<Row>(text, [...values])).rows;
  } finally {
    await client.end().catch(() => undefined);
  }
}
