-- Gives back places of requests that were refused after all: only to the windows that close at `p_resets_at`, not to later
-- windows of the same keys. Rows are locked in the order of take_rate_windows.
CREATE OR REPLACE FUNCTION release_rate_windows(p_keys text[], p_resets_at timestamptz[], p_places integer[], p_window interval)
  RETURNS void
  LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    WITH held AS (
      SELECT w.key, r.places
      FROM unnest(p_keys, p_resets_at, p_places) AS r (key, resets_at, places)
      JOIN rate_windows w ON w.key = r.key AND w.opened_at + p_window = r.resets_at
      ORDER BY w.key
      FOR UPDATE OF w)
    UPDATE rate_windows w SET used = greatest(0, w.used - held.places) FROM held WHERE held.key = w.key
  $$;

REVOKE EXECUTE ON FUNCTION release_rate_windows FROM PUBLIC;
GRANT EXECUTE ON FUNCTION release_rate_windows TO gatehouse_app;
ALTER FUNCTION release_rate_windows OWNER TO gatehouse_definer;
