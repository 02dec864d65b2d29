-- Ends runs of the caller, or an answer after which its run waits for tools (status ACTION), and stores the model's messages.
-- `ended`: false for a run that is no longer the caller's, since its thread was deleted or its lease ran out; nothing is stored
-- for it. `next_ids`: for each ended run, the one that waited for it, which the caller starts now.
CREATE OR REPLACE FUNCTION finish_runs(p_lease_id uuid, p_ends run_end[], OUT ended boolean[], OUT next_ids uuid[])
  LANGUAGE plpgsql STRICT SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  SET plan_cache_mode = force_generic_plan
  SET enable_seqscan = off
  SET enable_hashjoin = off
  SET enable_mergejoin = off
  AS $$
DECLARE
  v_ended_ids uuid[];
  v_begun_ids uuid[];
  v_next_of uuid[];
  v_told_ids uuid[];
BEGIN
  PERFORM 1 FROM threads t
    WHERE t.id = ANY (ARRAY(SELECT r.thread_id FROM runs r WHERE r.id = ANY (ARRAY(SELECT e.id FROM unnest(p_ends) AS e))))
    ORDER BY t.id FOR NO KEY UPDATE;
  -- A run has a lease while it runs, and only then.
  WITH over AS (
    UPDATE runs r
      SET status = e.status, lease_id = NULL, error_code = e.error_code, failure = e.failure,
          step = r.step + CASE WHEN e.body IS NULL THEN 0 ELSE 1 END,
          ended_at = CASE WHEN e.status <> 'ACTION' THEN clock_timestamp() END
      FROM unnest(p_ends) AS e
      WHERE r.id = ANY (ARRAY[e.id]) AND r.lease_id IS NOT DISTINCT FROM p_lease_id
      RETURNING r.id, r.tenant_id, r.thread_id, r.run_no, r.begun, e.status, e.n, e.body, e.tokens, e.left_out
  ), said AS (
    INSERT INTO thread_messages (run_id, n, tenant_id, thread_id, run_no, role, body, tokens)
      SELECT o.id, o.n, o.tenant_id, o.thread_id, o.run_no, 'assistant', o.body, o.tokens
      FROM over AS o WHERE o.body IS NOT NULL
  ), used AS (
    UPDATE threads t SET updated_at = clock_timestamp(), left_out = coalesce(o.left_out, t.left_out)
      FROM over AS o WHERE t.id = ANY (ARRAY[o.thread_id])
  )
  SELECT array_agg(o.id), array_agg(o.id) FILTER (WHERE o.begun),
         array_agg(o.id) FILTER (WHERE o.status <> 'ACTION' AND EXISTS (
           SELECT FROM runs w WHERE w.thread_id::text = o.thread_id::text AND w.status = 'WAITING')),
         array_agg(o.id) FILTER (WHERE o.status IN ('COMPLETED', 'FAILED') AND EXISTS (
           SELECT FROM webhook_subscriptions s
           WHERE s.tenant_id = o.tenant_id AND s.type = CASE o.status WHEN 'COMPLETED' THEN 'run.completed' ELSE 'run.failed' END))
    INTO v_ended_ids, v_begun_ids, v_next_of, v_told_ids
    FROM over AS o;
  IF v_begun_ids IS NOT NULL THEN
    DELETE FROM run_deltas d WHERE d.run_id = ANY (v_begun_ids);
  END IF;
  FOR i IN 1 .. cardinality(p_ends) LOOP
    ended[i] := coalesce(p_ends[i].id = ANY (v_ended_ids), false);
    next_ids[i] := NULL;
    IF p_ends[i].id = ANY (v_next_of) THEN
      next_ids[i] := promote_run((SELECT r.thread_id FROM runs r WHERE r.id = p_ends[i].id), p_lease_id);
    END IF;
    IF p_ends[i].id = ANY (v_told_ids) THEN
      PERFORM tell_run(p_ends[i].id);
    END IF;
  END LOOP;
END
$$;

REVOKE EXECUTE ON FUNCTION finish_runs FROM PUBLIC;
GRANT EXECUTE ON FUNCTION finish_runs TO gatehouse_app;
ALTER FUNCTION finish_runs OWNER TO gatehouse_definer;
