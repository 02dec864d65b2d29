-- How many runs of all tenants wait for an earlier run of their thread, and for how long the oldest has
-- waited: counted to 100,000.
CREATE OR REPLACE FUNCTION run_queue_state() RETURNS TABLE (depth integer, oldest_seconds double precision)
  LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    SELECT count(*)::integer,
           greatest(0, coalesce(extract(epoch FROM clock_timestamp() - min(waiting.created_at)), 0))::double precision
    FROM (SELECT r.created_at FROM runs r WHERE r.status = 'WAITING' LIMIT 100000) AS waiting
  $$;

REVOKE EXECUTE ON FUNCTION run_queue_state FROM PUBLIC;
GRANT EXECUTE ON FUNCTION run_queue_state TO gatehouse_app;
ALTER FUNCTION run_queue_state OWNER TO gatehouse_definer;
