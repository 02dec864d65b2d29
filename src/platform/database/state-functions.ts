import type { QueueState, VersionCount } from '../metrics/index.js';
import type { Database, NamedStatement } from './database.js';

/** Asks a function of the database for the state of a queue, of all tenants together: `<name>_queue_state`. */
export async function queueState(
  database: Database,
  name: string,
  values: readonly number[] = [],
): Promise<QueueState> {
  const [row] = await database.callAside<{ depth: number; oldest_seconds: number }>(
    statementOf(`${name}_queue_state`, values.length),
    values,
  );
  return { depth: row?.depth ?? 0, oldestSeconds: row?.oldest_seconds ?? 0 };
}

/** Asks a function of the database how many stored secrets need each version of an operator's secret: `<name>_versions`. */
export async function versionCounts(database: Database, name: string): Promise<readonly VersionCount[]> {
  const rows = await database.callAside<{ version: number; secrets: number }>(statementOf(`${name}_versions`), []);
  return rows.map(({ version, secrets }) => [version, secrets]);
}

function statementOf(name: string, count = 0): NamedStatement {
  const places = Array.from({ length: count }, (_, index) => `$${index + 1}`);
  return { name, text: `SELECT * FROM ${name}(${places.join(', ')})` };
}
