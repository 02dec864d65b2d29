-- Settles many calls. RESERVED → SETTLED happens once. Calls of a deleted tenant are not written; other tenants
-- are locked against deletion.
--
-- A row that the sweeper charged meanwhile stays, and is corrected once by an adjustment, whose id is derived from the row's:
-- the two together tell the truth. A correction has the holders of its row, and counts at the row's time.
--
-- Budgets are charged last in the transaction, since admissions of all callers wait for a locked budget. Records are locked
-- before budgets, each in the order of their ids, here and in sweep_usage.
--
-- `p_first_bytes_ms`: how long each call, in order, waited for the first of its answer; null: it got none.
--
-- Without `p_wait`, a batch of several tenants takes what is free; `again` are the places of the other calls, to be sent again.
-- `overruns`: how many calls used more than they had reserved, although a budget of tokens or cost judged them.
CREATE OR REPLACE FUNCTION settle_usage(p_batch settlement[], p_wait boolean, p_first_bytes_ms integer[] DEFAULT NULL,
                                        OUT overruns integer, OUT again integer[])
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  SET plan_cache_mode = force_generic_plan
  SET enable_seqscan = off
  SET enable_hashjoin = off
  SET enable_mergejoin = off
  SET enable_material = off
  SET lock_timeout = '100ms'
  AS $$
DECLARE
  v_now timestamptz := ledger_now();
  v_wait boolean := p_wait;
  v_batch settlement[] := p_batch;
  v_first_bytes_ms integer[] := p_first_bytes_ms;
  v_budget_ids uuid[];
  v_missed uuid[];
  v_settled_ids uuid[];
  v_adjusted_ids uuid[];
  v_charges budget_charge[];
  v_corrections budget_charge[];
