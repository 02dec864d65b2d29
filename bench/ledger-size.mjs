// Two services alike, one over a short ledger and one over a long one.
import { withClient } from './ledger.mjs';

export const SHORT_ROWS = 10_000;
export const LONG_ROWS = 10_000_000;
const HUMANS = 10_000;
/** Rows of one COPY, so that its file stays small. */
const PIECE_ROWS = 1_000_000;

/**
 * Three months of settled calls of one tenant by many humans; ids are UUIDs of version 7, in order, as the service
 * makes them.
 */
const ROWS = `
  SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(md5(n::text), 1, 3)
          || '8' || substr(md5(n::text), 4, 15))::uuid AS id,
         '%tenant%' AS tenant_id, 'CALL' AS kind, 'key_bench' AS key_id, 'hum_' || (n % ${HUMANS}) AS human_id,
         'req_' || n AS request_id, 'openai' AS provider, 'gpt-4o-mini' AS model, false AS streamed, 'SETTLED' AS state,
         'OK' AS outcome, 200 AS status_code, 500::bigint AS reserved_input_tokens, 256::bigint AS reserved_output_tokens, 63::bigint AS input_tokens,
         48::bigint AS output_tokens, 1::smallint AS requests, 38250000::bigint AS cost_pico_usd, 200 AS latency_ms,
         '00000000-0000-7000-8000-000000000000'::uuid AS lease_id, at AS created_at, at AS settled_at
  FROM (SELECT n, now() - interval '90 days' + n * (interval '90 days' / %rows%) AS at
        FROM generate_series(%from%, %to%) AS n) AS call`;
const COLUMNS = `id, tenant_id, kind, key_id, human_id, request_id, provider, model, streamed, state, outcome, status_code,
  reserved_input_tokens, reserved_output_tokens, input_tokens, output_tokens, requests, cost_pico_usd, latency_ms, lease_id,
  created_at, settled_at`;

/**
 * @param {import('./service.mjs').Cluster} cluster
 * @param {string} tenantId
 * @param {number} rows
 * @param {(text: string) => void} say
 */
export async function fillLedger(cluster, tenantId, rows, say) {
  // By the owner: a start of the service refuses partitions of another role.
  await withClient(cluster.ownerUrl, (client) =>
    client.query("SELECT add_usage_partition(now() - n * interval '30 days') FROM generate_series(0, 3) AS n"),
  );
  return withClient(cluster.inspectorUrl, async (client) => {
    const { rows: where } = await client.query("SELECT current_setting('data_directory') AS directory");
    const file = `${where[0].directory}/bench-ledger.copy`;
    for (let from = 1; from <= rows; from += PIECE_ROWS) {
      const to = Math.min(rows, from + PIECE_ROWS - 1);
      const piece = ROWS.replace('%tenant%', tenantId)
        .replace('%rows%', String(rows))
        .replace('%from%', String(from))
        .replace('%to%', String(to));
      await client.query(`COPY (${piece}) TO '${file}' (FORMAT binary)`);
      await client.query(`COPY usage_records (${COLUMNS}) FROM '${file}' (FORMAT binary)`);
      if (rows > PIECE_ROWS) say(`ledger: ${to} rows`);
    }
    // The file can't be removed from here. Emptied, it takes no room until the cluster is removed.
    await client.query(`COPY (SELECT) TO '${file}'`);
    await client.query('VACUUM (ANALYZE) usage_records');
    await client.query('CHECKPOINT');
  });
}
