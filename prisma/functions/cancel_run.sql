-- Ends a run of the current tenant that runs nowhere at the moment, or asks the process that runs it to end it. Returns
-- its new status, and the run that waited for it and that the caller starts; no row: no such run. The caller has
-- checked the thread's owner.
CREATE OR REPLACE FUNCTION cancel_run(p_lease_id uuid, p_run_id uuid) RETURNS TABLE (status text, next_id uuid)
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
DECLARE
  v_thread_id uuid;
  v_status text;
BEGIN
  SELECT r.thread_id INTO v_thread_id FROM runs r WHERE r.id = p_run_id AND r.tenant_id = current_tenant_id();
  PERFORM 1 FROM threads t WHERE t.id = v_thread_id FOR NO KEY UPDATE;
  SELECT r.status INTO v_status FROM runs r WHERE r.id = p_run_id AND r.tenant_id = current_tenant_id() FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  IF v_status = 'RUNNING' THEN
    UPDATE runs r SET cancel_requested = true WHERE r.id = p_run_id;
  ELSIF v_status IN ('WAITING', 'ACTION') THEN
    UPDATE runs r SET status = 'CANCELLED', ended_at = clock_timestamp() WHERE r.id = p_run_id;
    IF v_status = 'ACTION' THEN
      next_id := promote_run(v_thread_id, p_lease_id);
    END IF;
    v_status := 'CANCELLED';
  END IF;
  status := v_status;
  RETURN NEXT;
END
$$;

REVOKE EXECUTE ON FUNCTION cancel_run FROM PUBLIC;
GRANT EXECUTE ON FUNCTION cancel_run TO gatehouse_app;
ALTER FUNCTION cancel_run OWNER TO gatehouse_definer;
