-- How many deliveries of all tenants are due, and for how long the oldest has been due: counted to
-- 100,000, by their index alone.
CREATE OR REPLACE FUNCTION webhook_queue_state() RETURNS TABLE (depth integer, oldest_seconds double precision)
  LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    SELECT count(*)::integer,
           greatest(0, coalesce(extract(epoch FROM clock_timestamp() - min(due.next_attempt_at)), 0))::double precision
    FROM (
      (SELECT d.next_attempt_at FROM webhook_deliveries d WHERE d.ready ORDER BY d.next_attempt_at LIMIT 100000)
      UNION ALL
      (SELECT d.next_attempt_at FROM webhook_deliveries d
       WHERE NOT d.ready AND d.next_attempt_at <= clock_timestamp() ORDER BY d.next_attempt_at LIMIT 100000)
      LIMIT 100000) AS due
  $$;

REVOKE EXECUTE ON FUNCTION webhook_queue_state FROM PUBLIC;
GRANT EXECUTE ON FUNCTION webhook_queue_state TO gatehouse_app;
ALTER FUNCTION webhook_queue_state OWNER TO gatehouse_definer;
