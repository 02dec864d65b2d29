-- Starts a new budget of the current tenant with the usage of its current period, from the ledger. Open calls count as admitted
-- by it, so that they settle into it. They are locked first, so that each call counts either as open or as over.
CREATE OR REPLACE FUNCTION count_used(p_id uuid) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
DECLARE
  v_budget budgets%ROWTYPE;
  v_open_ids uuid[];
BEGIN
  SELECT b.* INTO v_budget FROM budgets b WHERE b.tenant_id = current_tenant_id() AND b.id = p_id;
  v_open_ids := ARRAY(
    SELECT r.id FROM usage_records r
    WHERE r.tenant_id = v_budget.tenant_id AND r.created_at >= v_budget.starts_at AND r.state = 'RESERVED'
      AND r.id >= usage_id_floor(v_budget.starts_at - interval '1 day')
      AND (v_budget.models IS NULL OR r.model = ANY (v_budget.models))
      AND v_budget.holder IN ('tenant', 'key:' || r.key_id, 'human:' || r.human_id, 'gateway:' || r.gateway_id,
                              'gateway_token:' || r.gateway_token_id)
    ORDER BY r.id FOR NO KEY UPDATE OF r);
  WITH added AS (
    UPDATE usage_records r
    SET budget_ids = r.budget_ids || v_budget.id, budget_epochs = r.budget_epochs || v_budget.epoch
    WHERE r.id = ANY (v_open_ids) AND r.tenant_id = v_budget.tenant_id AND r.state = 'RESERVED'
    RETURNING r.reserved_input_tokens + r.reserved_output_tokens AS tokens, r.reserved_cost_pico_usd AS cost)
  UPDATE budgets b SET held = (
      SELECT coalesce(sum(CASE b.type WHEN 'request_cnt' THEN 1000000 WHEN 'token_cnt' THEN a.tokens * 1000000
                                      ELSE coalesce(a.cost, 0) END), 0)::bigint FROM added a)
    WHERE b.tenant_id = v_budget.tenant_id AND b.id = v_budget.id;
  UPDATE budgets b SET used = (
      SELECT coalesce(sum(CASE b.type WHEN 'request_cnt' THEN r.requests * 1000000::bigint
                                      WHEN 'token_cnt' THEN (r.input_tokens + r.output_tokens) * 1000000
                                      ELSE coalesce(r.cost_pico_usd, CASE WHEN r.kind = 'CALL' THEN r.reserved_cost_pico_usd END, 0)
                          END), 0)::bigint
      FROM usage_records r
      WHERE r.tenant_id = v_budget.tenant_id AND r.created_at >= v_budget.starts_at AND r.state <> 'RESERVED'
        -- A correction counts at the time of the call that it corrects.
        AND (r.kind = 'CALL' OR (SELECT c.created_at FROM usage_records c WHERE c.id = r.adjusts) >= v_budget.starts_at)
        -- Leaves out older partitions; a day is more than a process's clock may differ from this database's.
        AND r.id >= usage_id_floor(v_budget.starts_at - interval '1 day')
        AND (v_budget.models IS NULL OR r.model = ANY (v_budget.models))
        AND v_budget.holder IN ('tenant', 'key:' || r.key_id, 'human:' || r.human_id, 'gateway:' || r.gateway_id,
                                'gateway_token:' || r.gateway_token_id))
    WHERE b.tenant_id = v_budget.tenant_id AND b.id = v_budget.id;
END
$$;

REVOKE EXECUTE ON FUNCTION count_used FROM PUBLIC;
GRANT EXECUTE ON FUNCTION count_used TO gatehouse_app;
ALTER FUNCTION count_used OWNER TO gatehouse_definer;
