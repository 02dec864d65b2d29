-- Tells webhooks of budgets: `usage.threshold_reached` for an event with a percentage, else `usage.limit_exceeded`.
CREATE OR REPLACE FUNCTION tell_budgets(p_events budget_event[]) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
DECLARE
  v_event budget_event;
BEGIN
  IF p_events IS NULL THEN
    RETURN;
  END IF;
  FOREACH v_event IN ARRAY p_events LOOP
    PERFORM enqueue_webhook_event(
      v_event.tenant_id,
      CASE WHEN v_event.percent IS NULL THEN 'usage.limit_exceeded' ELSE 'usage.threshold_reached' END,
      CASE WHEN v_event.holder LIKE 'human:%' THEN substr(v_event.holder, 7) END,
      budget_payload(v_event));
  END LOOP;
END
$$;

REVOKE EXECUTE ON FUNCTION tell_budgets FROM PUBLIC;
ALTER FUNCTION tell_budgets OWNER TO gatehouse_definer;
