-- Tells webhooks that a run has ended by itself. The payload has ids alone, since a conversation's name may name a person.
CREATE OR REPLACE FUNCTION tell_run(p_run_id uuid) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
DECLARE
  v_run runs;
BEGIN
  SELECT r.* INTO v_run FROM runs r WHERE r.id = p_run_id AND r.status IN ('COMPLETED', 'FAILED');
  IF NOT FOUND THEN
    RETURN;
  END IF;
  PERFORM enqueue_webhook_event(
    v_run.tenant_id, CASE v_run.status WHEN 'COMPLETED' THEN 'run.completed' ELSE 'run.failed' END, v_run.human_id,
    jsonb_strip_nulls(jsonb_build_object('run_id', v_run.id, 'thread_id', v_run.thread_id, 'status', v_run.status,
                                         'error_code', v_run.error_code)));
END
$$;

REVOKE EXECUTE ON FUNCTION tell_run FROM PUBLIC;
ALTER FUNCTION tell_run OWNER TO gatehouse_definer;
