-- Sets a human's named limits to absolute values and leaves the others: they are its budgets of period NONE. `microUnits` null
-- deletes a limit. Runs with its caller's rights, in the current tenant. False: no such human.
CREATE OR REPLACE FUNCTION set_limits(p_human_id text, p_limits jsonb) RETURNS boolean
  LANGUAGE plpgsql
  SET search_path = pg_catalog, public, pg_temp
  AS $$
BEGIN
  PERFORM 1 FROM humans h WHERE h.tenant_id = current_tenant_id() AND h.id = p_human_id;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  -- All of them before any change, in the order in which admissions lock them.
  PERFORM 1 FROM budgets b WHERE b.tenant_id = current_tenant_id() AND b.holder = 'human:' || p_human_id AND b.period = 'NONE'
    ORDER BY b.id FOR NO KEY UPDATE;
  PERFORM set_budget('human:' || p_human_id, l.one ->> 'type', 'NONE', 'UTC', NULL, (l.one ->> 'microUnits')::bigint, NULL, NULL, NULL)
    FROM jsonb_array_elements(p_limits) AS l (one);
  RETURN true;
END
$$;

REVOKE EXECUTE ON FUNCTION set_limits FROM PUBLIC;
GRANT EXECUTE ON FUNCTION set_limits TO gatehouse_app;