BEGIN
  IF NOT v_wait THEN
    v_wait := (SELECT min(s.tenant_id) = max(s.tenant_id) FROM unnest(p_batch) AS s);
  END IF;
  IF NOT v_wait THEN
    WITH mine AS MATERIALIZED (
      SELECT p_batch[s.ordinality] AS one, p_first_bytes_ms[s.ordinality] AS first_byte_ms, r.budget_ids
      FROM unnest(p_batch) WITH ORDINALITY AS s
      JOIN usage_records r ON r.id = ANY (ARRAY[s.id]) AND r.tenant_id IS NOT DISTINCT FROM s.tenant_id
      ORDER BY r.id FOR NO KEY UPDATE OF r SKIP LOCKED)
    SELECT (SELECT array_agg(m.one) FROM mine m), (SELECT array_agg(m.first_byte_ms) FROM mine m),
           (SELECT array_agg(DISTINCT u.id) FROM mine m CROSS JOIN unnest(m.budget_ids) AS u (id))
      INTO v_batch, v_first_bytes_ms, v_budget_ids;
    v_missed := lock_budgets(v_budget_ids);
    IF v_missed IS NOT NULL THEN
      SELECT array_agg(v_batch[s.ordinality]), array_agg(v_first_bytes_ms[s.ordinality]) INTO v_batch, v_first_bytes_ms
        FROM unnest(v_batch) WITH ORDINALITY AS s
        CROSS JOIN LATERAL (SELECT u.budget_ids FROM usage_records u WHERE u.id = s.id OFFSET 0) AS r
        WHERE r.budget_ids IS NULL OR NOT r.budget_ids && v_missed;
    END IF;
  END IF;
  WITH settled AS (
    UPDATE usage_records r
    SET state = 'SETTLED', outcome = s.outcome, status_code = s.status_code, requests = s.requests,
        input_tokens = s.input_tokens, output_tokens = s.output_tokens, cached_input_tokens = s.cached_input_tokens,
        cache_write_tokens = s.cache_write_tokens, reasoning_tokens = s.reasoning_tokens,
        cost_pico_usd = s.cost, estimated = s.estimated, latency_ms = s.latency_ms,
        first_byte_ms = v_first_bytes_ms[s.ordinality], settled_at = v_now,
        overrun = r.limited AND coalesce(s.input_tokens + s.output_tokens > r.reserved_input_tokens + r.reserved_output_tokens
          OR s.cost > r.reserved_cost_pico_usd, false)
    -- Of two settlements of one call, the first counts.
    FROM (SELECT s.* FROM unnest(v_batch) WITH ORDINALITY AS s ORDER BY s.id, s.ordinality) AS s
    WHERE r.id = ANY (ARRAY[s.id]) AND r.tenant_id IS NOT DISTINCT FROM s.tenant_id AND r.state = 'RESERVED'
    -- Plain columns and no more: Postgres makes ready to return them from each partition.
    RETURNING r.id, r.overrun, r.budget_ids, r.budget_epochs, r.requests, r.reserved_input_tokens, r.reserved_output_tokens,
              r.input_tokens, r.output_tokens, r.reserved_cost_pico_usd, r.cost_pico_usd)
  SELECT array_agg(s.id), count(*) FILTER (WHERE s.overrun),
         array_agg(ROW(s.budget_ids, s.budget_epochs, 1000000, s.requests * 1000000::bigint,
                       (s.reserved_input_tokens + s.reserved_output_tokens) * 1000000,
                       (s.input_tokens + s.output_tokens) * 1000000, coalesce(s.reserved_cost_pico_usd, 0),
                       coalesce(s.cost_pico_usd, s.reserved_cost_pico_usd, 0))::budget_charge)
           FILTER (WHERE s.budget_ids IS NOT NULL)
    INTO v_settled_ids, overruns, v_charges
    FROM settled s;

  IF cardinality(v_settled_ids) IS DISTINCT FROM cardinality(p_batch) THEN
    IF NOT v_wait THEN
      again := ARRAY(
        SELECT s.ordinality::integer FROM unnest(p_batch) WITH ORDINALITY AS s
        CROSS JOIN LATERAL (SELECT u.* FROM usage_records u WHERE u.id = s.id OFFSET 0) AS r
        WHERE r.tenant_id = s.tenant_id AND r.state <> 'SETTLED' AND (s.id <> ALL (ARRAY(SELECT b.id FROM unnest(v_batch) AS b))
                                        OR v_missed IS NOT NULL AND r.budget_ids && v_missed));
    END IF;
    -- A statement of its own, since it must see what a sweeper did while the previous statement waited for its row.
    WITH adjusted AS (
      INSERT INTO usage_records (id, tenant_id, kind, adjusts, key_id, user_id, human_id, gateway_id, gateway_token_id,
                                 request_id, provider, model, streamed, state, outcome, status_code, reserved_input_tokens,
                                 reserved_output_tokens, input_tokens, output_tokens, estimated, latency_ms, requests,
                                 cached_input_tokens, cache_write_tokens, reasoning_tokens, operation, route, attempt,
                                 sealed_token_hash, cost_pico_usd, budget_ids, budget_epochs, lease_id, created_at, settled_at,
                                 first_byte_ms)
      SELECT adjustment_id(r.id), r.tenant_id, 'ADJUSTMENT', r.id, r.key_id, r.user_id, r.human_id, r.gateway_id,
             r.gateway_token_id, r.request_id, r.provider, r.model, r.streamed, 'SETTLED', s.outcome, s.status_code, 0, 0,
             s.input_tokens - r.input_tokens, s.output_tokens - r.output_tokens, s.estimated, s.latency_ms,
             s.requests - r.requests, s.cached_input_tokens - r.cached_input_tokens,
             s.cache_write_tokens - r.cache_write_tokens, s.reasoning_tokens - r.reasoning_tokens, r.operation, r.route,
             r.attempt, r.sealed_token_hash, s.cost - r.cost_pico_usd, r.budget_ids,
             r.budget_epochs, r.lease_id, v_now, v_now, p_first_bytes_ms[s.ordinality]
      FROM unnest(p_batch) WITH ORDINALITY AS s
      CROSS JOIN LATERAL (SELECT u.* FROM usage_records u WHERE u.id = s.id OFFSET 0) AS r
      JOIN tenants n ON n.id = r.tenant_id
      WHERE r.tenant_id = s.tenant_id AND r.state = 'SWEPT' AND (again IS NULL OR s.ordinality <> ALL (again))
      ORDER BY n.id
      FOR KEY SHARE OF n
      ON CONFLICT (id) DO NOTHING
      RETURNING *)
    SELECT array_agg(a.id),
           array_agg(ROW(a.budget_ids, a.budget_epochs, 0, a.requests * 1000000::bigint, 0,
                         (a.input_tokens + a.output_tokens) * 1000000, 0, coalesce(a.cost_pico_usd, 0))::budget_charge)
             FILTER (WHERE a.budget_ids IS NOT NULL)
      INTO v_adjusted_ids, v_corrections
      FROM adjusted a;
  END IF;
  -- tell_usage asks the same; without a listener this saves each settlement its call.
  IF (v_settled_ids IS NOT NULL OR v_adjusted_ids IS NOT NULL)
     AND EXISTS (SELECT FROM webhook_subscriptions s WHERE s.type = 'usage.tracked') THEN
    PERFORM tell_usage(v_settled_ids || v_adjusted_ids);
  END IF;
  IF v_charges IS NOT NULL OR v_corrections IS NOT NULL THEN
    PERFORM charge_budgets(v_charges || v_corrections, v_now);
  END IF;
END
$$;

REVOKE EXECUTE ON FUNCTION settle_usage FROM PUBLIC;
GRANT EXECUTE ON FUNCTION settle_usage TO gatehouse_app;
ALTER FUNCTION settle_usage OWNER TO gatehouse_definer;
