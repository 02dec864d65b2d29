-- A process's news in a tick: which of its own runs must end (`cancel`), and what is new in runs that it reads and that run
-- elsewhere. A run without news has no row; a deleted one is GONE.
CREATE OR REPLACE FUNCTION watch_runs(p_lease_id uuid, p_watched run_watch[])
  RETURNS TABLE (id uuid, cancel boolean, status text, step smallint, delta_step smallint, start_at integer, body bytea)
  LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  SET plan_cache_mode = force_generic_plan
  SET enable_seqscan = off
  SET enable_hashjoin = off
  SET enable_mergejoin = off
  AS $$
    SELECT r.id, true, r.status, r.step, NULL::smallint, NULL::integer, NULL::bytea
    FROM runs r WHERE r.lease_id IS NOT DISTINCT FROM p_lease_id AND r.cancel_requested AND r.ended_at IS NULL
    UNION ALL
    SELECT w.id, false, coalesce(r.status, 'GONE'), r.step, d.step, d.start_at, d.body
    FROM unnest(p_watched) AS w
    LEFT JOIN runs r ON r.id = ANY (ARRAY[w.id])
    LEFT JOIN run_deltas d ON d.run_id = w.id AND (d.step, d.start_at) >= (w.step, w.start_at)
    WHERE d.run_id IS NOT NULL OR r.status IS DISTINCT FROM w.status OR r.step IS DISTINCT FROM w.step
    ORDER BY 1, 5, 6
  $$;

REVOKE EXECUTE ON FUNCTION watch_runs FROM PUBLIC;
GRANT EXECUTE ON FUNCTION watch_runs TO gatehouse_app;
ALTER FUNCTION watch_runs OWNER TO gatehouse_definer;
