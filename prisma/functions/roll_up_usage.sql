-- Adds the sums of the next `p_most` rows of a retired month to usage_rollups, and stores its progress. Nothing else changes
-- such a month but purge_tenant, which waits. Returns how many rows it added up; fewer than `p_most`: the month is done.
CREATE OR REPLACE FUNCTION roll_up_usage(p_month date, p_most integer) RETURNS bigint
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  SET enable_seqscan = off
  AS $$
DECLARE
  v_from uuid;
  v_last uuid;
  v_open uuid;
  v_rows bigint;
BEGIN
  SELECT coalesce(m.rolled_to, '00000000-0000-0000-0000-000000000000') INTO v_from
    FROM usage_months m WHERE m.month = p_month FOR UPDATE;
  WITH piece AS MATERIALIZED (
    SELECT r.* FROM usage_records_retired r
    WHERE r.id > v_from AND r.id >= usage_id_floor(p_month::timestamp AT TIME ZONE 'UTC')
      AND r.id < usage_id_floor((p_month + interval '1 month') AT TIME ZONE 'UTC')
    ORDER BY r.id LIMIT p_most),
  added AS (
    INSERT INTO usage_rollups (tenant_id, bucket, month, key_id, user_id, human_id, gateway_id, provider, model, operation, outcome,
                               calls, failed, requests, input_tokens, output_tokens, cached_input_tokens, cache_write_tokens,
                               reasoning_tokens, cost_pico_usd, unpriced)
    SELECT p.tenant_id, date_bin('15 minutes', p.created_at, 'epoch'), p_month, p.key_id, p.user_id, p.human_id, p.gateway_id,
           p.provider, p.model, p.operation, p.outcome,
           count(*) FILTER (WHERE p.kind = 'CALL'),
           count(*) FILTER (WHERE p.kind = 'CALL' AND p.outcome IS DISTINCT FROM 'OK'),
           sum(p.requests), sum(p.input_tokens), sum(p.output_tokens), sum(p.cached_input_tokens), sum(p.cache_write_tokens),
           sum(p.reasoning_tokens), sum(p.cost_pico_usd), sum(p.requests) FILTER (WHERE p.cost_pico_usd IS NULL)
    FROM piece p
    GROUP BY p.tenant_id, date_bin('15 minutes', p.created_at, 'epoch'), p.key_id, p.user_id, p.human_id, p.gateway_id,
             p.provider, p.model, p.operation, p.outcome)
  SELECT count(*), (array_agg(p.id ORDER BY p.id DESC))[1], (array_agg(p.id) FILTER (WHERE p.state = 'RESERVED'))[1]
    INTO v_rows, v_last, v_open
    FROM piece p;
  IF v_open IS NOT NULL THEN
    -- keep_usage_ledger retires no month with an open call of a live process: this row's lease is gone.
    RAISE EXCEPTION 'month % of the ledger is kept: call % is open and belongs to no process', to_char(p_month, 'YYYY-MM'), v_open;
  END IF;
  UPDATE usage_months m
  SET rolled_to = coalesce(v_last, m.rolled_to), rolled_rows = m.rolled_rows + v_rows,
      rolled_at = CASE WHEN v_rows < p_most THEN clock_timestamp() END
  WHERE m.month = p_month;
  RETURN v_rows;
END
$$;

REVOKE EXECUTE ON FUNCTION roll_up_usage FROM PUBLIC;
ALTER FUNCTION roll_up_usage OWNER TO gatehouse_definer;
