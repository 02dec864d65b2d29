-- Ends runs of the caller's, or an answer of one that then waits for tools (status ACTION), and stores what the model said.
-- `ended`: false for a run that is the caller's no more, as its thread was deleted or its lease had run out; nothing is
-- stored for it. `next_ids`: for each run that ended, the one that waited for it and is the caller's to start now.
CREATE OR REPLACE FUNCTION finish_runs(p_lease_id uuid, p_ends run_end[], OUT ended boolean[], OUT next_ids uuid[])
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  SET plan_cache_mode = force_generic_plan
  SET enable_seqscan = off
  SET enable_hashjoin = off
  SET enable_mergejoin = off
  AS $$
DECLARE
  v_end run_end;
  v_run runs;
BEGIN
  PERFORM 1 FROM threads t
    WHERE t.id = ANY (ARRAY(SELECT r.thread_id FROM runs r WHERE r.id = ANY (ARRAY(SELECT e.id FROM unnest(p_ends) AS e))))
    ORDER BY t.id FOR NO KEY UPDATE;
  FOR i IN 1 .. cardinality(p_ends) LOOP
    v_end := p_ends[i];
    UPDATE runs r
      SET status = v_end.status, lease_id = NULL, error_code = v_end.error_code, failure = v_end.failure,
          step = r.step + CASE WHEN v_end.body IS NULL THEN 0 ELSE 1 END,
          ended_at = CASE WHEN v_end.status <> 'ACTION' THEN clock_timestamp() END
      WHERE r.id = v_end.id AND r.lease_id = p_lease_id AND r.status = 'RUNNING'
      RETURNING r.* INTO v_run;
    ended[i] := FOUND;
    next_ids[i] := NULL;
    CONTINUE WHEN NOT ended[i];
    IF v_end.body IS NOT NULL THEN
      INSERT INTO thread_messages (run_id, n, tenant_id, thread_id, run_no, role, body, tokens)
        VALUES (v_run.id, v_end.n, v_run.tenant_id, v_run.thread_id, v_run.run_no, 'assistant', v_end.body, v_end.tokens);
    END IF;
    IF v_run.begun THEN
      DELETE FROM run_deltas d WHERE d.run_id = v_run.id;
    END IF;
    UPDATE threads t SET updated_at = clock_timestamp(), left_out = coalesce(v_end.left_out, t.left_out)
      WHERE t.id = v_run.thread_id;
    IF v_end.status <> 'ACTION' THEN
      next_ids[i] := promote_run(v_run.tenant_id, v_run.thread_id, p_lease_id);
      PERFORM tell_run(v_run.id);
    END IF;
  END LOOP;
END
$$;

REVOKE EXECUTE ON FUNCTION finish_runs FROM PUBLIC;
GRANT EXECUTE ON FUNCTION finish_runs TO gatehouse_app;
ALTER FUNCTION finish_runs OWNER TO gatehouse_definer;
