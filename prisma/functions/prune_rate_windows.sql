-- Deletes closed windows.
CREATE OR REPLACE FUNCTION prune_rate_windows(p_window interval) RETURNS void
  LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    DELETE FROM rate_windows WHERE key IN (
      SELECT w.key FROM rate_windows w WHERE w.opened_at + p_window * 2 < clock_timestamp() FOR UPDATE SKIP LOCKED)
  $$;

REVOKE EXECUTE ON FUNCTION prune_rate_windows FROM PUBLIC;
GRANT EXECUTE ON FUNCTION prune_rate_windows TO gatehouse_app;
ALTER FUNCTION prune_rate_windows OWNER TO gatehouse_definer;
