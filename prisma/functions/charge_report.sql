-- Takes reported usage from the human's limit, also below 0, since it has happened; never beyond a bigint. Tells webhooks
-- once of each alert mark that this crosses, and of the first report that exceeds what was left. Runs with its caller's
-- rights, in the current tenant.
CREATE OR REPLACE FUNCTION charge_report(p_human_id text, p_type text, p_micro_units bigint) RETURNS void
  LANGUAGE plpgsql
  SET search_path = pg_catalog, public, pg_temp
  AS $$
DECLARE
  v_now timestamptz := ledger_now();
  v_budget budgets%ROWTYPE;
  v_mark smallint;
BEGIN
  UPDATE budgets b
  SET used = least(b.used::numeric + p_micro_units, 9000000000000000000)::bigint, told_before = b.told
  WHERE b.tenant_id = current_tenant_id() AND b.holder = 'human:' || p_human_id AND b.type = p_type AND b.period = 'NONE'
    AND b.models IS NULL
  RETURNING b.* INTO v_budget;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  FOREACH v_mark IN ARRAY v_budget.alert_at LOOP
    IF v_mark > v_budget.told AND v_budget.used::numeric * 100 >= v_budget.amount::numeric * v_mark THEN
      PERFORM tell_webhooks('usage.threshold_reached', p_human_id, budget_payload(ROW(v_budget.tenant_id, v_budget.holder, p_type, 'NONE',
        v_mark, v_budget.amount, v_budget.used, v_budget.ends_at)::budget_event), false);
      UPDATE budgets b SET told = v_mark WHERE b.tenant_id = v_budget.tenant_id AND b.id = v_budget.id;
    END IF;
  END LOOP;
  IF v_budget.used > v_budget.amount AND NOT v_budget.exceeded_told THEN
    PERFORM tell_webhooks('usage.limit_exceeded', p_human_id, budget_payload(ROW(v_budget.tenant_id, v_budget.holder, p_type, 'NONE',
      NULL, v_budget.amount, v_budget.used, v_budget.ends_at)::budget_event), false);
    UPDATE budgets b SET exceeded_told = true WHERE b.tenant_id = v_budget.tenant_id AND b.id = v_budget.id;
  END IF;
END
$$;

REVOKE EXECUTE ON FUNCTION charge_report FROM PUBLIC;
GRANT EXECUTE ON FUNCTION charge_report TO gatehouse_app;
