-- Settles many calls. RESERVED becomes SETTLED once. A row that the sweeper charged meanwhile stays as it is and is corrected
-- once, by an adjustment whose id follows from the row's: the two together are the truth. Two statements, so that the second
-- sees what a sweeper did while the first waited for its row. Corrections keep the human of the row that they correct. The
-- correction of a tenant that is being deleted, or is gone, is not written: the tenant's row is locked against deletion.
-- Humans' limits are charged in the same transaction, as its last step, since all admissions wait for a human that is
-- locked. Returns the number of calls that used more than they had reserved although a limit judged them. How it is planned:
-- see reserve_usage.
CREATE OR REPLACE FUNCTION settle_usage(p_ids uuid[], p_outcomes text[], p_status_codes integer[], p_input_tokens bigint[],
                             p_output_tokens bigint[], p_estimated boolean[], p_latency_ms integer[], p_requests smallint[],
                             p_cached_input_tokens bigint[], p_cost_pico_usd bigint[]) RETURNS integer
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  SET plan_cache_mode = force_generic_plan
  SET enable_seqscan = off
  SET enable_hashjoin = off
  SET enable_mergejoin = off
  AS $$
DECLARE
  v_settled_ids uuid[];
  v_adjusted_ids uuid[];
  v_charges human_charge[];
  v_corrections human_charge[];
  v_overruns integer;
BEGIN
  WITH settled AS (
    UPDATE usage_records r
    SET state = 'SETTLED', outcome = t.outcome, status_code = t.status_code, input_tokens = t.input_tokens,
        output_tokens = t.output_tokens, estimated = t.estimated, latency_ms = t.latency_ms, requests = t.requests,
        cached_input_tokens = t.cached_input_tokens, cost_pico_usd = t.cost_pico_usd, settled_at = clock_timestamp(),
        overrun = coalesce(r.token_cnt_epoch IS NOT NULL
            AND t.input_tokens + t.output_tokens > r.reserved_input_tokens + r.reserved_output_tokens
          OR r.cost_micros_epoch IS NOT NULL AND t.cost_pico_usd > r.reserved_cost_pico_usd, false)
    FROM unnest(p_ids, p_outcomes, p_status_codes, p_input_tokens, p_output_tokens, p_estimated, p_latency_ms, p_requests,
                p_cached_input_tokens, p_cost_pico_usd)
      AS t (id, outcome, status_code, input_tokens, output_tokens, estimated, latency_ms, requests, cached_input_tokens,
            cost_pico_usd)
    WHERE r.id = ANY (ARRAY[t.id]) AND r.state = 'RESERVED'
    RETURNING r.*)
  SELECT array_agg(s.id), count(*) FILTER (WHERE s.overrun),
         array_agg(ROW(s.tenant_id, s.human_id,
                       s.token_cnt_epoch, (s.reserved_input_tokens + s.reserved_output_tokens) * 1000000,
                       (s.input_tokens + s.output_tokens) * 1000000,
                       s.request_cnt_epoch, 1000000, s.requests * 1000000::bigint,
                       s.cost_micros_epoch, s.reserved_cost_pico_usd,
                       coalesce(s.cost_pico_usd, s.reserved_cost_pico_usd))::human_charge)
           FILTER (WHERE num_nonnulls(s.token_cnt_epoch, s.request_cnt_epoch, s.cost_micros_epoch) > 0)
    INTO v_settled_ids, v_overruns, v_charges
    FROM settled s;
  IF cardinality(v_settled_ids) = cardinality(p_ids) THEN
    PERFORM tell_usage(v_settled_ids);
    PERFORM charge_humans(v_charges);
    RETURN v_overruns;
  END IF;

  WITH adjusted AS (
    INSERT INTO usage_records (id, tenant_id, kind, adjusts, key_id, user_id, human_id, request_id, provider, model,
                               streamed, state, outcome, status_code, reserved_input_tokens, reserved_output_tokens,
                               input_tokens, output_tokens, estimated, latency_ms, requests, cached_input_tokens,
                               cost_pico_usd, token_cnt_epoch, request_cnt_epoch, cost_micros_epoch, lease_id, settled_at)
    SELECT md5('adjustment:' || r.id)::uuid, r.tenant_id, 'ADJUSTMENT', r.id, r.key_id, r.user_id, r.human_id, r.request_id,
           r.provider, r.model, r.streamed, 'SETTLED', t.outcome, t.status_code, 0, 0, t.input_tokens - r.input_tokens,
           t.output_tokens - r.output_tokens, t.estimated, t.latency_ms, t.requests - r.requests,
           t.cached_input_tokens - r.cached_input_tokens, t.cost_pico_usd - r.cost_pico_usd, r.token_cnt_epoch,
           r.request_cnt_epoch, r.cost_micros_epoch, r.lease_id, clock_timestamp()
    FROM unnest(p_ids, p_outcomes, p_status_codes, p_input_tokens, p_output_tokens, p_estimated, p_latency_ms, p_requests,
                p_cached_input_tokens, p_cost_pico_usd)
      AS t (id, outcome, status_code, input_tokens, output_tokens, estimated, latency_ms, requests, cached_input_tokens,
            cost_pico_usd)
    JOIN usage_records r ON r.id = ANY (ARRAY[t.id])
    JOIN tenants n ON n.id = r.tenant_id
    WHERE r.state = 'SWEPT'
    ORDER BY n.id
    FOR KEY SHARE OF n
    ON CONFLICT (id) DO NOTHING
    RETURNING *)
  SELECT array_agg(a.id),
         array_agg(ROW(a.tenant_id, a.human_id, a.token_cnt_epoch, 0, (a.input_tokens + a.output_tokens) * 1000000,
                       a.request_cnt_epoch, 0, a.requests * 1000000::bigint,
                       a.cost_micros_epoch, 0, coalesce(a.cost_pico_usd, 0))::human_charge)
           FILTER (WHERE num_nonnulls(a.token_cnt_epoch, a.request_cnt_epoch, a.cost_micros_epoch) > 0)
    INTO v_adjusted_ids, v_corrections
    FROM adjusted a;
  IF v_settled_ids IS NOT NULL OR v_adjusted_ids IS NOT NULL THEN
    PERFORM tell_usage(v_settled_ids || v_adjusted_ids);
  END IF;
  PERFORM charge_humans(v_charges || v_corrections);
  RETURN v_overruns;
END
$$;

REVOKE EXECUTE ON FUNCTION settle_usage FROM PUBLIC;
GRANT EXECUTE ON FUNCTION settle_usage TO gatehouse_app;
ALTER FUNCTION settle_usage OWNER TO gatehouse_definer;
