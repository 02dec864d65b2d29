-- How many claim writes wait for the sign-in's issuer, and for how long the oldest has waited: counted to 100,000.
CREATE OR REPLACE FUNCTION claim_queue_state() RETURNS TABLE (depth integer, oldest_seconds double precision)
  LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    SELECT count(*)::integer,
           greatest(0, coalesce(extract(epoch FROM clock_timestamp() - min(w.created_at)), 0))::double precision
    FROM (SELECT c.created_at FROM claim_writes c LIMIT 100000) AS w
  $$;

REVOKE EXECUTE ON FUNCTION claim_queue_state FROM PUBLIC;
GRANT EXECUTE ON FUNCTION claim_queue_state TO gatehouse_app;
ALTER FUNCTION claim_queue_state OWNER TO gatehouse_definer;
