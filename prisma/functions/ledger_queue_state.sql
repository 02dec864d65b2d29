-- How many months of the ledger are due to be dropped after `p_days`, at least 35, and for how long the oldest has been due.
CREATE OR REPLACE FUNCTION ledger_queue_state(p_days integer) RETURNS TABLE (depth integer, oldest_seconds double precision)
  LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    SELECT count(*)::integer, greatest(0, coalesce(extract(epoch FROM max(v.before - d.ended)), 0))::double precision
    FROM (SELECT clock_timestamp() - make_interval(days => greatest(p_days, 35)) AS before) AS v
    CROSS JOIN LATERAL (
      SELECT (m.month + interval '1 month') AT TIME ZONE 'UTC' AS ended FROM usage_months_due(v.before) AS m) AS d
  $$;

REVOKE EXECUTE ON FUNCTION ledger_queue_state FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger_queue_state TO gatehouse_app;
ALTER FUNCTION ledger_queue_state OWNER TO gatehouse_definer;
