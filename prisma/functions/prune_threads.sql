-- Deletes conversations beyond the tenant's retention: threads that were last used before it, and in other threads the runs
-- that ended before it, with their messages. Also deletes pieces of answers that a dead process left an hour ago. Returns how
-- many rows; `p_limit` or more: there may be more.
CREATE OR REPLACE FUNCTION prune_threads(p_limit integer) RETURNS integer
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
DECLARE
  v_threads integer;
  v_runs integer;
BEGIN
  DELETE FROM threads t USING (
    SELECT o.id FROM tenants k JOIN threads o ON o.tenant_id = k.id
      AND o.updated_at < clock_timestamp() - make_interval(days => k.thread_retention_days)
    WHERE k.thread_retention_days IS NOT NULL
      AND NOT EXISTS (SELECT FROM runs r WHERE r.thread_id = o.id AND r.ended_at IS NULL)
    LIMIT p_limit FOR UPDATE OF o SKIP LOCKED) AS old
  WHERE t.id = old.id;
  GET DIAGNOSTICS v_threads = ROW_COUNT;
  DELETE FROM runs r USING (
    SELECT o.id FROM tenants k JOIN runs o ON o.tenant_id = k.id
      AND o.ended_at < clock_timestamp() - make_interval(days => k.thread_retention_days)
    WHERE k.thread_retention_days IS NOT NULL
    LIMIT p_limit FOR UPDATE OF o SKIP LOCKED) AS old
  WHERE r.id = old.id;
  GET DIAGNOSTICS v_runs = ROW_COUNT;
  DELETE FROM run_deltas d USING runs r WHERE r.id = d.run_id AND r.ended_at < clock_timestamp() - interval '1 hour';
  RETURN greatest(v_threads, v_runs);
END
$$;

REVOKE EXECUTE ON FUNCTION prune_threads FROM PUBLIC;
GRANT EXECUTE ON FUNCTION prune_threads TO gatehouse_app;
ALTER FUNCTION prune_threads OWNER TO gatehouse_definer;
