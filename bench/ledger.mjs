// The service's database as its superuser sees it: what the ledger holds, and how it commits.
import pg from 'pg';

/** @typedef {import('./service.mjs').Cluster} Cluster */

/**
 * @template T
 * @param {string} url
 * @param {(client: pg.Client) => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withClient(url, work) {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/**
 * @typedef {object} LedgerCount
 * @property {number} rows calls, without corrections
 * @property {number} open reserved, not yet settled
 * @property {number} swept settled by the sweeper instead of the process that served them
 * @property {number} corrections
 * @property {number} estimated settled with tokens that the provider did not state
 * @property {number} inputTokens
 * @property {number} outputTokens
 * @property {Record<string, number>} outcomes
 */

/**
 * @param {Cluster} cluster
 * @returns {Promise<LedgerCount>}
 */
export function countLedger(cluster) {
  return withClient(cluster.inspectorUrl, async (client) => {
    const { rows } = await client.query(
      `SELECT kind, state, coalesce(outcome, '-') AS outcome, count(*)::int AS rows,
              count(*) FILTER (WHERE estimated)::int AS estimated,
              sum(input_tokens)::float8 AS input, sum(output_tokens)::float8 AS output
       FROM usage_records GROUP BY kind, state, outcome`,
    );
    /** @type {LedgerCount} */
    const count = {
      rows: 0,
      open: 0,
      swept: 0,
      corrections: 0,
      estimated: 0,
      inputTokens: 0,
      outputTokens: 0,
      outcomes: {},
    };
    for (const row of rows) {
      count.inputTokens += row.input;
      count.outputTokens += row.output;
      if (row.kind !== 'CALL') {
        count.corrections += row.rows;
        continue;
      }
      count.rows += row.rows;
      count.estimated += row.estimated;
      if (row.state === 'RESERVED') count.open += row.rows;
      if (row.state === 'SWEPT') count.swept += row.rows;
      const name = `${row.state} ${row.outcome}`;
      count.outcomes[name] = (count.outcomes[name] ?? 0) + row.rows;
    }
    return count;
  });
}

/**
 * What the service's database does for a commit, for sessions opened from now on.
 * @param {Cluster} cluster
 * @param {'on' | 'off'} value
 */
export function setSynchronousCommit(cluster, value) {
  return withClient(cluster.inspectorUrl, async (client) => {
    const { rows } = await client.query('SELECT quote_ident(current_database()) AS name');
    const change = value === 'on' ? 'RESET synchronous_commit' : 'SET synchronous_commit = off';
    await client.query(`ALTER DATABASE ${rows[0].name} ${change}`);
  });
}
