-- Ends the runs of dead processes, and those that wait for tool outputs longer than `p_patience`. A dead process's run that had
-- not begun to answer moves to the caller, once; any other one fails. Returns the runs that the caller starts: moved ones,
-- those that waited for a failed one, and its own that it does not know (`p_known`), since the answer with them was lost.
--
-- sweep_usage decides which processes are dead. A thread is locked before its runs are changed; a thread that another
-- transaction holds waits for the next sweep.
CREATE OR REPLACE FUNCTION sweep_runs(p_lease_id uuid, p_known uuid[], p_patience interval, p_most integer) RETURNS SETOF uuid
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
DECLARE
  v_thread_id uuid;
  v_run runs;
  v_next_id uuid;
BEGIN
  PERFORM 1 FROM process_leases l WHERE l.id = p_lease_id AND l.ended_at IS NULL;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  RETURN QUERY SELECT r.id FROM runs r WHERE r.lease_id = p_lease_id AND r.id <> ALL (p_known);
  FOR v_thread_id IN
    SELECT t.id FROM threads t WHERE t.id = ANY (ARRAY(
      (SELECT r.thread_id FROM runs r WHERE r.lease_id IS NOT NULL
         AND NOT EXISTS (SELECT FROM process_leases l WHERE l.id = r.lease_id AND l.ended_at IS NULL) LIMIT p_most)
      UNION ALL
      (SELECT r.thread_id FROM runs r JOIN threads o ON o.id = r.thread_id
       WHERE r.status = 'ACTION' AND o.updated_at < clock_timestamp() - p_patience LIMIT p_most)))
    ORDER BY t.id FOR NO KEY UPDATE SKIP LOCKED
  LOOP
    SELECT r.* INTO v_run FROM runs r WHERE r.thread_id::text = v_thread_id::text AND r.status IN ('RUNNING', 'ACTION');
    IF NOT FOUND OR EXISTS (SELECT FROM process_leases l WHERE l.id = v_run.lease_id AND l.ended_at IS NULL) THEN
      CONTINUE;
    ELSIF v_run.status = 'ACTION' AND EXISTS (
      SELECT FROM threads t WHERE t.id = v_thread_id AND t.updated_at >= clock_timestamp() - p_patience) THEN
      CONTINUE;
    ELSIF v_run.status = 'RUNNING' AND NOT v_run.begun AND v_run.moves = 0 AND NOT v_run.cancel_requested THEN
      UPDATE runs r SET lease_id = p_lease_id, moves = 1 WHERE r.id = v_run.id;
      RETURN NEXT v_run.id;
      CONTINUE;
    END IF;
    UPDATE runs r
      SET status = CASE WHEN r.cancel_requested THEN 'CANCELLED' ELSE 'FAILED' END, lease_id = NULL, ended_at = clock_timestamp(),
          error_code = CASE WHEN r.cancel_requested THEN NULL WHEN r.status = 'ACTION' THEN 'tool_outputs_missing'
                            ELSE 'process_died' END
      WHERE r.id = v_run.id;
    PERFORM tell_run(v_run.id);
    v_next_id := promote_run(v_run.thread_id, p_lease_id);
    IF v_next_id IS NOT NULL THEN
      RETURN NEXT v_next_id;
    END IF;
  END LOOP;
END
$$;

REVOKE EXECUTE ON FUNCTION sweep_runs FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sweep_runs TO gatehouse_app;
ALTER FUNCTION sweep_runs OWNER TO gatehouse_definer;
