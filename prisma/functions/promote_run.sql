-- Gives a thread's next waiting run to a process; null: no run waits. The caller has locked the thread.
CREATE OR REPLACE FUNCTION promote_run(p_thread_id uuid, p_lease_id uuid) RETURNS uuid
  LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  SET enable_seqscan = off
  SET enable_hashjoin = off
  SET enable_mergejoin = off
  AS $$
    UPDATE runs r SET status = 'RUNNING', lease_id = p_lease_id
    WHERE r.id = (SELECT w.id FROM runs w WHERE w.thread_id::text = p_thread_id::text AND w.status = 'WAITING'
                  ORDER BY w.run_no LIMIT 1)
    RETURNING r.id
  $$;

REVOKE EXECUTE ON FUNCTION promote_run FROM PUBLIC;
ALTER FUNCTION promote_run OWNER TO gatehouse_definer;
