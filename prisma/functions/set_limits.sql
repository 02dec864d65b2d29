-- Sets the limits that are named, absolutely, and begins a new epoch of each; `microUnits` null removes one. Runs with its
-- caller's rights, in the current tenant. False: there is no such human.
CREATE OR REPLACE FUNCTION set_limits(p_human_id text, p_limits jsonb) RETURNS boolean
  LANGUAGE plpgsql
  SET search_path = pg_catalog, public, pg_temp
  AS $$
DECLARE
  v_types text[] := ARRAY(SELECT l.one ->> 'type' FROM jsonb_array_elements(p_limits) AS l (one));
  v_token boolean := 'token_cnt' = ANY (v_types);
  v_request boolean := 'request_cnt' = ANY (v_types);
  v_cost boolean := 'cost_micros' = ANY (v_types);
BEGIN
  UPDATE humans h SET
    token_cnt = CASE WHEN v_token THEN limit_of(p_limits, 'token_cnt') ELSE h.token_cnt END,
    token_cnt_reserved = CASE WHEN v_token THEN 0 ELSE h.token_cnt_reserved END,
    token_cnt_epoch = h.token_cnt_epoch + v_token::integer,
    request_cnt = CASE WHEN v_request THEN limit_of(p_limits, 'request_cnt') ELSE h.request_cnt END,
    request_cnt_reserved = CASE WHEN v_request THEN 0 ELSE h.request_cnt_reserved END,
    request_cnt_epoch = h.request_cnt_epoch + v_request::integer,
    cost_micros = CASE WHEN v_cost THEN limit_of(p_limits, 'cost_micros') ELSE h.cost_micros END,
    cost_micros_reserved = CASE WHEN v_cost THEN 0 ELSE h.cost_micros_reserved END,
    cost_micros_epoch = h.cost_micros_epoch + v_cost::integer,
    conversational_seconds = CASE WHEN 'conversational_seconds' = ANY (v_types)
      THEN limit_of(p_limits, 'conversational_seconds') ELSE h.conversational_seconds END,
    voice_synthesis_seconds = CASE WHEN 'voice_synthesis_seconds' = ANY (v_types)
      THEN limit_of(p_limits, 'voice_synthesis_seconds') ELSE h.voice_synthesis_seconds END,
    memory_message_cnt = CASE WHEN 'memory_message_cnt' = ANY (v_types)
      THEN limit_of(p_limits, 'memory_message_cnt') ELSE h.memory_message_cnt END,
    exceeded_told = ARRAY(SELECT told FROM unnest(h.exceeded_told) AS told WHERE told <> ALL (v_types))
  WHERE h.tenant_id = current_tenant_id() AND h.id = p_human_id;
  RETURN FOUND;
END
$$;

REVOKE EXECUTE ON FUNCTION set_limits FROM PUBLIC;
GRANT EXECUTE ON FUNCTION set_limits TO gatehouse_app, gatehouse_definer;
