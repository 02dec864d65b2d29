-- Sets a budget of the current tenant and returns its id. Without `p_raise_by` nothing is raised; without `p_alert_at` the
-- alert marks stay, and a new budget's is 80 percent. `p_amount` null deletes the budget, and returns null if it did not exist.
-- Runs with its caller's rights.
--
-- With period NONE the amount is what is left from now on: a new epoch. With a calendar period only the allowed amount changes,
-- and the used and held amounts stay; a new budget starts with the ledger's usage since the start of its period. After each
-- set, webhooks are told once more when it crosses a mark.
CREATE OR REPLACE FUNCTION set_budget(p_holder text, p_type text, p_period text, p_zone text, p_models text[], p_amount bigint,
                                      p_raise_by bigint, p_raise_until timestamptz, p_alert_at smallint[]) RETURNS uuid
  LANGUAGE plpgsql
  SET search_path = pg_catalog, public, pg_temp
  AS $$
DECLARE
  v_tenant_id text := current_tenant_id();
  v_now timestamptz;
  v_id uuid;
  v_models text[] := (SELECT array_agg(DISTINCT m ORDER BY m) FROM unnest(p_models) AS m);
  v_alert_at smallint[] := (SELECT coalesce(array_agg(DISTINCT m ORDER BY m), '{}') FROM unnest(p_alert_at) AS m);
  v_start timestamptz;
BEGIN
  LOOP
    SELECT b.id INTO v_id FROM budgets b
      WHERE b.tenant_id = v_tenant_id AND b.holder = p_holder AND b.type = p_type AND b.period = p_period
        AND b.time_zone = p_zone AND b.models IS NOT DISTINCT FROM v_models
      FOR NO KEY UPDATE;
    v_now := ledger_now();
    IF p_amount IS NULL THEN
      DELETE FROM budgets b WHERE b.tenant_id = v_tenant_id AND b.id = v_id;
      RETURN v_id;
    END IF;
    EXIT WHEN v_id IS NOT NULL;
    v_start := period_start(p_period, p_zone, v_now);
    INSERT INTO budgets (id, tenant_id, holder, type, period, time_zone, models, amount, raise_by, raise_until, alert_at,
                         starts_at, ends_at, created_at)
      VALUES (gen_random_uuid(), v_tenant_id, p_holder, p_type, p_period, p_zone, v_models, p_amount, coalesce(p_raise_by, 0),
              p_raise_until, CASE WHEN p_alert_at IS NULL THEN '{80}' ELSE v_alert_at END, v_start,
              greatest(period_end(p_period, p_zone, v_start), v_now + interval '1 second'), v_now)
      ON CONFLICT (tenant_id, holder, type, period, time_zone, models) DO NOTHING
      RETURNING id INTO v_id;
    IF v_id IS NOT NULL THEN
      IF p_period <> 'NONE' THEN
        PERFORM count_used(v_id);
      END IF;
      RETURN v_id;
    END IF;
    -- Another transaction has just set the same budget: read it again.
  END LOOP;
  PERFORM end_epochs(ARRAY[v_id], v_now, p_period = 'NONE');
  UPDATE budgets b
  SET amount = p_amount, raise_by = coalesce(p_raise_by, 0), raise_until = p_raise_until,
      alert_at = CASE WHEN p_alert_at IS NULL THEN b.alert_at ELSE v_alert_at END, told = 0, exceeded_told = false
  WHERE b.tenant_id = v_tenant_id AND b.id = v_id;
  RETURN v_id;
END
$$;

REVOKE EXECUTE ON FUNCTION set_budget FROM PUBLIC;
GRANT EXECUTE ON FUNCTION set_budget TO gatehouse_app;
