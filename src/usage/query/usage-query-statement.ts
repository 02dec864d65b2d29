import type { Group } from './usage-query.dto.js';

/**
 * The sums of a time of the ledger, by group, in a fixed order: the latest hour or day first. A group that is not asked for
 * is the same for all rows, so that the order, and where a page begins, are the same four columns whatever is asked.
 *
 * $1 tenant, $2 from, $3 before, $4 human's id, $5 key, $6 model (null: any), $7 to $10 the last group of the page before
 */
function groupsStatement(groupBy: readonly Group[]): string {
  const has = (group: Group): boolean => groupBy.includes(group);
  const bucket = has('HOUR') ? "date_bin('1 hour', l.created_at, 'epoch')" : "date_bin('1 day', l.created_at, 'epoch')";
  return `
    lines AS (
      SELECT r.created_at, r.model, r.key_id, r.human_id, r.requests, r.input_tokens, r.output_tokens, r.cost_pico_usd,
             CASE WHEN r.cost_pico_usd IS NULL THEN r.requests END AS unpriced,
             NULL::bigint AS conversational, NULL::bigint AS voice, NULL::bigint AS memory
      FROM usage_records r
      WHERE r.tenant_id = $1 AND r.created_at >= $2::timestamptz AND r.created_at < $3::timestamptz
        AND r.state <> 'RESERVED'
        AND ($4::text IS NULL OR r.human_id = $4) AND ($5::text IS NULL OR r.key_id = $5)
        AND ($6::text IS NULL OR r.model = $6)
      UNION ALL
      SELECT u.created_at, NULL, u.key_id, u.human_id, NULL, NULL, NULL, NULL, NULL,
             CASE WHEN u.type = 'conversational_seconds' THEN u.micro_units END,
             CASE WHEN u.type = 'voice_synthesis_seconds' THEN u.micro_units END,
             CASE WHEN u.type = 'memory_message_cnt' THEN u.micro_units END
      FROM usage_reports u
      WHERE u.tenant_id = $1 AND u.created_at >= $2::timestamptz AND u.created_at < $3::timestamptz
        AND ($4::text IS NULL OR u.human_id = $4) AND ($5::text IS NULL OR u.key_id = $5) AND $6::text IS NULL
    ), groups AS MATERIALIZED (
      SELECT ${has('HOUR') || has('DAY') ? bucket : "'epoch'::timestamptz"} AS bucket,
             ${has('MODEL') ? "coalesce(l.model, '')" : "''"} COLLATE "C" AS model,
             ${has('KEY') ? "coalesce(l.key_id, '')" : "''"} COLLATE "C" AS key_id,
             ${has('HUMAN') ? "coalesce(l.human_id, '')" : "''"} COLLATE "C" AS human_id,
             ${SUMS.map(([name, column]) => `coalesce(sum(l.${column}), 0) AS ${name}`).join(', ')}
      FROM lines l GROUP BY 1, 2, 3, 4
    ), rest AS (
      SELECT g.* FROM groups g
      WHERE g.bucket < $7::timestamptz
         OR g.bucket = $7::timestamptz AND (g.model, g.key_id, g.human_id) > ($8, $9, $10)
    )`;
}

/** What is summed, by the columns of the answer. */
const SUMS = [
  ['requests', 'requests'],
  ['input_tokens', 'input_tokens'],
  ['output_tokens', 'output_tokens'],
  ['cost', 'cost_pico_usd'],
  ['unpriced', 'unpriced'],
  ['conversational', 'conversational'],
  ['voice', 'voice'],
  ['memory', 'memory'],
] as const;

const ORDER = 'bucket DESC, model, key_id, human_id';
const sumsOf = (alias: string): string => SUMS.map(([name]) => `${alias}.${name}::text`).join(', ');

/** A page, $11 rows of it, each beside the totals; where the page is empty, one row that has the totals alone. */
export function pageStatement(groupBy: readonly Group[]): string {
  return `WITH ${groupsStatement(groupBy)}, page AS (SELECT * FROM rest ORDER BY ${ORDER} LIMIT $11::integer),
    totals AS (SELECT ${SUMS.map(([name]) => `coalesce(sum(g.${name}), 0) AS ${name}`).join(', ')} FROM groups g)
    SELECT p.bucket, p.model, p.key_id, p.human_id, h.human, ${sumsOf('p')},
           ${SUMS.map(([name]) => `t.${name}::text AS total_${name}`).join(', ')}
    FROM totals t LEFT JOIN page p ON true LEFT JOIN humans h ON h.tenant_id = $1 AND h.id = p.human_id
    ORDER BY p.bucket DESC, p.model, p.key_id, p.human_id`;
}

/** All rows, to be fetched a few at a time. */
export function cursorStatement(groupBy: readonly Group[]): string {
  return `DECLARE usage_rows NO SCROLL CURSOR FOR WITH ${groupsStatement(groupBy)}
    SELECT p.bucket, p.model, p.key_id, p.human_id, h.human, ${sumsOf('p')}
    FROM rest p LEFT JOIN humans h ON h.tenant_id = $1 AND h.id = p.human_id
    ORDER BY ${ORDER}`;
}
