-- Continues a run of the current tenant that waits for tool outputs, under the caller's lease, and stores the outputs as its
-- messages from `p_n` on. False: it does not wait for outputs. The caller has checked the thread's owner.
CREATE OR REPLACE FUNCTION continue_run(p_lease_id uuid, p_run_id uuid, p_n integer, p_bodies bytea[], p_tokens integer[])
  RETURNS boolean
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
DECLARE
  v_run runs;
BEGIN
  PERFORM 1 FROM threads t
    WHERE t.id = (SELECT r.thread_id FROM runs r WHERE r.id = p_run_id AND r.tenant_id = current_tenant_id())
    FOR NO KEY UPDATE;
  UPDATE runs r SET status = 'RUNNING', lease_id = p_lease_id, begun = true
    WHERE r.id = p_run_id AND r.tenant_id = current_tenant_id() AND r.status = 'ACTION'
      AND EXISTS (SELECT FROM process_leases l WHERE l.id = p_lease_id AND l.ended_at IS NULL)
    RETURNING r.* INTO v_run;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  INSERT INTO thread_messages (run_id, n, tenant_id, thread_id, run_no, role, body, tokens)
    SELECT v_run.id, p_n + o.ordinality - 1, v_run.tenant_id, v_run.thread_id,
           v_run.run_no, 'tool', o.body, o.tokens
    FROM unnest(p_bodies, p_tokens) WITH ORDINALITY AS o (body, tokens);
  UPDATE threads t SET updated_at = clock_timestamp() WHERE t.id = v_run.thread_id;
  RETURN true;
END
$$;

REVOKE EXECUTE ON FUNCTION continue_run FROM PUBLIC;
GRANT EXECUTE ON FUNCTION continue_run TO gatehouse_app;
ALTER FUNCTION continue_run OWNER TO gatehouse_definer;
