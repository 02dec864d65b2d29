// What limits cost: the same call by humans with limits and without, spread over many humans and all by one.
import { withClient } from './ledger.mjs';

const HUMANS = 1_000;

/** Limits that are on and never reached, in millionths of their units. */
const FAR = '9000000000000000';
const LIMITS = JSON.stringify(['request_cnt', 'token_cnt', 'cost_micros'].map((type) => ({ type, microUnits: FAR })));

/**
 * Who the calls of a turn are made for.
 * @typedef {object} Crowd
 * @property {string} id
 * @property {string} title
 * @property {number} connections
 * @property {Pick<import('./load-tool.mjs').LoadOrder, 'rotate'>} order
 * @property {Record<string, string>} headers
 */

const over = (/** @type {string} */ prefix) => ({ rotate: { header: 'x-human-id', prefix, count: HUMANS } });

/** @type {Crowd[]} */
export const CROWDS = [
  { id: 'nobody128', title: 'for no human, 128', connections: 128, order: {}, headers: {} },
  { id: 'free128', title: '1,000 humans without limits, 128', connections: 128, order: over('free-'), headers: {} },
  {
    id: 'limited128',
    title: '1,000 humans with three limits, 128',
    connections: 128,
    order: over('limited-'),
    headers: {},
  },
  { id: 'free32', title: '1,000 humans without limits, 32', connections: 32, order: over('free-'), headers: {} },
  {
    id: 'limited32',
    title: '1,000 humans with three limits, 32',
    connections: 32,
    order: over('limited-'),
    headers: {},
  },
  {
    id: 'one32',
    title: 'one human with three limits, 32',
    connections: 32,
    order: {},
    headers: { 'x-human-id': 'limited-0' },
  },
];

/**
 * Creates the humans of all crowds, so that no turn pays for their first call. Limits that are set stay as they are: setting
 * them again would restart their count.
 * @param {import('./service.mjs').Cluster} cluster
 * @param {string} tenantId
 */
export function prepareHumans(cluster, tenantId) {
  return withClient(cluster.inspectorUrl, async (client) => {
    await client.query(
      `SELECT add_humans(array_agg($1::text), array_agg(prefix || (number - 1)), array_agg(NULL::text))
       FROM unnest('{free-,limited-}'::text[]) AS prefix, generate_series(1, $2) AS number`,
      [tenantId, HUMANS],
    );
    await client.query("SELECT set_config('app.tenant_id', $1, false)", [tenantId]);
    await client.query(
      `SELECT count(set_limits(h.id, $1)) FROM humans h
       WHERE h.human LIKE 'limited-%' AND NOT EXISTS (SELECT FROM budgets b WHERE b.human_id = h.id)`,
      [LIMITS],
    );
  });
}

/** Each call is judged by six budgets: two periods each of the tenant, the key and the human. */
const PERIODS = ['DAY', 'MONTH'];
const BUDGETS = `
  INSERT INTO budgets (id, tenant_id, holder, type, period, amount, starts_at, ends_at)
  SELECT gen_random_uuid(), $1, holder, 'token_cnt', period, ${FAR}, start, period_end(period, 'UTC', start)
  FROM (SELECT 'tenant' AS holder UNION ALL SELECT 'key:' || id FROM api_keys WHERE tenant_id = $1
        UNION ALL SELECT 'human:' || id FROM humans WHERE tenant_id = $1 AND human LIKE 'free-%') AS holders,
       unnest($2::text[]) AS period, period_start(period, 'UTC', now()) AS start`;

/**
 * @param {import('./service.mjs').Cluster} cluster
 * @param {string} tenantId
 * @param {boolean} on true: creates the budgets; false: deletes them
 */
export function putBudgets(cluster, tenantId, on) {
  return withClient(cluster.inspectorUrl, async (client) => {
    await client.query('DELETE FROM budgets WHERE period = ANY ($1)', [PERIODS]);
    if (on) await client.query(BUDGETS, [tenantId, PERIODS]);
    await client.query('VACUUM ANALYZE budgets');
  });
}

/**
 * @param {import('./service.mjs').Cluster} cluster
 * @returns {Promise<import('./checks.mjs').Check>} whether what was taken of the limits is what the ledger holds
 */
export function checkCounters(cluster) {
  return withClient(cluster.inspectorUrl, async (client) => {
    const { rows } = await client.query(
      `SELECT count(DISTINCT b.human_id)::int AS humans,
              count(*) FILTER (WHERE b.used <> CASE b.type WHEN 'request_cnt' THEN u.requests * 1000000
                                                           WHEN 'token_cnt' THEN u.tokens * 1000000 ELSE u.cost END)::int AS wrong,
              count(*) FILTER (WHERE b.held <> 0)::int AS held,
              coalesce(sum(u.requests) FILTER (WHERE b.type = 'request_cnt'), 0)::int AS calls
       FROM budgets b JOIN (
         SELECT human_id, sum(requests) AS requests, sum(input_tokens + output_tokens) AS tokens, sum(cost_pico_usd) AS cost
         FROM usage_records GROUP BY human_id) AS u USING (human_id)
       WHERE b.period = 'NONE' AND b.is_metered`,
    );
    const [{ humans, wrong, held, calls }] = rows;
    return {
      title: "humans' counters = the sum of their ledger, nothing held",
      ok: wrong === 0 && held === 0,
      detail: `${humans} humans, ${calls} calls; ${wrong} differ, ${held} hold something`,
    };
  });
}
