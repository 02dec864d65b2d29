-- Turns what calls held of their budgets into what they used, in the epoch that admitted them, current or ended; skips budgets
-- and epochs that are gone. Tells webhooks of each alert mark that this crosses, once in an epoch. Rows are locked in the order
-- of their ids. Planning: see admit_usage.
CREATE OR REPLACE FUNCTION charge_budgets(p_charges budget_charge[], p_now timestamptz) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  SET plan_cache_mode = force_generic_plan
  SET enable_seqscan = off
  SET enable_hashjoin = off
  SET enable_mergejoin = off
  SET enable_material = off
  AS $$
DECLARE
  v_near uuid[];
  v_events budget_event[];
  v_charged integer;
  v_due integer;
BEGIN
  IF p_charges IS NULL THEN
    RETURN;
  END IF;
  WITH due AS MATERIALIZED (
    SELECT u.id, u.epoch, sum_bigint(c.requests_held) AS requests_held, sum_bigint(c.requests) AS requests,
           sum_bigint(c.tokens_held) AS tokens_held, sum_bigint(c.tokens) AS tokens,
           sum_bigint(c.cost_held) AS cost_held, sum_bigint(c.cost) AS cost
    FROM unnest(p_charges) AS c CROSS JOIN unnest(c.budget_ids, c.budget_epochs) AS u (id, epoch)
    GROUP BY u.id, u.epoch ORDER BY u.id),
  charged AS (
    UPDATE budgets b SET
      held = b.held - CASE b.type WHEN 'request_cnt' THEN d.requests_held WHEN 'token_cnt' THEN d.tokens_held ELSE d.cost_held END,
      used = b.used + CASE b.type WHEN 'request_cnt' THEN d.requests WHEN 'token_cnt' THEN d.tokens ELSE d.cost END
    FROM due d WHERE b.id = ANY (ARRAY[d.id]) AND b.epoch = d.epoch
    -- Marks ascend. The comparison in floating point only tells that an exact one is worth it.
    RETURNING CASE WHEN b.used::float8 * 101 >= b.amount::float8 * b.alert_at[1] AND b.told < b.alert_at[cardinality(b.alert_at)]
                   THEN b.id END AS near)
  SELECT c.near, c.charged, (SELECT count(*) FROM due)
    INTO v_near, v_charged, v_due
    FROM (SELECT array_agg(c.near) FILTER (WHERE c.near IS NOT NULL) AS near, count(*) AS charged FROM charged c) AS c;
  IF v_near IS NOT NULL THEN
    WITH told AS (
      UPDATE budgets b SET told_before = b.told, told = m.most
      FROM unnest(v_near) AS n (id) JOIN budgets a ON a.id = ANY (ARRAY[n.id])
      CROSS JOIN LATERAL (
        SELECT max(m.mark) AS most FROM unnest(a.alert_at) AS m (mark)
        WHERE a.used::numeric * 100 >= (a.amount + CASE WHEN a.raise_until > p_now THEN a.raise_by ELSE 0 END)::numeric * m.mark) AS m
      WHERE b.id = ANY (ARRAY[n.id]) AND m.most > b.told
      RETURNING b.*)
    SELECT array_agg(ROW(t.tenant_id, t.holder, t.type, t.period, m.mark,
                         t.amount + CASE WHEN t.raise_until > p_now THEN t.raise_by ELSE 0 END, t.used, t.ends_at)::budget_event)
      INTO v_events
      FROM told t CROSS JOIN unnest(t.alert_at) AS m (mark) WHERE m.mark > t.told_before AND m.mark <= t.told;
    PERFORM tell_budgets(v_events);
  END IF;
  -- The others were admitted in epochs that have ended.
  IF v_charged < v_due THEN
    UPDATE budget_epochs e SET
      held = e.held - CASE b.type WHEN 'request_cnt' THEN d.requests_held WHEN 'token_cnt' THEN d.tokens_held ELSE d.cost_held END,
      used = e.used + CASE b.type WHEN 'request_cnt' THEN d.requests WHEN 'token_cnt' THEN d.tokens ELSE d.cost END
    FROM (
      SELECT u.id, u.epoch, sum_bigint(c.requests_held) AS requests_held, sum_bigint(c.requests) AS requests,
             sum_bigint(c.tokens_held) AS tokens_held, sum_bigint(c.tokens) AS tokens,
             sum_bigint(c.cost_held) AS cost_held, sum_bigint(c.cost) AS cost
      FROM unnest(p_charges) AS c CROSS JOIN unnest(c.budget_ids, c.budget_epochs) AS u (id, epoch)
      GROUP BY u.id, u.epoch ORDER BY u.id, u.epoch) AS d
    JOIN budgets b ON b.id = ANY (ARRAY[d.id])
    WHERE e.budget_id = ANY (ARRAY[d.id]) AND e.epoch = d.epoch AND b.epoch <> d.epoch;
  END IF;
END
$$;

REVOKE EXECUTE ON FUNCTION charge_budgets FROM PUBLIC;
ALTER FUNCTION charge_budgets OWNER TO gatehouse_definer;
